"""Fashion-MNIST and the embedded digits: found, checked, split, and kept as uint8."""

from pathlib import Path

from search.data.digits import DIGITS_TEST_SEED, DIGITS_TEST_SHARE, _digits
from search.data.fashion_mnist import TEST_FILES, TRAIN_FILES, _fashion_mnist
from search.data.pool import Pool, stratified_split
from search.records.datasets import LEVELS, DatasetName


def load_pool(name: DatasetName, data_dir: Path | None = None) -> Pool:
    """The images of a data set but its test set.

    Raises Failure where the files cannot be had or are not the published ones.
    """
    return _pool(name, TRAIN_FILES, data_dir)


def load_test_pool(name: DatasetName, data_dir: Path | None = None) -> Pool:
    """The test images, all of them; only search/final.py asks, to evaluate what it declares.

    Raises Failure as `load` does.
    """
    return _pool(name, TEST_FILES, data_dir)


def _pool(name: DatasetName, files: tuple[str, str], data_dir: Path | None) -> Pool:
    if name == "digits":
        images, labels, hashes = _digits()
        kept, test = stratified_split(labels, DIGITS_TEST_SHARE, DIGITS_TEST_SEED)
        wanted = test if files == TEST_FILES else kept
        images, labels = images[wanted], labels[wanted]
    else:
        images, labels, hashes = _fashion_mnist(data_dir, files)
    return Pool(name, images, labels, LEVELS[name], hashes)
