"""The examples of a data set: by its name, or from a person's own files."""

from pathlib import Path

from search.data import idx, npz, pictures
from search.data.checks import own_pool, test_pool
from search.data.digits import DIGITS_TEST_SEED, DIGITS_TEST_SHARE, read_digits
from search.data.fashion_mnist import TEST_FILES, TRAIN_FILES, read_fashion_mnist
from search.data.pool import Pool, stratified_split
from search.records.datasets import DATASETS, DatasetName
from search.records.errors import Misuse


def load_pool(name: DatasetName, data: str | None = None, data_dir: Path | None = None) -> Pool:
    """Return the examples of a data set without its test set.

    data: path of own data, which replace the data set of this name.
    data_dir: folder of the four Fashion-MNIST files. None: FASHION_MNIST_DIR, else Keras' cache.
    Raises Misuse if own data cannot be used, Failure if a file of a known data set cannot be found
    or downloaded, or is not the published file.
    """
    return _own(data, test=False) if data else _known(name, TRAIN_FILES, data_dir)


def load_test_pool(
    name: DatasetName, data: str | None = None, data_dir: Path | None = None
) -> Pool:
    """Return the examples of a data set's test set. Only `search.opening.opening` calls this.

    Raises Misuse and Failure like `load_pool`, and Misuse if own data have no test set.
    """
    return _own(data, test=True) if data else _known(name, TEST_FILES, data_dir)


def has_test_set(data: str | None) -> bool:
    """Return whether a data set has a test set, without reading its examples.

    Raises Misuse if own data are missing.
    """
    if data is None:
        return True
    path = Path(data)
    if not path.exists():
        raise Misuse(f"--data {data}: there is no such file or folder")
    if path.suffix == ".npz":
        return npz.has_test_set(path)
    return idx.has_test_set(path) if idx.is_folder(path) else pictures.has_test_set(path)


def _known(name: DatasetName, files: tuple[str, str], data_dir: Path | None) -> Pool:
    facts = DATASETS[name]
    if name == "digits":
        images, labels, hashes = read_digits()
        kept, test = stratified_split(labels, DIGITS_TEST_SHARE, DIGITS_TEST_SEED)
        wanted = test if files == TEST_FILES else kept
        images, labels = images[wanted], labels[wanted]
    else:
        images, labels, hashes = read_fashion_mnist(data_dir, files)
    return Pool(facts, images.reshape(-1, *facts.shape), labels, hashes)


def _own(data: str, test: bool) -> Pool:
    path = Path(data)
    if not path.exists():
        raise Misuse(f"--data {data}: there is no such file or folder")
    if path.is_dir():
        read = idx.read if idx.is_folder(path) else pictures.read
    elif path.suffix == ".npz":
        read = npz.read
    else:
        raise Misuse(
            f"--data {data}: give an .npz file, a folder of four IDX files, or a folder of pictures "
            "with a folder for each class"
        )
    pool = own_pool(path, read(path, False))
    if not has_test_set(data):
        if test:
            raise Misuse(f"--data {data}: the data have no test set, which only `final` needs")
        return pool
    # After a search, a fault in the test set would make the search worthless.
    tested = test_pool(path, pool.facts, read(path, True))
    return tested if test else pool
