"""Images mirrored and shifted while a network trains: a regulariser, and other training images."""

from typing import Any

import keras
import tensorflow as tf

from search.networks.space import AUGMENTATIONS


@keras.saving.register_keras_serializable("search")
class Augmentation(keras.layers.Layer):
    """Flat square images, each mirrored and shifted at random while training, else as they are.

    kind: of `AUGMENTATIONS`. Takes and returns (batch, side · side).
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
        # One gather from the padded image does both: row and column of every pixel's source.
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
        """A whole number from 0 for each image."""
        return keras.random.randint((images,), 0, below, seed=self.seed_generator)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind}
