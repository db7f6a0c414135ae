"""The compiled loop trains what model.fit trains."""

import math
import random
from dataclasses import replace
from types import MethodType

import keras
import numpy as np
import pytest
import tensorflow as tf

import search.training.loop as training
from search.networks import space
from search.networks.dense import DenseNetworks
from search.records.datasets import DATASETS
from search.running.work import State
from search.training import kernels
from search.training.fit import Fit
from search.training.loop import as_probabilities

EPOCHS = 2

BATCH = 128

CONFIGURATIONS = {
    # Every optimizer, each with what it does not depend on: a layer, a penalty or a schedule.
    "sgd, batch norm": {"optimizer": "sgd", "batch_norm": True},
    "nesterov, label smoothing": {
        "optimizer": "momentum",
        "nesterov": True,
        "label_smoothing": 0.1,
    },
    "rmsprop, penalties": {
        "optimizer": "rmsprop",
        "use_l1": True,
        "use_l2": True,
        "l1": 1e-4,
        "l2": 1e-3,
    },
    "adam, dropout": {"optimizer": "adam", "dropout": 0.3, "input_dropout": 0.1},
    "adamw, cosine": {"optimizer": "adamw", "schedule": "cosine"},
    "nadam, warmup": {"optimizer": "nadam", "schedule": "warmup"},
    # Adam would magnify the rounding of biases that batch norm leaves without gradient.
    "momentum, all": {
        "optimizer": "momentum",
        "batch_norm": True,
        "norm_first": True,
        "augmentation": "flip_shift",
        "dropout": 0.3,
        "use_l2": True,
    },
    "bfloat16": {"precision": "bfloat16", "batch_norm": True, "optimizer": "sgd"},
}


def test_every_optimizer_is_among_the_configurations():
    assert {c["optimizer"] for c in CONFIGURATIONS.values()} == set(space.OPTIMIZERS)


@pytest.fixture
def build(few_digits, make_hp):
    def make(**changes):
        keras.backend.clear_session()
        keras.utils.set_random_seed(3)
        facts = replace(DATASETS["digits"], train_size=len(few_digits.x_train))
        networks = DenseNetworks(facts, max_epochs=4)
        # Few and narrow layers: rounding has less to grow on before it is compared.
        small = {"layers": 2, "units_1": 32, "units_2": 32, "batch_size": BATCH}
        return networks.build(make_hp(**(small | changes)))

    return make


def loop_of(model, data, batch, seed):
    train, validation = (data.x_train, data.y_train), (data.x_validation, data.y_validation)
    return training.EpochLoop(model, train, validation, batch, seed)


def fitted(model, data, seed, epochs, state=None, **given):
    """Train by the compiled loop; return the history and what trained."""
    fit = Fit(model, seed, state)
    held_out = (data.x_validation, data.y_validation)
    x, y = data.x_train, data.y_train
    history = fit(x, y, batch_size=BATCH, epochs=epochs, validation_data=held_out, **given).history
    assert fit.keras_fit == ""
    return history, fit


