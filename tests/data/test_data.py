"""The data sets: found, checked, split; the test set left alone."""

import gzip
import shutil

import numpy as np
import pytest

from search.data.fashion_mnist import TRAIN_FILES
from search.data.load import load_pool
from search.data.pool import stratified_split
from search.records.datasets import DATASETS
from search.records.errors import Failure

TRAIN_IMAGES, TRAIN_LABELS = TRAIN_FILES


def test_split_holds_out_the_same_share_of_every_class():
    labels = np.repeat([0, 1, 2], [100, 50, 10])
    kept, held_out = stratified_split(labels, 0.1, seed=7)
    assert np.bincount(labels[held_out]).tolist() == [10, 5, 1]
    assert sorted([*kept, *held_out]) == list(range(160))


def test_split_follows_its_seed_and_nothing_else():
    labels = np.arange(200) % 10
    first, again, other = (stratified_split(labels, 0.2, s)[1].tolist() for s in (3, 3, 4))
    assert first == again != other


def test_digits_are_uint8_of_17_levels_and_the_sizes_the_plan_reckons_with(digits):
    shape = DATASETS["digits"]
    assert digits.x_train.shape == (shape.train_size, *shape.shape)
    assert digits.x_train.dtype == np.uint8
    assert digits.x_train.max() == shape.levels == 16
    assert len(digits.x_validation) == 287


def test_digits_test_set_is_the_same_whatever_the_seed_of_the_study():
    one, two = (load_pool("digits").split(seed) for seed in (1, 2))
    both = [
        sorted(row.tobytes() for row in np.concatenate([d.x_train, d.x_validation]))
        for d in (one, two)
    ]
    assert both[0] == both[1]
    assert one.x_validation.tobytes() != two.x_validation.tobytes()


def test_fashion_mnist_is_read_without_its_test_files(fashion_dir, tmp_path):
    for name in TRAIN_FILES:
        shutil.copy(fashion_dir / name, tmp_path)
    pool = load_pool("fashion-mnist", data_dir=tmp_path)
    images = pool.split(1)
    assert images.x_train.shape == (DATASETS["fashion-mnist"].train_size, 28, 28)
    assert images.x_train.dtype == np.uint8
    assert np.bincount(images.y_validation).tolist() == [600] * 10
    assert set(pool.hashes) == set(TRAIN_FILES)
    raw = gzip.decompress((fashion_dir / TRAIN_IMAGES).read_bytes())[16:]
    every = np.concatenate([images.x_train, images.x_validation])
    assert every.astype(np.int64).sum() == np.frombuffer(raw, np.uint8).astype(np.int64).sum()


def test_environment_names_the_folder(fashion_dir, monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_DIR", str(fashion_dir))
    assert load_pool("fashion-mnist").split(1).x_validation.shape == (6000, 28, 28)


def test_keras_cache_is_read(fashion_dir, tmp_path, monkeypatch):
    monkeypatch.delenv("FASHION_MNIST_DIR")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    cache = tmp_path / "datasets" / "fashion-mnist"
    cache.mkdir(parents=True)
    for name in TRAIN_FILES:
        shutil.copy(fashion_dir / name, cache)
    assert load_pool("fashion-mnist").split(1).x_validation.shape == (6000, 28, 28)


def test_missing_files_name_the_file_and_three_ways_out(tmp_path):
    with pytest.raises(Failure) as caught:
        load_pool("fashion-mnist", data_dir=tmp_path)
    message = str(caught.value)
    assert TRAIN_IMAGES in message
    assert all(way in message for way in ("--data-dir", "network", "--dataset digits"))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[: len(content) // 2], "truncated"),
        (lambda content: b"not gzip at all", "not a whole gzip file"),
        (lambda content: gzip.compress(b"something else"), "not the published file"),
    ],
)
def test_damaged_file_is_named_with_what_is_wrong(tmp_path, damage, said):
    (tmp_path / TRAIN_IMAGES).write_bytes(damage(gzip.compress(bytes(range(256)) * 64)))
    with pytest.raises(Failure, match=f"{TRAIN_IMAGES}.*{said}"):
        load_pool("fashion-mnist", data_dir=tmp_path)


def test_swapped_files_are_told_apart(fashion_dir, tmp_path):
    for name, other in zip(TRAIN_FILES, reversed(TRAIN_FILES), strict=True):
        shutil.copy(fashion_dir / other, tmp_path / name)
    with pytest.raises(Failure, match=f"{TRAIN_IMAGES} holds the content of {TRAIN_LABELS}"):
        load_pool("fashion-mnist", data_dir=tmp_path)
