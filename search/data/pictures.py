"""A person's own data as pictures, with a folder for each class."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from search.data.checks import Arrays
from search.records.errors import Misuse

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}


def has_test_set(path: Path) -> bool:
    """Return whether a folder has a folder `test` of classes beside `train`."""
    return (path / "train").is_dir() and (path / "test").is_dir()


def read(path: Path, test: bool) -> Arrays:
    """Return the pictures of a folder as arrays, its test pictures if asked.

    The folder has a folder for each class, or `train` with such folders and perhaps `validation`
    and `test` likewise. Grey pictures have the shape (height, width), others (height, width, 3).
    Raises Misuse if pictures have different sizes or cannot be read.
    """
    split = (path / "train").is_dir()
    classes = _classes(path / "train" if split else path)
    root = path / ("test" if test else "train") if split else path
    images, labels, digest = _read_split(root, classes)
    validation = None
    hashes = {root.name: digest}
    if split and not test and (path / "validation").is_dir():
        x, y, own = _read_split(path / "validation", classes)
        validation = x, y
        hashes["validation"] = own
    return Arrays(images, labels, hashes, classes, validation)


def _classes(root: Path) -> tuple[str, ...]:
    names = tuple(sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[0] != "."))
    if len(names) < 2:
        raise Misuse(
            f"{root}: has {len(names)} folders of pictures: give a folder for each class, or four "
            "IDX files named as MNIST's"
        )
    return names


def _read_split(root: Path, classes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, str]:
    """Return pictures, labels, and a SHA-256 of all names and contents."""
    whole = hashlib.sha256()
    pictures: list[np.ndarray] = []
    labels: list[int] = []
    first: Path | None = None
    for label, name in enumerate(classes):
        files = sorted(p for p in (root / name).rglob("*") if p.suffix.lower() in SUFFIXES)
        if not files:
            raise Misuse(f"{root / name}: there is no picture")
        for file in files:
            whole.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
            pixels = _pixels(file)
            first = first or file
            if pictures and pixels.shape != pictures[0].shape:
                raise Misuse(
                    f"{file}: the picture has {_size(pixels)}, but {first} has "
                    f"{_size(pictures[0])}: bring all pictures to one size and colour"
                )
            pictures.append(pixels)
            labels.append(label)
    return np.stack(pictures), np.array(labels, np.int32), whole.hexdigest()


def _pixels(path: Path) -> np.ndarray:
    """Return pixels from 0 to 255, uint8. Raises Misuse if the picture cannot be read."""
    try:
        with Image.open(path) as picture:
            grey = picture.mode in ("1", "L", "LA")
            return np.asarray(picture.convert("L" if grey else "RGB"))
    # Pillow raises SyntaxError for broken PNGs, and the last error for suspiciously large pictures.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Misuse(f"{path}: not a picture that can be read ({error})") from error


def _size(pixels: np.ndarray) -> str:
    height, width = pixels.shape[:2]
    return f"{width} × {height} pixels{' in colour' if pixels.ndim == 3 else ''}"
