"""The dense networks of the search space, built and compiled."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import keras
import keras_tuner as kt
import numpy as np

from search.networks.augmentation import Augmentation
from search.networks.space import declare
from search.records.datasets import Dataset
from search.records.errors import Misuse
from search.records.schedule import WARMUP_SHARE
from search.records.trial import Values


@keras.saving.register_keras_serializable("search")
class SmoothedCrossentropy(keras.losses.Loss):
    """Keras' categorical cross-entropy with smoothed labels, for labels given as integers."""

    def __init__(self, smoothing: float, name: str = "smoothed_crossentropy", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.smoothing = smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each image, shape (batch,).

        y_true: integers, shape (batch,) or (batch, 1).
        y_pred: probabilities, shape (batch, classes).
        """
        labels = keras.ops.one_hot(keras.ops.reshape(y_true, (-1,)), y_pred.shape[-1])
        return keras.losses.categorical_crossentropy(labels, y_pred, label_smoothing=self.smoothing)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "smoothing": self.smoothing}


@keras.saving.register_keras_serializable("search")
class Restarts(keras.optimizers.schedules.LearningRateSchedule):
    """Schedules one after another, each from its own beginning (Loshchilov and Hutter 2017, SGDR).

    schedules: one for each rung. ends: the step at which each rung ends.
    """

    def __init__(self, schedules: Sequence[Any], ends: Sequence[int]):
        super().__init__()
        self.schedules = list(schedules)
        self.ends = list(ends)

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step, counted from the first rung on."""
        begins = [0, *self.ends[:-1]]
        rate = self.schedules[-1](keras.ops.maximum(step - begins[-1], 0))
        for schedule, begin, end in reversed(
            list(zip(self.schedules[:-1], begins, self.ends, strict=False))
        ):
            own = schedule(keras.ops.maximum(step - begin, 0))
            rate = keras.ops.where(step < end, own, rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        schedules = [keras.saving.serialize_keras_object(each) for each in self.schedules]
        return {"schedules": schedules, "ends": self.ends}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Restarts":
        schedules = map(keras.saving.deserialize_keras_object, config["schedules"])
        return cls(list(schedules), config["ends"])


def costs(values: Values, dataset: Dataset, images: int) -> np.ndarray:
    """Return an epoch's steps, layer steps, multiplications and weight updates, shape (4,)."""
    hidden = [values[f"units_{i}"] for i in range(1, values["layers"] + 1)]
    widths = [dataset.features, *hidden, len(dataset.classes)]
    weights = sum(a * b for a, b in itertools.pairwise(widths))
    steps = math.ceil(images / values["batch_size"])
    return np.array([steps, steps * (len(widths) - 1), images * weights, steps * weights], float)


BILLIONS = np.array([3.5e6, 1.5e6, 3, 10]) / 1e9
"""Billions of multiplications that take about as long as each of the `costs` (benchmarks.epoch)."""


def _falling(schedule: str, rate: float, steps: int) -> Any:
    """Return a schedule that falls to zero over some steps, after a warm-up if asked."""
    if schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(rate, steps)
    rising = int(WARMUP_SHARE * steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps - rising, warmup_target=rate, warmup_steps=rising
    )


class DenseNetworks(kt.HyperModel):
    """Dense networks for a data set of classes, compiled as a configuration asks.

    facts: of the data set. Raises Misuse if its labels are no classes.
    max_epochs: longest budget of a search. None: a schedule falls over a trial's own epochs.
    factor: factor of a search. A schedule falls over each rung, so that a rung ranks trials whose
    rate has fallen. None: it falls over the longest budget, as in version 0.3 and before.

    Batch normalisation follows the activation, as in the assignment. With `norm_first` it precedes
    the activation, as in Ioffe and Szegedy (2015). With bfloat16, the products and activations of
    hidden layers have 16 bits. Weights, normalisation and the output layer stay float32.
    """

    def __init__(self, facts: Dataset, max_epochs: int | None = None, factor: int | None = None):
        super().__init__(name="dense")
        if not facts.classes:
            raise Misuse(
                f"the labels of {facts.name} are no classes, and the dense networks need classes: "
                "give numbers of an integer type, or your own --hypermodel"
            )
        self.facts = facts
        self.max_epochs = max_epochs
        self.factor = factor

    def declare_hyperparameters(self, hp: kt.HyperParameters) -> None:
        """Declare the whole space, as KerasTuner asks of a hypermodel."""
        declare(hp)

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        """Return a compiled model.

        Its input is raw examples, shape (batch, *facts.shape), which the model flattens and scales
        to [0, 1]. Its output is probabilities, shape (batch, classes).
        """
        v = declare(hp)
        regularizer = None
        if v["use_l1"] or v["use_l2"]:
            regularizer = keras.regularizers.L1L2(l1=v["l1"] or 0.0, l2=v["l2"] or 0.0)
        model = keras.Sequential([keras.Input(self.facts.shape)])
        if len(self.facts.shape) > 1:
            model.add(keras.layers.Flatten(name="flat"))
        if self.facts.levels != 1:
            model.add(keras.layers.Rescaling(1 / self.facts.levels, name="scaled"))
        if v["augmentation"] != "none":
            model.add(Augmentation(v["augmentation"], name="augmentation"))
        if v["input_dropout"]:
            model.add(keras.layers.Dropout(v["input_dropout"], name="dropout_0"))
        for i in range(1, v["layers"] + 1):
            for layer in self._hidden(v, i, regularizer):
                model.add(layer)
        model.add(
            keras.layers.Dense(
                len(self.facts.classes),
                activation="softmax",
                kernel_initializer=v["initializer"],
                kernel_regularizer=regularizer,
                name="output",
            )
        )
        ends = self._ends(hp.values)
        model.compile(self._optimizer(v, ends), self._loss(v), metrics=["accuracy"])
        return model

    def _ends(self, values: Values) -> list[int]:
        """Return the epochs at which a schedule reaches zero.

        They do not depend on the rung, so a chain that is trained again has the same rates.
        """
        if self.max_epochs is None:
            return [values["tuner/epochs"]]
        if self.factor is None:
            return [self.max_epochs]
        rungs = reversed(range(values["tuner/bracket"] + 1))
        return [math.ceil(self.max_epochs / self.factor**rung) for rung in rungs]

    def cost(self, values: Values) -> float:
        """Return about how many billions of multiplications an epoch takes, steps included."""
        return float(costs(values, self.facts, self.facts.train_size) @ BILLIONS)

    def seed_weights(self, model: keras.Model, seed: int) -> None:
        """Draw every Dense kernel again from its own initializer, by `seed` and position alone.

        Layers of the same shape then begin alike in networks that differ elsewhere.
        """
        dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
        for place, layer in enumerate(dense):
            config = layer.kernel_initializer.get_config()
            if "seed" in config:
                config["seed"] = int(np.random.default_rng([seed, place]).integers(2**31))
                initializer = type(layer.kernel_initializer).from_config(config)
                layer.kernel.assign(initializer(layer.kernel.shape))

    def fit(self, hp: kt.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Call `model.fit` with the configuration's batch size."""
        return model.fit(*args, batch_size=hp.values["batch_size"], **kwargs)

    @staticmethod
    def _hidden(v: Values, i: int, regularizer: Any) -> list[keras.layers.Layer]:
        """Return the i-th hidden layer with its normalisation, activation and dropout."""
        dtype = "mixed_bfloat16" if v["precision"] == "bfloat16" else "float32"
        norm_first = bool(v["norm_first"])
        dense = keras.layers.Dense(
            v[f"units_{i}"],
            activation=None if norm_first else v["activation"],
            use_bias=not norm_first,  # the normalisation would subtract it again
            kernel_initializer=v["initializer"],
            kernel_regularizer=regularizer,
            dtype=dtype,
            name=f"hidden_{i}",
        )
        layers: list[keras.layers.Layer] = [dense]
        if v["batch_norm"]:
            layers.append(keras.layers.BatchNormalization(dtype=dtype, name=f"batch_norm_{i}"))
        if norm_first:
            name = f"activation_{i}"
            layers.append(keras.layers.Activation(v["activation"], dtype=dtype, name=name))
        if v["dropout"]:
            layers.append(keras.layers.Dropout(v["dropout"], dtype=dtype, name=f"dropout_{i}"))
        return layers

    def _loss(self, v: Values) -> keras.losses.Loss:
        if not v["label_smoothing"]:
            return keras.losses.SparseCategoricalCrossentropy()
        return SmoothedCrossentropy(v["label_smoothing"])

    def _rate(self, v: Values, ends: list[int]) -> Any:
        """Return the learning rate, or its schedule."""
        rate = v[f"{v['optimizer']}_lr"]
        if v["schedule"] == "constant":
            return rate
        of_epoch = -(-self.facts.train_size // v["batch_size"])
        spans = [after - before for before, after in itertools.pairwise([0, *ends])]
        schedules = [_falling(v["schedule"], rate, of_epoch * span) for span in spans]
        if len(schedules) == 1:
            return schedules[0]
        return Restarts(schedules, [of_epoch * end for end in ends])

    def _optimizer(self, v: Values, ends: list[int]) -> keras.optimizers.Optimizer:
        """Return the optimizer. ends: as `_ends` returns them."""
        name = v["optimizer"]
        rate = self._rate(v, ends)
        if name == "sgd":
            return keras.optimizers.SGD(rate)
        if name == "momentum":
            return keras.optimizers.SGD(rate, momentum=v["momentum"], nesterov=v["nesterov"])
        if name == "rmsprop":
            return keras.optimizers.RMSprop(rate, rho=v["rmsprop_rho"])
        betas = {"beta_1": v[f"{name}_beta_1"], "beta_2": v[f"{name}_beta_2"]}
        if name == "adamw":
            return keras.optimizers.AdamW(rate, weight_decay=v["adamw_decay"], **betas)
        return {"adam": keras.optimizers.Adam, "nadam": keras.optimizers.Nadam}[name](rate, **betas)
