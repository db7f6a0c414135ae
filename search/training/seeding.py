"""Seeds everything that a model draws while it is built and trained."""

import contextlib
import random
from collections.abc import Iterator

import keras
from keras.src.random import seed_generator


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python, NumPy, TensorFlow and the layers of the models that are built meanwhile.

    Keras draws the seeds of layers from Python's global generator, which other threads of a worker
    use too. Meanwhile it has a generator of its own, so that the draws depend on the seed alone.
    """
    keras.utils.set_random_seed(seed)
    before = seed_generator.python_random
    seed_generator.python_random = random.Random(seed)
    try:
        yield
    finally:
        seed_generator.python_random = before
