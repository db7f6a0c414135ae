"""Mirrors and shifts images at random while a network trains."""

from typing import Any

import keras
import tensorflow as tf

from search.networks.space import AUGMENTATIONS


@keras.saving.register_keras_serializable("search")
class Augmentation(keras.layers.Layer):
    """A layer that mirrors and shifts flat square images at random, during training only.

    Its input and output have shape (batch, side · side).
    kind: a key of `AUGMENTATIONS`.
    """

    def __init__(self, kind: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.kind = kind
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training:
            return inputs
        mirrors, most = AUGMENTATIONS[self.kind]
        side = round(inputs.shape[-1] ** 0.5)
        images = tf.shape(inputs)[0]
        # One gather does both: it takes every pixel from its source in the padded image.
        width = side + 2 * most
        padded = tf.pad(tf.reshape(inputs, (-1, side, side)), [[0, 0], [most, most], [most, most]])
        rows = self._draw(images, width - side + 1)[:, None] + tf.range(side)
        columns = tf.range(side)[None]
        if mirrors:
            mirrored = self._draw(images, 2)[:, None] == 1
            columns = tf.where(mirrored, side - 1 - columns, columns)
        columns += self._draw(images, width - side + 1)[:, None]
        source = rows[:, :, None] * width + columns[:, None, :]
        flat = tf.reshape(padded, (-1, width * width))
        return tf.gather(flat, tf.reshape(source, (-1, side * side)), batch_dims=1)

    def _draw(self, images: tf.Tensor, below: int) -> tf.Tensor:
        """Return a random integer from 0 to `below` - 1 for each image, shape (images,)."""
        return keras.random.randint((images,), 0, below, seed=self.seed_generator)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind}
