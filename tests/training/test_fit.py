"""`fit` on a worker gives what Keras' own gives, whatever the model, and says when it is Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from search.training.arrays import resident
from search.training.fit import FirstEpoch, Fit
from search.training.loop import evaluation_size
from search.training.seeding import seeded

SIZE = 96
BATCH = 32


def given(seed=1):
    """Images, rows, words and labels of ten classes."""
    draw = np.random.default_rng(seed)
    return {
        "images": draw.integers(0, 255, (SIZE, 8, 8, 1), np.uint8),
        "rows": draw.normal(size=(SIZE, 5)),  # float64, as NumPy makes them
        "words": draw.integers(0, 50, (SIZE, 6)),
        "labels": draw.integers(0, 10, SIZE),
        "number": draw.normal(size=(SIZE, 1)).astype("float32"),
    }


DATA = given()


def sequential(*layers, loss="sparse_categorical_crossentropy", optimizer="sgd", **options):
    model = keras.Sequential(layers)
    model.compile(optimizer, loss, **({"metrics": ["accuracy"]} | options))
    return model


def convolutional():
    return sequential(
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.BatchNormalization(),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
        # Adam and RMSprop magnify the rounding of small gradients, so they are tested elsewhere.
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=1.0),
    )


def recurrent():
    return sequential(
        keras.layers.Embedding(50, 4),
        keras.layers.LSTM(4),
        keras.layers.Dense(10, activation="softmax"),
        optimizer=keras.optimizers.SGD(0.5, nesterov=True, momentum=0.9),
    )


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(6, activation="tanh")
        self.last = keras.layers.Dense(1)

    def call(self, inputs):
        return self.last(self.hidden(inputs))


def regression():
    model = Subclassed()
    model.compile(
        keras.optimizers.SGD(0.01, ema_momentum=0.9, use_ema=True), "mse", metrics=["mae"]
    )
    return model


def several():
    """Two inputs and two outputs, by name, of which one is weighted."""
    images, rows = keras.Input((8, 8, 1), name="images"), keras.Input((5,), name="rows")
    joined = keras.layers.concatenate([keras.layers.Flatten()(images), rows])
    hidden = keras.layers.Dense(6, activation="tanh")(keras.layers.Rescaling(0.01)(joined))
    outputs = {
        "labels": keras.layers.Dense(10, activation="softmax", name="labels")(hidden),
        "number": keras.layers.Dense(1, name="number")(hidden),
    }
    model = keras.Model({"images": images, "rows": rows}, outputs)
    model.compile(
        "sgd",
        {"labels": "sparse_categorical_crossentropy", "number": "mse"},
        loss_weights={"labels": 1.0, "number": 0.5},
        metrics={"labels": ["accuracy"], "number": ["mae"]},
    )
    return model


def custom_loss(true, predicted):
    return keras.ops.mean(keras.ops.abs(true - predicted), axis=-1)


def custom():
    """A loss and a metric of one's own, the metric a single number for each batch."""
    spread = keras.metrics.MeanMetricWrapper(lambda t, p: keras.ops.max(p) - keras.ops.min(p), "w")
    return sequential(keras.layers.Dense(1), loss=custom_loss, metrics=[spread])


inputs = {"images": DATA["images"], "rows": DATA["rows"]}
outputs = {"labels": DATA["labels"], "number": DATA["number"]}
WEIGHTS = np.linspace(0.1, 2.0, SIZE)

