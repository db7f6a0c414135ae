"""Diagnostics by layer that no curve shows: gradients, weights, saturated and dead units."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from search.data.pool import Data
from search.training.loop import Logs, resident

PROBE_IMAGES = 256
"""Enough images for shares to a fraction of a percent, at about one percent of an epoch's time."""


FLAT = 0.05
"""A unit is saturated for an image if the activation's slope is below this share of its maximum."""


@dataclass(frozen=True)
class Probe:
    """A fixed batch of training images on which the layers of a dense model are measured.

    images: float32, shape (images, features), scaled to [0, 1].
    labels: int32, shape (images,).
    """

    images: tf.Tensor
    labels: tf.Tensor

    @classmethod
    def of(cls, data: Data) -> "Probe":
        """Return a probe of the first training images."""
        x = tf.cast(resident(data.x_train)[:PROBE_IMAGES], tf.float32) / data.levels
        return cls(x, tf.cast(data.y_train[:PROBE_IMAGES], tf.int32))

    def look(self, model: keras.Model) -> Logs:
        """Return values by `quantity/layer`, with dropout off and batch normalisation at inference.

        weight_norm: Euclidean norm of the kernel of each Dense layer.
        gradient_norm: Euclidean norm of the gradient of the cross-entropy with respect to this
        kernel, without penalties.
        saturated: share of (image, unit) pairs of a hidden layer for which the activation is flat.
        dead: share of hidden units that are flat for every image, and so learn from no image.
        distinct: number of units of a hidden layer with different incoming weights, as a share of
        its units.
        """
        logs: Logs = {}
        dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
        kernels = [layer.kernel.value for layer in dense]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(kernels)
            signal = self.images
            # For each hidden layer and the output: its activation and the activation's input.
            activated: list[tuple[Any, tf.Tensor]] = []
            for layer in model.layers:
                if layer in dense:
                    signal = tf.matmul(signal, layer.kernel.value)
                    if layer.use_bias:
                        signal += layer.bias.value
                elif not isinstance(layer, keras.layers.Activation):
                    signal = tf.cast(layer(signal, training=False), tf.float32)
                    continue
                if layer.activation is not keras.activations.linear:
                    activated.append((layer.activation, signal))
                    signal = layer.activation(signal)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(self.labels, activated[-1][1])
            )
        for layer, gradient in zip(dense, tape.gradient(loss, kernels), strict=True):
            logs[f"gradient_norm/{layer.name}"] = float(tf.norm(gradient))
            logs[f"weight_norm/{layer.name}"] = float(tf.norm(layer.kernel.value))
        for layer, (activation, taken) in zip(dense[:-1], activated, strict=False):
            flat = _slope(activation, taken) < FLAT * _steepest(activation)
            logs[f"saturated/{layer.name}"] = float(np.mean(flat))
            logs[f"dead/{layer.name}"] = float(np.mean(np.all(flat, axis=0)))
            units = layer.kernel.numpy().T
            logs[f"distinct/{layer.name}"] = len({unit.tobytes() for unit in units}) / len(units)
        return logs


def _slope(activation: object, pre_activation: tf.Tensor) -> np.ndarray:
    with tf.GradientTape() as tape:
        tape.watch(pre_activation)
        output = activation(pre_activation)  # type: ignore[operator]
    return np.abs(tape.gradient(output, pre_activation).numpy())


_steepest_slopes: dict[object, float] = {}


def _steepest(activation: object) -> float:
    """Return the largest slope of an activation on a grid over [-10, 10]."""
    if activation not in _steepest_slopes:
        grid = tf.linspace(-10.0, 10.0, 2001)
        _steepest_slopes[activation] = float(_slope(activation, grid).max())
    return _steepest_slopes[activation]