def fit_by_keras(model, digits, seed, epochs, stretch):
    """Return the history of model.fit on the batches and dropout masks that the loop is to use."""
    # A trace takes longer than these few steps. That of bfloat16 fuses operations and rounds once
    # what would be rounded twice without a trace.
    model.run_eagerly = model.get_layer("hidden_1").compute_dtype == "float32"
    history = {}
    images = len(digits.x_train)
    masked = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    for layer in masked:
        layer.mask_of_epoch = tf.Variable(tf.zeros((images, layer.input.shape[1])))
        layer.call = MethodType(_dropout_by_mask, layer)
        layer.first_image = lambda: (
            tf.cast(model.optimizer.iterations.value, tf.int32) % -(-images // BATCH) * BATCH
        )
    for epoch in range(epochs):
        generator = np.random.default_rng([seed, epoch])
        for layer in (layer for layer in model.layers if hasattr(layer, "seed_generator")):
            layer.seed_generator.state.assign(generator.integers(0, 2**31, 2))
        order = generator.permutation(images)
        stretches = [
            kernels.masks(masked, min(stretch, images - start), generator)
            for start in range(0, images, stretch)
        ]
        for layer, kept in zip(masked, zip(*stretches, strict=True), strict=True):
            layer.mask_of_epoch.assign(np.concatenate(kept))
        logs = model.fit(
            digits.x_train[order],
            digits.y_train[order],
            batch_size=BATCH,
            shuffle=False,
            verbose=0,
            validation_data=(digits.x_validation, digits.y_validation),
        ).history
        for name, values in logs.items():
            history.setdefault(name, []).extend(values)
    return history


def _dropout_by_mask(layer, inputs, training=False):
    if not training:
        return inputs
    start = layer.first_image()
    kept = layer.mask_of_epoch[start : start + tf.shape(inputs)[0]]
    return inputs * kept / (1 - layer.rate)


def but_one_slow(names, quick):
    """Parameters of which the quick tests try one."""
    return [pytest.param(n, marks=() if n == quick else pytest.mark.slow) for n in names]


@pytest.mark.parametrize("name", but_one_slow(CONFIGURATIONS, "momentum, all"))
def test_same_history_and_weights_as_model_fit(build, few_digits, monkeypatch, name):
    # An epoch's masks are drawn in several goes, as they are of large data.
    monkeypatch.setattr(training, "MASKED_VALUES", 20_000)
    model, twin = build(**CONFIGURATIONS[name]), build(**CONFIGURATIONS[name])
    history, fit = fitted(model, few_digits, 5, EPOCHS)
    loop = fit.loop
    assert loop.stretch < len(few_digits.x_train) or "dropout" not in CONFIGURATIONS[name]
    expected = fit_by_keras(twin, few_digits, 5, EPOCHS, loop.stretch)
    for metric in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert history[metric] == pytest.approx(expected[metric], abs=2e-5), metric
    for ours, keras_own in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(ours, keras_own, atol=2e-4)


@pytest.mark.parametrize(
    ("optimizer", "kernel"),
    [
        (keras.optimizers.SGD(0.1), "ResourceApplyGradientDescent"),
        (keras.optimizers.SGD(0.1, momentum=0.9), "ResourceApplyKerasMomentum"),
        (keras.optimizers.RMSprop(), "ResourceApplyRMSProp"),
        (keras.optimizers.Adam(), "ResourceApplyAdam"),
        (keras.optimizers.AdamW(), "ResourceApplyAdam"),
        (keras.optimizers.Adam(amsgrad=True), None),
        (keras.optimizers.RMSprop(centered=True), None),
        (keras.optimizers.Nadam(), None),
    ],
)
def test_fused_kernel_is_used_if_there_is_one(few_digits, optimizer, kernel):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, activation="softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    flat = replace(few_digits, x_train=few_digits.x_train.reshape(-1, 64))
    loop = training.EpochLoop(model, (flat.x_train, flat.y_train), None, 64, seed=1)
    graph = loop._train.get_concrete_function().graph.as_graph_def()
    kinds = {node.op for function in graph.library.function for node in function.node_def}
    assert {k for k in kinds if k.startswith("ResourceApply")} == ({kernel} if kernel else set())


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.55])
def test_dropout_has_keras_distribution(rate):
    """Each value is dropped with the rate, independently of its neighbours, and the rest scaled."""
    ones = np.ones((400, 501), "float32")
    inputs = keras.Input((501,))
    model = keras.Sequential([inputs, keras.layers.Dropout(rate), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    keras_own = keras.layers.Dropout(rate, seed=1)
    (ours,) = kernels.cheapen(model)
    generator = np.random.default_rng(1)
    for layer in (keras_own, ours):
        draws = []
        for _ in range(2):
            if layer is ours:
                (ours.kept,) = kernels.masks([ours], 400, generator)
            draws.append(layer(ones, training=True).numpy())
        first, second = draws
        dropped = first == 0
        # Five standard errors of a share of 200,400 independent values.
        tolerance = 5 * np.sqrt(rate * (1 - rate) / first.size)
        assert dropped.mean() == pytest.approx(rate, abs=tolerance)
        assert np.unique(first[~dropped]) == pytest.approx([1 / (1 - rate)], rel=1e-4)
        both = (dropped[:, 1:] & dropped[:, :-1]).mean()
        assert both == pytest.approx(rate**2, abs=tolerance)
        assert (dropped & (second == 0)).mean() == pytest.approx(rate**2, abs=tolerance)
        assert (layer(ones, training=False).numpy() == 1).all()


def test_dropout_masks_differ_from_epoch_to_epoch(build, few_digits):
    """Without learning, only they make one epoch's loss unlike another's."""
    model = build(dropout=0.3, optimizer="sgd")
    model.optimizer.learning_rate = 0.0
    loop = loop_of(model, few_digits, BATCH, 1)
    losses = [loop.train(epoch)["loss"] for epoch in (0, 1, 0)]
    assert losses[0] == losses[2]
    # The order of the images moves the mean by rounding alone.
    assert abs(losses[0] - losses[1]) > 1e-4


def test_penalties_are_computed_by_the_written_down_gradient(build, few_digits):
    """And not by Keras' own: their regulariser sits on the variables, not on the layers."""
    model = build(use_l1=True, use_l2=True, l1=1e-3, l2=1e-2)
    kernel = model.get_layer("hidden_1").kernel
    keras_own = kernel.regularizer
    loop_of(model, few_digits, BATCH, 1)
    assert kernel.regularizer is not keras_own
    with tf.GradientTape() as tape:
        value = kernel.regularizer(kernel)
    w = kernel.numpy()
    assert float(value) == pytest.approx(1e-3 * np.abs(w).sum() + 1e-2 * (w**2).sum(), rel=1e-5)
    expected = 1e-3 * np.sign(w) + 2e-2 * w
    np.testing.assert_allclose(tape.gradient(value, kernel.value), expected, rtol=1e-5)


@pytest.mark.parametrize("optimizer", but_one_slow(space.OPTIMIZERS, "adamw"))
def test_resumed_from_its_state_goes_on_bit_for_bit(build, few_digits, optimizer):
    """The optimizer's state included, which KerasTuner loses at every promotion."""
    changes = {"optimizer": optimizer, "batch_norm": True, "dropout": 0.2, "schedule": "cosine"}
    whole, fit = fitted(build(**changes), few_digits, 5, 4)
    _, first = fitted(build(**changes), few_digits, 5, 2)
    kept = State.unpacked(State(first.state()).packed()).trained
    rest, resumed = fitted(build(**changes), few_digits, 5, 4, kept, initial_epoch=2)
    assert rest["loss"] == whole["loss"][2:]
    assert rest["val_accuracy"] == whole["val_accuracy"][2:]
    for ours, theirs in zip(resumed.state(), fit.state(), strict=True):
        assert np.array_equal(ours, theirs)


def test_weights_follow_their_seed_and_nothing_else(build):
    """Not Python's global generator, from which Keras takes seeds while other threads do too."""
    drawn = []
    for seed in (1, 1, 2):
        model = build(initializer="he_normal")
        random.random()
        DenseNetworks(DATASETS["digits"], 1).seed_weights(model, seed)
        dense = [x for x in model.layers if isinstance(x, keras.layers.Dense)]
        drawn.append([layer.kernel.numpy() for layer in dense])
    same, again, other = drawn
    assert all(np.array_equal(a, b) for a, b in zip(same, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(same, other, strict=True))
    # The two hidden layers of one shape differ; He's standard deviation is sqrt(2 / inputs).
    assert not np.array_equal(same[1], same[2])
    assert same[0].std() == pytest.approx(np.sqrt(2 / 64), rel=0.05)


def test_state_of_another_model_is_refused(build, few_digits):
    narrow, wide = build(), build(units_1=64)
    with pytest.raises(ValueError, match="another model"):
        training.restore(narrow, training.state_of(wide))


def test_callbacks_of_keras_work(build, few_digits, tmp_path):
    model = build(optimizer="momentum", momentum_lr=0.1)
    early = keras.callbacks.EarlyStopping("val_accuracy", patience=2, restore_best_weights=True)
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=10.0)
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    history, fit = fitted(model, few_digits, 5, 40, callbacks=[early, plateau, board])
    best = int(np.argmax(history["val_accuracy"]))
    assert len(history["loss"]) == best + 3 < 40
    assert fit.loop.evaluate()["accuracy"] == history["val_accuracy"][best]
    assert history["learning_rate"][:3] == pytest.approx([0.1, 0.1, 0.05])
    assert list(tmp_path.rglob("*tfevents*"))


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([[0.2, 0.8]], [[0.2, 0.8]]),
        ([[0.0, math.log(3)]], [[0.25, 0.75]]),
        ([[0.2], [1.0]], [[0.8, 0.2], [0.0, 1.0]]),
        ([[-math.log(3)], [math.log(3)]], [[0.75, 0.25], [0.25, 0.75]]),
    ],
    ids=["probabilities", "logits", "one probability", "one logit"],
)
def test_outputs_become_probabilities_of_each_class(outputs, expected):
    assert as_probabilities(np.array(outputs)) == pytest.approx(np.array(expected))