CALLS = {
    "convolutional": (convolutional, DATA["images"], DATA["labels"], {}),
    "recurrent": (recurrent, DATA["words"], DATA["labels"], {}),
    "subclassed, moving averages": (regression, DATA["rows"], DATA["number"], {}),
    "several inputs and outputs": (several, inputs, outputs, {}),
    "custom loss and metric": (custom, DATA["rows"], DATA["number"], {}),
    "class weights": (
        convolutional, DATA["images"], DATA["labels"], {"class_weight": {3: 5.0, 4: 0.0}},
    ),
    "sample weights": (regression, DATA["rows"], DATA["number"], {"sample_weight": WEIGHTS}),
    "validated every second epoch": (
        regression, DATA["rows"], DATA["number"], {"validation_freq": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_same_history_and_weights_as_keras(name):
    make, x, y, options = CALLS[name]
    call = {"batch_size": BATCH, "epochs": 3, "shuffle": False, "validation_split": 0.25}
    histories, weights = [], []
    for ours in (True, False):
        keras.backend.clear_session()
        with seeded(7):
            model = make()
            fit = Fit(model, 1) if ours else model.fit
            quiet = {} if ours else {"verbose": 0}
            histories.append(fit(x, y, **call, **options, **quiet).history)
        weights.append(model.get_weights())
        if ours:
            assert fit.keras_fit == ""
    assert histories[0].keys() == histories[1].keys()
    for key, values in histories[1].items():
        assert histories[0][key] == pytest.approx(values, rel=2e-4, abs=2e-5), key
    for mine, theirs in zip(*weights, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-4)


class Batchwise(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


class OwnFit(keras.Sequential):
    def fit(self, *args, **kwargs):
        return super().fit(*args, **kwargs)


class Rows(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, number):
        return DATA["rows"][:BATCH], DATA["number"][:BATCH]


ROWS = (DATA["rows"], DATA["number"])


@pytest.mark.parametrize(
    ("arguments", "options", "reason"),
    [
        (ROWS, {"callbacks": [Batchwise()]}, "the callback Batchwise acts on batches"),
        (ROWS, {"steps_per_epoch": 1}, "steps_per_epoch is given"),
        (
            (tf.data.Dataset.from_tensor_slices(ROWS).batch(8),),
            {},
            "the data are a tf.data.Dataset",
        ),
        ((Rows(),), {}, "the data are a keras.utils.PyDataset"),
    ],
)
def test_keras_own_fit_trains_what_the_loop_cannot_and_the_reason_is_told(
    arguments, options, reason
):
    model = regression()
    fit = Fit(model, 1)
    assert len(fit(*arguments, epochs=2, **options).history["loss"]) == 2
    assert fit.keras_fit == reason
    assert not fit.resumable


def test_a_model_may_refuse_the_loop():
    for change, reason in (
        ({"run_eagerly": True}, "the model runs eagerly"),
        ({"jit_compile": True}, "the model is compiled by XLA"),
    ):
        model = Subclassed()
        model.compile("sgd", "mse", **change)
        fit = Fit(model, 1)
        fit(*ROWS)
        assert fit.keras_fit == reason
    own = OwnFit([keras.layers.Dense(1)])
    own.compile("sgd", "mse")
    fit = Fit(own, 1)
    fit(*ROWS)
    assert fit.keras_fit == "the model's class overrides fit"


class Extra(keras.Sequential):
    """Its `fit` has arguments of its own."""

    def fit(self, rows, numbers, extra, epochs=1, callbacks=None):
        return super().fit(rows, numbers * extra, epochs=epochs, callbacks=callbacks, verbose=0)


def test_a_fit_of_the_models_own_class_has_its_own_arguments():
    model = Extra([keras.Input((5,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    fit = Fit(model, 1)
    assert len(fit(*ROWS, extra=2, epochs=2).history["loss"]) == 2
    assert fit.keras_fit == "the model's class overrides fit"


def test_a_model_with_a_fixed_batch_size_is_trained_by_keras():
    model = keras.Sequential([keras.Input(batch_shape=(32, 5)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    fit = Fit(model, 1)
    fit(*ROWS, validation_data=ROWS)
    assert fit.keras_fit == "the model has a fixed batch size"


def test_metrics_that_are_arrays_and_the_number_of_steps_are_as_in_keras():
    class Steps(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.found = self.params["steps"]

    model = sequential(
        keras.layers.Dense(3, activation="softmax"), metrics=[keras.metrics.F1Score()]
    )
    model.compile("sgd", "categorical_crossentropy", metrics=[keras.metrics.F1Score()])
    steps = Steps()
    labels = np.eye(3)[DATA["labels"] % 3]
    fit = Fit(model, 1)
    history = fit(DATA["rows"], labels, batch_size=40, callbacks=[steps]).history
    assert fit.keras_fit == ""
    assert np.shape(history["f1_score"][0]) == (3,)
    assert steps.found == 3  # 96 examples


def test_an_error_of_the_model_is_keras_own():
    model = sequential(keras.layers.Dense(3), keras.layers.Reshape((5,)), loss="mse")
    with pytest.raises(ValueError, match=r"Reshape\.call"):
        Fit(model, 1)(*ROWS)


def stopping():
    return [
        keras.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=0),
    ]


def test_a_call_goes_on_elsewhere_bit_for_bit_with_its_callbacks():
    """What early stopping and a falling learning rate remember is part of the state."""
    call = {"batch_size": BATCH, "validation_split": 0.25}

    def start(state=None, callbacks=b""):
        keras.backend.clear_session()
        model = regression()
        return model, Fit(model, 5, state, callbacks)

    with seeded(7):
        model, fit = start()
        whole = fit(*ROWS, epochs=6, callbacks=stopping(), **call).history
    expected = model.get_weights()

    class Pause(keras.callbacks.Callback):
        transient = True

        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                self.kept = fit.state(), fit.callbacks_state()
                self.model.stop_training = True

    pause = Pause()
    with seeded(7):
        _, fit = start()
        fit(*ROWS, epochs=6, callbacks=[*stopping(), pause], **call)
    model, fit = start(*pause.kept)
    rest = fit(*ROWS, epochs=6, initial_epoch=FirstEpoch(3), callbacks=stopping(), **call).history
    assert rest["loss"] == whole["loss"][3:]
    assert rest["val_loss"] == whole["val_loss"][3:]
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), expected, strict=True))


class Pairs(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return DATA["rows"][32 * index : 32 * index + 32], DATA["labels"][:32]


@pytest.mark.parametrize(
    "data",
    [
        lambda: (DATA["rows"], DATA["labels"]),
        lambda: (tf.data.Dataset.from_tensor_slices((DATA["rows"], DATA["labels"])).batch(32),),
        lambda: (Pairs(),),
    ],
    ids=["arrays", "tf.data", "PyDataset"],
)
def test_keras_own_fit_goes_on_from_a_state_though_the_model_is_not_built_yet(data):
    """With no epoch left, what was restored is what there is."""
    batches = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)

    def unbuilt():
        return sequential(keras.layers.Dense(10, activation="softmax"), optimizer="adam")

    first = Fit(unbuilt(), 1)
    first(*data(), epochs=1, callbacks=[batches])
    assert first.keras_fit
    again = Fit(unbuilt(), 1, first.state())
    again(*data(), epochs=1, initial_epoch=1, callbacks=[batches])
    for before, after in zip(first.state(), again.state(), strict=True):
        assert np.array_equal(before, after)


def test_a_callback_with_more_than_plain_values_cannot_go_on_elsewhere(tmp_path):
    fit = Fit(regression(), 1)
    fit(*ROWS, callbacks=[keras.callbacks.CSVLogger(tmp_path / "log.csv")])
    assert fit.keras_fit == ""
    assert fit.callbacks_state() is None


def test_arrays_stay_in_their_type_and_mapped_arrays_in_their_place(tmp_path):
    file = tmp_path / "images.npy"
    np.save(file, DATA["images"])
    mapped = np.load(file, mmap_mode="c")
    (tensor,) = resident((mapped,))
    assert tensor.dtype == tf.uint8
    mapped[0, 0, 0, 0] = 200
    # The tensor has no copy: it sees what is written to the array.
    assert tensor[0, 0, 0, 0].numpy() == 200
    assert resident((mapped,))[0] is tensor
    (rows,) = resident((DATA["rows"],))
    assert rows.dtype == tf.float64


def test_validation_steps_are_large_only_if_no_result_depends_on_them():
    model = convolutional()
    model.build((None, 8, 8, 1))
    # The widest layer has 6 × 6 × 4 values, so 2,000 examples fit.
    assert evaluation_size(model, BATCH) == 2000
    assert evaluation_size(custom(), BATCH) == BATCH
    assert evaluation_size(regression(), BATCH) == BATCH


def always_normalised():
    entered = keras.Input((5,))
    normalised = keras.layers.BatchNormalization()(entered, training=True)
    return keras.Model(entered, keras.layers.Dense(1)(normalised))


def centred():
    entered = keras.Input((5,))
    centre = entered - keras.ops.mean(entered, axis=0, keepdims=True)
    return keras.Model(entered, keras.layers.Dense(1)(centre))


@pytest.mark.parametrize(
    ("make", "loss"),
    [
        (lambda: keras.Sequential([keras.layers.Dense(1, activation="sigmoid")]), "dice"),
        (
            lambda: keras.Sequential([keras.layers.Dense(1, activation="sigmoid")]),
            keras.losses.Tversky(),
        ),
        (
            lambda: keras.Sequential([keras.layers.Dense(1, activation=lambda x: x - x.mean())]),
            "mse",
        ),
        (
            lambda: keras.Sequential(
                [keras.layers.Lambda(lambda x: x - keras.ops.mean(x)), keras.layers.Dense(1)]
            ),
            "mse",
        ),
        (always_normalised, "mse"),
        (centred, "mse"),
        (
            lambda: keras.Sequential([keras.layers.Masking(), keras.layers.Dense(1)]),
            "mse",
        ),
    ],
)
def test_results_that_depend_on_the_batch_are_those_of_keras_steps(make, loss):
    model = make()
    model.compile("sgd", loss)
    if not model.built:
        model.build((None, 5))
    assert evaluation_size(model, BATCH) == BATCH


def test_what_a_build_draws_depends_on_the_seed_alone():
    drawn = []
    for seed in (1, 1, 2):
        with seeded(seed):
            drawn.append(keras.initializers.GlorotUniform()((4, 4)).numpy())
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
