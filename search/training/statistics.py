"""Validation with fresh statistics of batch normalisation.

In training, Keras keeps moving averages of each layer's mean and variance, and validation uses them. Under
a constant learning rate, the weights run ahead of these averages. Fresh statistics are those of the
training examples under the weights as they are now.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

BATCH = 1000
"""Examples in a batch. The statistics are means over batches of this size."""


def validated_afresh(model: keras.Model, x: Any, validation: tuple[Any, Any]) -> dict[str, float]:
    """Return the metrics on validation examples with fresh statistics, by Keras' names.

    x: training examples. Empty if the model has no batch normalisation, or if its layers do not follow
    each other. The model is left as it was.
    """
    normalised = [n for n in model.layers if isinstance(n, keras.layers.BatchNormalization)]
    if not normalised or not isinstance(model, keras.Sequential):
        return {}
    with _fresh(model, normalised, x):
        found = model.evaluate(*validation, batch_size=BATCH, verbose=0, return_dict=True)
    return {f"val_{name}": float(value) for name, value in found.items()}


@contextmanager
def _fresh(model: keras.Sequential, normalised: list[Any], x: Any) -> Iterator[None]:
    """Give the layers the statistics of examples, and take them back at the end.

    Only these layers train. Dropout leaves all units in place, as in validation.
    """
    before = [(layer.momentum, layer.get_weights()) for layer in normalised]
    try:
        for number, start in enumerate(range(0, len(x), BATCH)):
            values = keras.ops.convert_to_tensor(np.asarray(x[start : start + BATCH]))
            for layer in normalised:
                layer.momentum = number / (number + 1)  # the mean of all batches so far
            for layer in model.layers:
                values = layer(values, training=layer in normalised)
        yield
    finally:
        for layer, (momentum, weights) in zip(normalised, before, strict=True):
            layer.momentum = momentum
            layer.set_weights(weights)
