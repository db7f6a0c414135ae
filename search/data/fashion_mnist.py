"""The files of Fashion-MNIST: found or downloaded, checked and read."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np

from search.quiet import import_quietly
from search.records.errors import Failure

ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
"""The address from which keras.datasets.fashion_mnist downloads."""


SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
"""SHA-256 of the published files. The README of Fashion-MNIST lists their MD5 sums."""


TRAIN_FILES = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")


TEST_FILES = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")


def read_fashion_mnist(
    data_dir: Path | None, names: tuple[str, str]
) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Return images, labels and the SHA-256 of both files by name.

    Images are uint8 of shape (images, 784), 0 to 255; labels are uint8 of shape (images,).
    data_dir: folder of the files. None: FASHION_MNIST_DIR, else Keras' cache.
    names: the file of the images and the file of the labels.
    Raises Failure if a file cannot be found or downloaded, or is not the published file.
    """
    directory = _directory(data_dir, names)
    contents = {name: _checked(directory / name) for name in names}
    images, labels = (gzip.decompress(contents[name]) for name in names)
    return (
        np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784),
        np.frombuffer(labels, np.uint8, offset=8),
        {name: SHA256[name] for name in names},
    )


def _directory(data_dir: Path | None, names: tuple[str, str]) -> Path:
    """Return the folder to read. Without a given folder, download missing files to Keras' cache."""
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
            raise Failure(f"Fashion-MNIST: cannot download {name}: {reason}. {ADVICE}") from error


ADVICE = (
    "Give the folder of the four .gz files by --data-dir or FASHION_MNIST_DIR, or connect to the "
    "network once so that Keras can download them, or use the built-in digits: --dataset digits"
)


def _checked(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Failure(f"Fashion-MNIST: cannot read {path}: {error.strerror}. {ADVICE}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256[path.name]:
        raise Failure(f"Fashion-MNIST: {path} {_what_is_wrong(content, digest)}; replace it")
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
