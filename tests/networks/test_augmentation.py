"""Mirrored and shifted images: which they can be, and how often they are."""

import keras
import numpy as np
import pytest

from search.networks.augmentation import Augmentation
from search.networks.dense import DenseNetworks
from search.records.datasets import DATASETS

SIDE = 5


def moved(image, mirrored, down, right):
    """By hand: an image mirrored, then shifted, zeros flowing in."""
    padded = np.pad(image[:, ::-1] if mirrored else image, 1)
    return padded[1 - down : 1 - down + SIDE, 1 - right : 1 - right + SIDE]


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((SIDE, SIDE)).astype("float32")


@pytest.mark.parametrize(("kind", "most"), [("flip", 0), ("flip_shift", 1)])
def test_every_move_is_as_frequent_as_every_other(image, kind, most):
    keras.utils.set_random_seed(1)
    layer = Augmentation(kind)
    batch = np.repeat(image.reshape(1, -1), 3600, axis=0)
    found = np.asarray(layer(batch, training=True)).reshape(-1, SIDE, SIDE)
    steps = range(-most, most + 1)
    moves = [moved(image, m, d, r) for m in (False, True) for d in steps for r in steps]
    counts = [int((found == move).all(axis=(1, 2)).sum()) for move in moves]
    assert sum(counts) == 3600
    # Four standard deviations of a binomial count.
    expected = 3600 / len(moves)
    assert max(abs(count - expected) for count in counts) < 4 * expected**0.5


def test_images_stay_as_they_are_where_nothing_is_trained(image):
    batch = image.reshape(1, -1)
    assert np.array_equal(Augmentation("flip_shift")(batch, training=False), batch)


def test_the_layer_is_one_of_keras(make_hp, tmp_path, digits):
    """It stands in a model that is saved, opened and trained by Keras alone."""
    model = DenseNetworks(DATASETS["digits"], 1).build(make_hp(augmentation="flip", layers=1))
    model.save(tmp_path / "model.keras")
    opened = keras.models.load_model(tmp_path / "model.keras")
    x = digits.x_train / np.float32(16)
    assert np.array_equal(model.predict(x, verbose=0), opened.predict(x, verbose=0))
    assert opened.get_layer("augmentation").kind == "flip"
    assert opened.fit(x, digits.y_train, verbose=0).history["accuracy"][0] > 0.2
