"""Trains one compiled Keras model fast: a whole epoch is one compiled TensorFlow function.

The step itself is Keras' own `train_step`, so losses, metrics, regularisers and layers are Keras'.
What `model.fit` spends most of its time on is gone: images stay resident as uint8, an epoch's
shuffled order is gathered inside the graph, and what Keras computes in many operations is computed
in few (search/kernels.py).
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from search.data.pool import Data
from search.training.kernels import cheapen, masks

EVALUATION_BATCH = 2000
"""Images a forward pass of the validation takes; its activations still fit the caches."""


MASKED_VALUES = 2**24
"""Values that dropout's masks are drawn for at a time, in NumPy, before the graph goes on."""


Logs = dict[str, float]


Scores = dict[str, Any]


class Diverged(Exception):
    """A loss became NaN or infinite in an epoch, counted from 0; `logs` are that epoch's."""

    def __init__(self, epoch: int, logs: Logs):
        losses = {name: logs[name] for name in ("loss", "val_loss") if name in logs}
        bad = ", ".join(f"{n} is {v}" for n, v in losses.items() if not math.isfinite(v))
        super().__init__(f"diverged in epoch {epoch + 1}: {bad}")
        self.epoch = epoch
        self.logs = logs


class EpochLoop:
    """Epochs of one compiled model over resident data.

    Every random choice of epoch e (order and moves of the images, dropout masks) is a function of
    (seed, e) alone, so an epoch resumed elsewhere from the same state is the same epoch.

    model: compiled; takes (batch, features) in [0, 1] and integer labels.
    stretch: images that dropout's masks are drawn for at a time, a multiple of the batch size.
    """

    def __init__(self, model: keras.Model, data: Data, batch_size: int, seed: int):
        self.model = model
        self.seed = seed
        self.steps = math.ceil(len(data.x_train) / batch_size)
        model.optimizer.build(model.trainable_variables)
        self._masked = cheapen(model)
        # Metrics make their variables when first used: in a trace, it would be traced twice.
        model.compute_metrics(
            None, tf.zeros((1,), tf.int32), tf.zeros((1, *model.output_shape[1:]))
        )
        self._seed_generators = [
            layer.seed_generator for layer in model.layers if hasattr(layer, "seed_generator")
        ]
        self._train = self._compiled(
            model.train_step, data.x_train, data.y_train, data.levels, self._masked
        )
        self._evaluate = self._compiled(
            model.test_step, data.x_validation, data.y_validation, data.levels, []
        )
        self._batch = batch_size
        self._in_order = tf.range(len(data.x_validation))
        self._images = len(data.x_train)
        masked_values = sum(math.prod(layer.input.shape[1:]) for layer in self._masked)
        batches = MASKED_VALUES // max(1, masked_values * batch_size)
        self.stretch = batch_size * max(1, min(batches, self.steps))

    @staticmethod
    def _compiled(
        step: Callable[[Any], Any],
        images: np.ndarray,
        labels: np.ndarray,
        levels: int,
        masked: list[keras.layers.Dropout],
    ) -> Callable[..., Any]:
        """A compiled function (order, batch, kept) that feeds `step` the images in that order.

        kept: for each layer of `masked`, what it keeps, shape (len(order), features).
        """
        resident_images, resident_labels = resident(images), resident(labels)

        @tf.function(
            autograph=False,
            input_signature=[
                tf.TensorSpec((None,), tf.int32),
                tf.TensorSpec((), tf.int32),
                [tf.TensorSpec(layer.input.shape, tf.bool) for layer in masked],
            ],
        )
        def run(order: tf.Tensor, batch: tf.Tensor, kept: list[tf.Tensor]) -> None:
            total = tf.shape(order)[0]

            def body(start: tf.Tensor) -> tuple[tf.Tensor]:
                picked = order[start : start + batch]
                x = tf.cast(tf.gather(resident_images, picked), tf.float32) / levels
                y = tf.cast(tf.gather(resident_labels, picked), tf.int32)
                for layer, mask in zip(masked, kept, strict=True):
                    layer.kept = mask[start : start + batch]
                step((x, y))
                for layer in masked:
                    layer.kept = None
                return (start + batch,)

            tf.while_loop(lambda start: start < total, body, (0,), parallel_iterations=1)

        return run

    def train(self, epoch: int) -> Logs:
        """Trains one epoch, counted from 0. Returns Keras' logs, `loss` and `accuracy`."""
        generator = np.random.default_rng([self.seed, epoch])
        for seed_generator in self._seed_generators:
            seed_generator.state.assign(generator.integers(0, 2**31, 2))
        order = generator.permutation(self._images).astype(np.int32)
        self.model.reset_metrics()
        for start in range(0, self._images, self.stretch):
            rows = order[start : start + self.stretch]
            self._train(rows, self._batch, masks(self._masked, len(rows), generator))
        return self._logs()

    def evaluate(self) -> Logs:
        """Loss (penalties included, as in Keras) and metrics over the validation images."""
        self.model.reset_metrics()
        self._evaluate(self._in_order, EVALUATION_BATCH, [])
        return self._logs()

    def learning_rate(self) -> float:
        return float(self.model.optimizer.learning_rate)

    def _logs(self) -> Logs:
        return {name: float(value) for name, value in self.model.get_metrics_result().items()}

    def state(self) -> list[np.ndarray]:
        """Copies of all weights, then of all optimizer variables, in Keras' order."""
        return [v.numpy() for v in self._variables()]

    def restore(self, state: Sequence[np.ndarray]) -> None:
        """Puts a `state` back. Raises ValueError where it is another model's."""
        variables = self._variables()
        if [tuple(v.shape) for v in variables] != [a.shape for a in state]:
            raise ValueError("the state is that of another model or optimizer")
        for variable, array in zip(variables, state, strict=True):
            variable.assign(array)

    def _variables(self) -> list[keras.Variable]:
        # Seed states are set anew each epoch: they are no part of the state.
        seeds = {id(generator.state) for generator in self._seed_generators}
        return [
            v for v in [*self.model.weights, *self.model.optimizer.variables] if id(v) not in seeds
        ]


