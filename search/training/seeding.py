"""Seeds everything that a model draws while it is built."""

import random

import keras
from keras.src.random import seed_generator


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy, TensorFlow and the initial weights of the models that follow.

    Keras draws the seeds of layers from Python's global generator, which other threads of a worker
    use too. It gets a generator of its own here, so that the draws depend on the seed alone.
    """
    keras.utils.set_random_seed(seed)
    seed_generator.python_random = random.Random(seed)
