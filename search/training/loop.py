"""Trains one compiled Keras model fast: a whole epoch is one compiled TensorFlow function.

The step itself is Keras' own `train_step`, so losses, metrics, regularisers and layers are Keras'.
The loop avoids the work on which `model.fit` spends most of its time. Images stay resident as
uint8. The graph itself gathers the images in an epoch's shuffled order. Computations for which
Keras uses many operations use few (search/training/kernels.py).
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
"""Number of images in one forward pass. Their activations still fit the processor's caches."""


MASKED_VALUES = 2**24
"""Number of values for which NumPy draws dropout masks at a time, before the graph continues."""


Logs = dict[str, float]


Scores = dict[str, Any]


class Diverged(Exception):
    """A loss that became NaN or infinite.

    epoch: epoch in which this happened, counted from 0.
    logs: logs of this epoch.
    """

    def __init__(self, epoch: int, logs: Logs):
        losses = {name: logs[name] for name in ("loss", "val_loss") if name in logs}
        bad = ", ".join(f"{n} is {v}" for n, v in losses.items() if not math.isfinite(v))
        super().__init__(f"diverged in epoch {epoch + 1}: {bad}")
        self.epoch = epoch
        self.logs = logs


class EpochLoop:
    """Epochs of one compiled model over resident data.

    Every random choice of epoch e (order and augmentation of the images, dropout masks) depends on
    (seed, e) alone. An epoch that is resumed elsewhere from the same state has the same result.

    model: compiled, for inputs of shape (batch, features) in [0, 1] and integer labels.
    stretch: number of images for which dropout masks are drawn at a time, a multiple of the batch
    size.
    """

    def __init__(self, model: keras.Model, data: Data, batch_size: int, seed: int):
        self.model = model
        self.seed = seed
        self.steps = math.ceil(len(data.x_train) / batch_size)
        model.optimizer.build(model.trainable_variables)
        self._masked = cheapen(model)
        # Metrics create their variables on first use. Inside a trace, this would trace twice.
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
        """Return a compiled function (order, batch, kept) that feeds images to `step` in order.

        order: indices of the images.
        kept: a mask for each layer of `masked`, of shape (len(order), features).
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
        """Train one epoch, counted from 0. Return Keras' logs, `loss` and `accuracy`."""
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
        """Return loss (penalties included, as in Keras) and metrics on the validation images."""
        self.model.reset_metrics()
        self._evaluate(self._in_order, EVALUATION_BATCH, [])
        return self._logs()

    def learning_rate(self) -> float:
        """Return the learning rate of the next step."""
        return float(self.model.optimizer.learning_rate)

    def _logs(self) -> Logs:
        return {name: float(value) for name, value in self.model.get_metrics_result().items()}

    def state(self) -> list[np.ndarray]:
        """Return copies of all weights, then of all optimizer variables, in Keras' order."""
        return [v.numpy() for v in self._variables()]

    def restore(self, state: Sequence[np.ndarray]) -> None:
        """Restore a `state`. Raises ValueError if it belongs to another model or optimizer."""
        variables = self._variables()
        if [tuple(v.shape) for v in variables] != [a.shape for a in state]:
            raise ValueError("the state belongs to another model or optimizer")
        for variable, array in zip(variables, state, strict=True):
            variable.assign(array)

    def _variables(self) -> list[keras.Variable]:
        # Seeds are set again in every epoch, so they are not part of the state.
        seeds = {id(generator.state) for generator in self._seed_generators}
        return [
            v for v in [*self.model.weights, *self.model.optimizer.variables] if id(v) not in seeds
        ]


def scored(model: keras.Model, images: np.ndarray, labels: np.ndarray, levels: int) -> Scores:
    """Return a model's results on images: `accuracy`, `loss`, `labels` and `predicted`.

    images: uint8, shape (images, features), 0 to `levels`.

    The accuracy is a share. The loss is the mean of −log of the label's probability, without
    smoothing or penalties. Labels and predictions are classes in the order of the images.
    """
    batches = [
        model(tf.cast(images[start : start + EVALUATION_BATCH], tf.float32) / levels).numpy()
        for start in range(0, len(images), EVALUATION_BATCH)
    ]
    return judged(np.concatenate(batches), labels)


def judged(probabilities: np.ndarray, labels: np.ndarray) -> Scores:
    """Return the results of `scored` from probabilities of shape (images, classes)."""
    predicted = probabilities.argmax(axis=1)
    given = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return {
        "accuracy": float(np.mean(predicted == labels)),
        "loss": float(-np.mean(np.log(np.clip(given, keras.config.epsilon(), 1)))),
        "labels": labels.tolist(),
        "predicted": predicted.tolist(),
    }


def seed_weights(model: keras.Model, seed: int) -> None:
    """Draw every Dense kernel again from its own initializer, by `seed` and position alone.

    Keras draws its seeds from Python's global generator, which a worker's other threads use too.
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
    """Train like `model.fit`, with the compiled loop, and return the same history.

    Callbacks get on_train_begin/end and on_epoch_begin/end with Keras' logs plus `learning_rate`
    and `seconds`. Batch-level hooks are not called. `model.stop_training` ends the run.

    epochs: the epoch to stop before, counted from 0.
    initial_epoch: the first epoch to train, counted from 0.
    Raises Diverged if a loss is not finite.
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
    """Return an array as a tensor, made once for each array that a process trains on."""
    if id(array) not in _resident:
        _resident[id(array)] = (array, tf.constant(array))
    return _resident[id(array)][1]


def forget_resident() -> None:
    """Release the arrays of a split that is no longer trained on."""
    _resident.clear()
