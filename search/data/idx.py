"""A person's own data in four IDX files, as MNIST, KMNIST and EMNIST come."""

import gzip
import hashlib
import math
import re
from pathlib import Path

import numpy as np

from search.data.checks import Arrays
from search.records.errors import Misuse

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""NumPy's types by the third byte of a file (http://yann.lecun.com/exdb/mnist)."""

NAMES = {
    "train": ("train-images", "train-labels"),
    "test": ("(t10k|test)-images", "(t10k|test)-labels"),
}
"""Expressions for the ends of the names, which may have a beginning such as `emnist-letters-`."""


def is_folder(path: Path) -> bool:
    """Return whether a folder holds IDX files."""
    return path.is_dir() and bool(_find(path, "train-(images|labels)"))


def has_test_set(path: Path) -> bool:
    """Return whether a folder has the files of a test set."""
    return all(_find(path, name) for name in NAMES["test"])


def read(path: Path, test: bool) -> Arrays:
    """Return the training arrays of a folder, or its test arrays.

    Raises Misuse if a file is missing, or if its header does not fit its content.
    """
    found = {}
    for name in NAMES["test" if test else "train"]:
        files = _find(path, name)
        if len(files) != 1:
            what = "there is no file" if not files else f"there are {len(files)} files"
            shown = name.replace("(t10k|test)", "t10k")
            raise Misuse(f"{path}: {what} {shown}-idx*-ubyte, plain or .gz")
        found[name] = files[0]
    images, labels = (_array(file) for file in found.values())
    if images.ndim < 2 or labels.ndim != 1:
        raise Misuse(
            f"{path}: {next(iter(found.values())).name} has {images.ndim} dimensions and its labels "
            f"have {labels.ndim}: are images and labels swapped?"
        )
    hashes = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in found.values()}
    return Arrays(images, labels, hashes)


def _find(path: Path, name: str) -> list[Path]:
    pattern = re.compile(rf"(.*-)?{name}[-.]idx\d-ubyte(\.gz)?")
    return sorted(entry for entry in path.iterdir() if pattern.fullmatch(entry.name))


def _array(path: Path) -> np.ndarray:
    """Return the array of a file. Raises Misuse if the header lies."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, gzip.zlib.error) as error:  # type: ignore[attr-defined]
            raise Misuse(f"{path}: not a whole gzip file ({error})") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES:
        raise Misuse(f"{path}: not an IDX file: it begins with {content[:4].hex(' ') or 'nothing'}")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise Misuse(f"{path}: the header is cut off after {len(content)} bytes")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", dimensions, 4))
    kind = np.dtype(TYPES[content[2]])
    expected = math.prod(shape) * kind.itemsize
    if len(content) - start != expected:
        raise Misuse(
            f"{path}: the header says {' × '.join(map(str, shape))} values, which are {expected:,} "
            f"bytes, but {len(content) - start:,} follow"
        )
    array = np.frombuffer(content, kind, offset=start).reshape(shape)
    return array.astype(kind.newbyteorder("="))
