"""Fashion-MNIST and the embedded digits: found, checked, split, and kept as uint8."""

import gzip
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from search.errors import Failure
from search.quiet import import_quietly

DatasetName = Literal["fashion-mnist", "digits"]

ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
"""Where keras.datasets.fashion_mnist downloads from."""

SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
"""Of the published files, whose MD5 sums the Fashion-MNIST README prints."""

TRAIN_FILES = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")

TEST_FILES = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")

CLASSES: dict[DatasetName, tuple[str, ...]] = {
    "fashion-mnist": (
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    "digits": tuple("0123456789"),
}

LEVELS: dict[DatasetName, int] = {"fashion-mnist": 255, "digits": 16}
"""The brightest value of a pixel."""

VALIDATION_SHARE = {"fashion-mnist": 0.1, "digits": 0.2}

DIGITS_TEST_SHARE = 0.2

DIGITS_TEST_SEED = 0
"""The digits come as one bundle; which of them are the test set does not depend on a study."""


HALVING_SEED = 0
"""Which validation images are held out follows from the split alone."""


@dataclass(frozen=True)
class Shape:
    """What a search space has to know of a data set before anything is read."""

    features: int
    classes: int
    train_size: int


SHAPES: dict[DatasetName, Shape] = {
    "fashion-mnist": Shape(784, 10, 54_000),
    "digits": Shape(64, 10, 1_151),
}


@dataclass(frozen=True)
class Pool:
    """Images of a data set: those of the training files, or those of the test set.

    images: uint8, shape (images, features), 0 to `levels`.
    labels: uint8, shape (images,).
    hashes: file name to SHA-256 of what was read.
    """

    name: DatasetName
    images: np.ndarray
    labels: np.ndarray
    levels: int
    hashes: dict[str, str]

    def split(self, seed: int) -> "Data":
        """Training and validation images, the same share of each class in both."""
        train, validation = stratified_split(self.labels, VALIDATION_SHARE[self.name], seed)
        x, y = self.images, self.labels
        return Data(x[train], y[train], x[validation], y[validation], self.levels)


@dataclass(frozen=True)
class Data:
    """The images that one trial is trained on and validated on.

    x_train, x_validation: uint8, shape (images, features), 0 to `levels`.
    y_train, y_validation: uint8, shape (images,).
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    levels: int

    def halved(self) -> "Halved":
        """The same with half of each class's validation images held out."""
        x, y = self.x_validation, self.y_validation
        kept, held_out = stratified_split(y, 0.5, HALVING_SEED)
        train = self.x_train, self.y_train
        return Halved(*train, x[kept], y[kept], self.levels, x[held_out], y[held_out])


@dataclass(frozen=True)
class Halved(Data):
    """Images with some that neither train nor stop a trial: they judge it.

    x_held_out: uint8, shape (images, features). y_held_out: uint8, shape (images,).
    """

    x_held_out: np.ndarray
    y_held_out: np.ndarray


def load(name: DatasetName, data_dir: Path | None = None) -> Pool:
    """The images of a data set but its test set.

    Raises Failure where the files cannot be had or are not the published ones.
    """
    return _pool(name, TRAIN_FILES, data_dir)


def load_test(name: DatasetName, data_dir: Path | None = None) -> Pool:
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


def stratified_split(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted indices (kept, held out), where `share` of every class, rounded, is held out."""
    generator = np.random.default_rng(seed)
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        held_out[members[: round(share * len(members))]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _digits() -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    from sklearn.datasets import load_digits

    bundle = load_digits()
    images = bundle.data.astype(np.uint8)
    labels = bundle.target.astype(np.uint8)
    digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    return images, labels, {"scikit-learn digits": digest}


def _fashion_mnist(
    data_dir: Path | None, names: tuple[str, str]
) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    directory = _directory(data_dir, names)
    contents = {name: _checked(directory / name) for name in names}
    images, labels = (gzip.decompress(contents[name]) for name in names)
    return (
        np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784),
        np.frombuffer(labels, np.uint8, offset=8),
        {name: SHA256[name] for name in names},
    )


def _directory(data_dir: Path | None, names: tuple[str, str]) -> Path:
    """The folder to read: the one asked for, else Keras' cache, filled by a download if need be."""
    asked = data_dir or os.environ.get("FASHION_MNIST_DIR")
    if asked:
        return Path(asked)
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    cache = home / "datasets" / "fashion-mnist"
    missing = [name for name in names if not (cache / name).exists()]
    if missing:
        _download(missing)
    return cache


def _download(names: list[str]) -> None:
    import_quietly("keras")
    from keras.utils import get_file

    for name in names:
        try:
            get_file(
                name,
                ORIGIN + name,
                cache_subdir="datasets/fashion-mnist",
                file_hash=SHA256[name],
            )
        except Exception as error:
            # get_file raises a bare Exception for any network fault.
            reason = str(error).splitlines()[0]
            raise Failure(f"Fashion-MNIST: {name} is not here and {reason}. {WAYS_OUT}") from error


WAYS_OUT = (
    "Give the folder of the four .gz files by --data-dir or FASHION_MNIST_DIR, or connect to the "
    "network once so that Keras can fill its cache, or try the embedded data: --dataset digits"
)


def _checked(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Failure(f"Fashion-MNIST: cannot read {path}: {error.strerror}. {WAYS_OUT}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256[path.name]:
        raise Failure(f"Fashion-MNIST: {path} {_what_is_wrong(content, digest)}; replace the file")
    return content


def _what_is_wrong(content: bytes, digest: str) -> str:
    for name, expected in SHA256.items():
        if digest == expected:
            return f"holds the content of {name}: the files are swapped"
    try:
        gzip.decompress(content)
    except EOFError:
        return f"is truncated ({len(content):,} bytes)"
    except (OSError, gzip.zlib.error):  # type: ignore[attr-defined]
        return "is not a whole gzip file"
    return f"is not the published file (SHA-256 {digest[:12]}…)"
