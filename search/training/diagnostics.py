"""Diagnostics by layer that no curve shows: gradients, weights, saturated and dead units."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from search.training.loop import Logs

PROBE_IMAGES = 256
"""Enough images for shares to a fraction of a percent, at about one percent of an epoch's time."""


FLAT = 0.05
"""A unit is saturated for an image if the activation's slope is below this share of its maximum."""


@dataclass(frozen=True)
class Probe:
    """A fixed batch of training examples on which the layers of a dense model are measured.

    examples: as the model takes them, shape (examples, ...).
    labels: classes, int32, shape (examples,).
    """

    examples: tf.Tensor
    labels: tf.Tensor

    @classmethod
    def of(cls, model: keras.Model, x: Any, y: Any) -> "Probe | None":
        """Return a probe of the first training examples.

        None if the model is not a chain of layers that ends in dense layers and tells classes apart.
        """
        if not (isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and is_chain(model)):
            return None
        classes = model.output_shape[-1]
        if (
            y.dtype.kind not in "iu"
            or y.ndim != 1
            or not 0 <= int(y.min()) <= int(y.max()) < classes
        ):
            return None
        examples = tf.constant(x[:PROBE_IMAGES])
        return cls(examples, tf.constant(y[:PROBE_IMAGES].astype(np.int32)))

    def look(self, model: keras.Model) -> Logs:
        """Return values by `quantity/layer`, with dropout off and batch normalisation at inference.

        weight_norm: Euclidean norm of the kernel of each Dense layer.
        gradient_norm: Euclidean norm of the gradient of the cross-entropy with respect to this
        kernel, without penalties.
        saturated: share of (example, unit) pairs of a hidden layer for which the activation is flat.
        dead: share of hidden units that are flat for every example, and so learn from none.
        distinct: number of units of a hidden layer with different incoming weights, as a share of
        its units.
        """
        logs: Logs = {}
        dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
        kernels = [layer.kernel.value for layer in dense]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(kernels)
            precision = kernels[0].dtype
            signal = tf.cast(self.examples, precision)
            # By layer: its activation, and the activation's input.
            activated: dict[str, tuple[Any, tf.Tensor]] = {}
            name = ""
            for layer in model.layers:
                if layer in dense:
                    name = layer.name
                    signal = tf.matmul(signal, layer.kernel.value)
                    if layer.use_bias:
                        signal += layer.bias.value
                elif not isinstance(layer, keras.layers.Activation):
                    signal = tf.cast(layer(signal, training=False), precision)
                    continue
                if layer is dense[-1] or layer.activation is not keras.activations.linear:
                    activated[name] = layer.activation, signal
                    signal = layer.activation(signal)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(self.labels, activated[name][1])
            )
        for layer, gradient in zip(dense, tape.gradient(loss, kernels), strict=True):
            logs[f"gradient_norm/{layer.name}"] = float(tf.norm(gradient))
            logs[f"weight_norm/{layer.name}"] = float(tf.norm(layer.kernel.value))
        for layer in dense[:-1]:
            if layer.name in activated:
                activation, taken = activated[layer.name]
                flat = _slope(activation, taken) < FLAT * _steepest(activation)
                logs[f"saturated/{layer.name}"] = float(np.mean(flat))
                logs[f"dead/{layer.name}"] = float(np.mean(np.all(flat, axis=0)))
            units = layer.kernel.numpy().T
            logs[f"distinct/{layer.name}"] = len({unit.tobytes() for unit in units}) / len(units)
        return logs


FRONT = (
    keras.layers.InputLayer,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Rescaling,
)
"""Layers that may stand before the dense layers of a model that is measured."""

BETWEEN = (
    keras.layers.Dense,
    keras.layers.Activation,
    keras.layers.BatchNormalization,
    keras.layers.Dropout,
)


def is_chain(model: keras.Model) -> bool:
    """Return whether a model is a chain of dense layers behind a flattened, scaled input.

    Its last activation is a softmax, or there is none.
    """
    if not isinstance(model, keras.Sequential) or not model.built:
        return False
    layers = [layer for layer in model.layers if not isinstance(layer, FRONT)]
    own = [type(layer).__module__.startswith("search.") for layer in layers]
    known = [isinstance(layer, BETWEEN) or ours for layer, ours in zip(layers, own, strict=True)]
    if not layers or not all(known) or type(layers[-1]) is not keras.layers.Dense:
        return False
    ends = (keras.activations.softmax, keras.activations.linear)
    shallow = len(model.output_shape) == 2 and model.output_shape[-1] > 1
    return shallow and layers[-1].activation in ends


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
