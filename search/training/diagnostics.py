"""What a learning curve cannot show: gradients, saturation, dead units, weights, by layer."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from search.data.pool import Data
from search.training.loop import Logs, resident

PROBE_IMAGES = 256
"""Enough for shares to a fraction of a percent, few enough to cost a percent of an epoch."""


FLAT = 0.05
"""A unit is saturated for an image where the activation's slope is under this part of its largest."""


@dataclass(frozen=True)
class Probe:
    """A fixed batch of training images on which the layers of a dense model are looked at."""

    images: tf.Tensor
    labels: tf.Tensor

    @classmethod
    def of(cls, data: Data) -> "Probe":
        x = tf.cast(resident(data.x_train)[:PROBE_IMAGES], tf.float32) / data.levels
        return cls(x, tf.cast(data.y_train[:PROBE_IMAGES], tf.int32))

    def look(self, model: keras.Model) -> Logs:
        """Values by `quantity/layer`, with dropout off and batch normalisation at inference.

        gradient_norm, weight_norm: Euclidean norms of a Dense layer's kernel and of the gradient
        of the cross-entropy (penalties apart) in it, for every Dense layer.
        saturated: share of (image, unit) pairs of a hidden layer where the activation is flat.
        dead: share of hidden units flat for every image, which no image teaches anything.
        distinct: different units of a hidden layer, by incoming weights, as a share of its units.
        """
        logs: Logs = {}
        dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
        kernels = [layer.kernel.value for layer in dense]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(kernels)
            signal = self.images
            # Of each hidden layer, and of the output: what its activation takes.
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
    """The largest slope of an activation, found on a grid over [-10, 10]."""
    if activation not in _steepest_slopes:
        grid = tf.linspace(-10.0, 10.0, 2001)
        _steepest_slopes[activation] = float(_slope(activation, grid).max())
    return _steepest_slopes[activation]
