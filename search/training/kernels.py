"""Keras' computations with fewer and cheaper TensorFlow operations.

On one thread, a training step of a dense network spends more time outside its matrix products than
in them. Optimizer updates, penalties and dropout's random numbers are all bound by memory.
"""

import functools
import math
from collections.abc import Callable
from types import MethodType
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def cheapen(model: keras.Model) -> list[keras.layers.Dropout]:
    """Give a model the cheaper computations below. Return its dropout layers with masks.

    model: compiled and built, but not traced yet.

    The returned layers take their masks from `layer.kept`: see `masks`.
    """
    fuse_optimizer(model.optimizer)
    for variable in model.trainable_variables:
        penalty = variable.regularizer
        if variable.dtype == "float32" and type(penalty) in (
            keras.regularizers.L1L2,
            keras.regularizers.L1,
            keras.regularizers.L2,
        ):
            l1, l2 = (float(getattr(penalty, name, 0)) for name in ("l1", "l2"))
            if l1 or l2:
                variable.regularizer = _penalty(l1, l2)
    masked = [layer for layer in model.layers if _has_own_masks(model, layer)]
    for layer in masked:
        layer.kept = None
        layer.call = MethodType(_dropout, layer)
    return masked


def _has_own_masks(model: keras.Model, layer: keras.Layer) -> bool:
    """Return whether a layer is a dropout that is applied once, to values of a known shape."""
    if type(layer) is not keras.layers.Dropout or layer.noise_shape is not None or not layer.rate:
        return False
    graph = getattr(model, "_functional", model)
    nodes = [n for level in getattr(graph, "_nodes_by_depth", {}).values() for n in level]
    once = sum(node.operation is layer for node in nodes) == 1
    return once and None not in layer.input.shape[1:]


def masks(
    layers: list[keras.layers.Dropout], rows: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Return a mask of shape (rows, features) for each layer, True for values that are kept.

    NumPy's generator draws 16 random bits per value. On one thread it is faster than TensorFlow's.
    The dropout rate is rounded to a multiple of 1/65536.
    """
    kept = []
    for layer in layers:
        features = math.prod(layer.input.shape[1:])
        words = generator.integers(2**64, size=-(-rows * features // 4), dtype=np.uint64)
        bits = words.view(np.uint16)[: rows * features]
        kept.append((bits >= _threshold(layer)).reshape(rows, *layer.input.shape[1:]))
    return kept


def _threshold(layer: keras.layers.Dropout) -> np.uint16:
    return np.uint16(min(round(65536 * layer.rate), 65535))


def _dropout(layer: keras.layers.Dropout, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
    """Apply Keras' dropout with the mask in `layer.kept`, or with Keras' own mask if it is None."""
    if not training or layer.kept is None:
        return type(layer).call(layer, inputs, training=training)
    scale = 65536 / (65536 - int(_threshold(layer)))
    return inputs * (tf.cast(layer.kept, inputs.dtype) * scale)


def _penalty(l1: float, l2: float) -> Callable[[Any], tf.Tensor]:
    """Return Keras' penalty l1 Σ|w| + l2 Σw², with its gradient written out by hand."""

    @tf.custom_gradient
    def penalty(weights: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        terms = []
        if l1:
            terms.append(l1 * tf.reduce_sum(tf.abs(weights)))
        if l2:
            terms.append(2 * l2 * tf.nn.l2_loss(weights))

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            slopes = []
            if l1:
                slopes.append((l1 * upstream) * tf.sign(weights))
            if l2:
                slopes.append((2 * l2 * upstream) * weights)
            return tf.add_n(slopes)

        return tf.add_n(terms), gradient

    return lambda variable: penalty(tf.convert_to_tensor(variable))


def fuse_optimizer(optimizer: keras.optimizers.Optimizer) -> None:
    """Replace the update of SGD, RMSprop, Adam and AdamW by TensorFlow's fused kernels.

    Clipping, weight decay, schedules and the count of iterations remain Keras'. Another optimizer,
    or an option that the kernel does not have, keeps Keras' own update.
    """
    kernels: dict[type, Callable[..., None]] = {
        keras.optimizers.SGD: _sgd,
        keras.optimizers.RMSprop: _rmsprop,
        keras.optimizers.Adam: _adam,
        keras.optimizers.AdamW: _adam,
    }
    kernel = kernels.get(type(optimizer))
    types = {variable.dtype for variable in optimizer._trainable_variables}
    if kernel is None or getattr(optimizer, "amsgrad", False) or types != {"float32"}:
        return
    if optimizer.gradient_accumulation_steps:
        return
    if isinstance(optimizer, keras.optimizers.RMSprop):
        if optimizer.centered:
            return
        # The kernel writes momentums even if the momentum is 0. They are not optimizer state then.
        scratch = [tf.Variable(tf.zeros(v.shape)) for v in optimizer._velocities]
        kernel = functools.partial(_rmsprop, scratch=scratch)

    def update(
        self: keras.optimizers.Optimizer,
        gradients: list[tf.Tensor],
        variables: list[keras.Variable],
        learning_rate: Any,
    ) -> None:
        # The gradient of an embedding names its rows. Keras' update is dense too.
        dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
        kernel(self, dense, variables, tf.cast(learning_rate, tf.float32))

    optimizer._backend_update_step = MethodType(update, optimizer)


def _sgd(optimizer: Any, gradients: Any, variables: Any, rate: tf.Tensor) -> None:
    for gradient, variable in zip(gradients, variables, strict=True):
        handle = variable.value.handle
        if not optimizer.momentum:
            tf.raw_ops.ResourceApplyGradientDescent(var=handle, alpha=rate, delta=gradient)
            continue
        slot = optimizer.momentums[optimizer._get_variable_index(variable)]
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=handle,
            accum=slot.value.handle,
            lr=rate,
            grad=gradient,
            momentum=optimizer.momentum,
            use_nesterov=optimizer.nesterov,
        )


def _rmsprop(
    optimizer: Any, gradients: Any, variables: Any, rate: tf.Tensor, scratch: list[tf.Variable]
) -> None:
    momentums = [m.value for m in optimizer._momentums] or scratch
    for gradient, variable in zip(gradients, variables, strict=True):
        i = optimizer._get_variable_index(variable)
        tf.raw_ops.ResourceApplyRMSProp(
            var=variable.value.handle,
            ms=optimizer._velocities[i].value.handle,
            mom=momentums[i].handle,
            lr=rate,
            rho=optimizer.rho,
            momentum=optimizer.momentum,
            epsilon=optimizer.epsilon,
            grad=gradient,
        )


def _adam(optimizer: Any, gradients: Any, variables: Any, rate: tf.Tensor) -> None:
    step = tf.cast(optimizer.iterations.value + 1, tf.float32)
    powers = tf.pow(optimizer.beta_1, step), tf.pow(optimizer.beta_2, step)
    for gradient, variable in zip(gradients, variables, strict=True):
        i = optimizer._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.value.handle,
            m=optimizer._momentums[i].value.handle,
            v=optimizer._velocities[i].value.handle,
            beta1_power=powers[0],
            beta2_power=powers[1],
            lr=rate,
            beta1=optimizer.beta_1,
            beta2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
            grad=gradient,
        )
