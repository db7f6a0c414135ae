"""Arrays as Keras' `fit` takes them, turned into tensors that stay in memory without a copy."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.trainers.data_adapters import array_data_adapter, array_slicing
from keras.src.trainers.data_adapters.data_adapter_utils import unpack_x_y_sample_weight

ALIGNED = 64
"""Bytes to which TensorFlow asks memory to be aligned."""

Batch = tuple[Any, ...]
"""Examples, labels and weights as Keras' `train_step` takes them: (x,), (x, y) or (x, y, weights),
each a tree of arrays or tensors with the same first dimension."""


def are_arrays(*trees: Any) -> bool:
    """Return whether every leaf of the trees is an array of numbers, None allowed."""
    leaves = [leaf for tree in trees for leaf in keras.tree.flatten(tree)]
    return array_data_adapter.can_convert_arrays(trees) and all(map(_is_numeric, leaves))


def _is_numeric(leaf: Any) -> bool:
    if leaf is None:
        return True
    if hasattr(leaf, "dtypes"):  # pandas
        return np.asarray(leaf).dtype.kind in "fiub"
    dtype = getattr(leaf, "dtype", None)
    if isinstance(leaf, tf.Tensor):
        return dtype != tf.string
    return isinstance(leaf, np.ndarray) and dtype is not None and dtype.kind in "fiub"


def batch_of(x: Any, y: Any, weights: Any, class_weight: Any = None) -> Batch:
    """Return the arrays of a call of `fit`, checked by Keras' own adapter.

    class_weight: becomes a weight for each example.
    Raises ValueError like Keras if the arrays have different lengths or do not fit each other.
    """
    adapter = array_data_adapter.ArrayDataAdapter(
        x, y, sample_weight=weights, batch_size=32, class_weight=class_weight
    )
    inputs = adapter._inputs
    whole = inputs if isinstance(inputs, tuple) else (inputs,)
    return tuple(keras.tree.map_structure(_array, tree) for tree in whole)


def validation_batch(data: Any) -> Batch:
    """Return the arrays of `validation_data`."""
    return batch_of(*unpack_x_y_sample_weight(data))


def split_off(x: Any, y: Any, weights: Any, share: float) -> tuple[Batch, Batch]:
    """Return the arguments of Keras' `validation_split`, the last examples for validation."""
    train, validation = array_slicing.train_validation_split(
        (x, y, weights), validation_split=share
    )
    return train, validation


def length(batch: Batch) -> int:
    """Return the number of examples."""
    return int(next(leaf for leaf in keras.tree.flatten(batch) if leaf is not None).shape[0])


def first_of(batch: Batch, count: int) -> Batch:
    """Return the first examples."""
    return mapped(lambda leaf: leaf[:count], batch)


def mapped(function: Callable[[Any], Any], batch: Batch) -> Batch:
    """Return a batch with a function applied to each array."""
    changed: Batch = keras.tree.map_structure(
        lambda leaf: None if leaf is None else function(leaf), batch
    )
    return changed


def as_keras(tensor: Any) -> Any:
    """Return a tensor in the type that Keras trains on: floats as `floatx`, others as they are."""
    floatx = keras.config.floatx()
    return tf.cast(tensor, floatx) if tensor.dtype.is_floating else tensor


def _array(leaf: Any) -> Any:
    if leaf is None or isinstance(leaf, np.ndarray | tf.Tensor):
        return leaf
    return np.asarray(leaf)


_resident: dict[int, tuple[Any, tf.Tensor]] = {}


def resident(batch: Batch) -> Batch:
    """Return a batch as tensors. A process makes the tensor of an array once."""
    return mapped(_tensor, batch)


def _tensor(array: Any) -> tf.Tensor:
    if isinstance(array, tf.Tensor):
        return array
    if id(array) not in _resident:
        _resident[id(array)] = (array, _shared(array))
    return _resident[id(array)][1]


def _shared(array: np.ndarray) -> tf.Tensor:
    """Return a tensor on an array's own memory if TensorFlow can use it, otherwise a copy."""
    usable = (
        array.flags.c_contiguous
        and array.flags.writeable
        and array.ctypes.data % ALIGNED == 0
        and array.dtype.isnative
        and array.dtype.kind != "b"
    )
    if not usable or tf.config.list_logical_devices("GPU"):
        return tf.constant(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def keep_resident(*batches: Batch) -> None:
    """Forget the tensors of arrays that are not in these batches."""
    kept = {id(leaf) for batch in batches for leaf in keras.tree.flatten(batch)}
    for key in set(_resident) - kept:
        del _resident[key]
