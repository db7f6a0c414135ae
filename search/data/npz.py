"""A person's own data in an .npz file."""

import hashlib
import zipfile
import zlib
from pathlib import Path

import numpy as np

from search.data.checks import Arrays
from search.records.errors import Misuse


def read(path: Path, test: bool) -> Arrays:
    """Return the training and validation arrays of a file, or its test arrays.

    Raises Misuse if the file is no .npz file, if an array is missing, or if it holds pickled objects,
    which are never read.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with _opened(path) as file:
        kind = "test" if test else "train"
        images, labels = (_array(path, file, f"{name}_{kind}") for name in "xy")
        validation = None
        if not test and {"x_validation", "y_validation"} & set(file.files):
            validation = tuple(_array(path, file, f"{name}_validation") for name in "xy")
        classes = None
        if "classes" in file.files:
            classes = tuple(map(str, _array(path, file, "classes").tolist()))
    return Arrays(images, labels, {path.name: digest}, classes, validation)  # type: ignore[arg-type]


def has_test_set(path: Path) -> bool:
    """Return whether a file has test arrays."""
    with _opened(path) as file:
        return {"x_test", "y_test"} <= set(file.files)


def _opened(path: Path) -> "np.lib.npyio.NpzFile":
    try:
        file = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        # NumPy takes a file that it does not know for pickled objects.
        reason = "it is no archive of arrays" if "pickle" in str(error) else error
        raise Misuse(f"{path}: not an .npz file that can be read ({reason})") from error
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise Misuse(f"{path}: holds a single array: save x_train and y_train by numpy.savez")
    return file


def _array(path: Path, file: "np.lib.npyio.NpzFile", name: str) -> np.ndarray:
    if name not in file.files:
        raise Misuse(
            f"{path}: there is no array {name}, only {', '.join(file.files) or 'nothing'}: save "
            "x_train and y_train by numpy.savez"
        )
    try:
        array: np.ndarray = file[name]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
        pickled = "pickle" in str(error)
        reason = "holds pickled objects, which are not read" if pickled else f"is damaged ({error})"
        raise Misuse(f"{path}: {name} {reason}") from error
    return array