def scored(model: keras.Model, images: np.ndarray, labels: np.ndarray, levels: int) -> Scores:
    """What a model says of images: uint8, shape (images, features), 0 to `levels`.

    accuracy: share. loss: mean of −log of the label's probability, no smoothing, no penalty.
    labels, predicted: classes in the order of the images.
    """
    batches = [
        model(tf.cast(images[start : start + EVALUATION_BATCH], tf.float32) / levels).numpy()
        for start in range(0, len(images), EVALUATION_BATCH)
    ]
    return judged(np.concatenate(batches), labels)


def judged(probabilities: np.ndarray, labels: np.ndarray) -> Scores:
    """`scored`, of probabilities of shape (images, classes)."""
    predicted = probabilities.argmax(axis=1)
    given = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return {
        "accuracy": float(np.mean(predicted == labels)),
        "loss": float(-np.mean(np.log(np.clip(given, keras.config.epsilon(), 1)))),
        "labels": labels.tolist(),
        "predicted": predicted.tolist(),
    }


def seed_weights(model: keras.Model, seed: int) -> None:
    """Draws every Dense kernel again from its own initializer, by `seed` and place alone.

    What Keras drew came from Python's global generator, which a worker's other threads use too.
    """
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    for place, layer in enumerate(dense):
        config = layer.kernel_initializer.get_config()
        if "seed" in config:
            config["seed"] = int(np.random.default_rng([seed, place]).integers(2**31))
            initializer = type(layer.kernel_initializer).from_config(config)
            layer.kernel.assign(initializer(layer.kernel.shape))


def fit(
    loop: EpochLoop,
    epochs: int,
    initial_epoch: int = 0,
    callbacks: Iterable[keras.callbacks.Callback] = (),
) -> keras.callbacks.History:
    """`model.fit` with the compiled loop: same history, callbacks called once an epoch.

    Callbacks get on_train_begin/end and on_epoch_begin/end with Keras' logs plus `learning_rate`
    and `seconds`; batch-level hooks are not called. `model.stop_training` ends the run.

    Raises Diverged when a loss is not finite.
    """
    model = loop.model
    history = keras.callbacks.History()
    model.stop_training = False
    hooks = keras.callbacks.CallbackList([history, *callbacks], model=model, epochs=epochs)
    hooks.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        hooks.on_epoch_begin(epoch)
        started = time.perf_counter()
        logs = loop.train(epoch)
        logs |= {f"val_{name}": value for name, value in loop.evaluate().items()}
        logs["learning_rate"] = loop.learning_rate()
        logs["seconds"] = time.perf_counter() - started
        if not (math.isfinite(logs["loss"]) and math.isfinite(logs["val_loss"])):
            raise Diverged(epoch, logs)
        hooks.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    hooks.on_train_end()
    return history


_resident: dict[int, tuple[np.ndarray, tf.Tensor]] = {}


def resident(array: np.ndarray) -> tf.Tensor:
    """The array as a tensor, made once for each array that a process trains on."""
    if id(array) not in _resident:
        _resident[id(array)] = (array, tf.constant(array))
    return _resident[id(array)][1]


def forget_resident() -> None:
    """Lets go of the arrays of a split that is not trained on any more."""
    _resident.clear()
