"""The images of a data set by its name."""

from pathlib import Path

from search.data.digits import DIGITS_TEST_SEED, DIGITS_TEST_SHARE, read_digits
from search.data.fashion_mnist import TEST_FILES, TRAIN_FILES, read_fashion_mnist
from search.data.pool import Pool, stratified_split
from search.records.datasets import DATASETS, DatasetName


def load_pool(name: DatasetName, data_dir: Path | None = None) -> Pool:
    """Return the images of a data set without its test set.

    data_dir: folder of the four Fashion-MNIST files. None: FASHION_MNIST_DIR, else Keras' cache.
    Raises Failure if a file cannot be found or downloaded, or is not the published file.
    """
    return _pool(name, TRAIN_FILES, data_dir)


def load_test_pool(name: DatasetName, data_dir: Path | None = None) -> Pool:
    """Return the images of a data set's test set. Only `search.opening.opening` calls this.

    Raises Failure like `load_pool`.
    """
    return _pool(name, TEST_FILES, data_dir)


def _pool(name: DatasetName, files: tuple[str, str], data_dir: Path | None) -> Pool:
    if name == "digits":
        images, labels, hashes = read_digits()
        kept, test = stratified_split(labels, DIGITS_TEST_SHARE, DIGITS_TEST_SEED)
        wanted = test if files == TEST_FILES else kept
        images, labels = images[wanted], labels[wanted]
    else:
        images, labels, hashes = read_fashion_mnist(data_dir, files)
    return Pool(name, images, labels, DATASETS[name].levels, hashes)
