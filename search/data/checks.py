"""Checks a person's own data, and finds their facts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from search.data.pool import Pool, stratified_split
from search.records.datasets import Dataset
from search.records.errors import Misuse

VALIDATION_SHARE = 0.1
"""Share of each class's training examples that is used for validation, if none are given."""

FEWEST = 10
"""Number of examples that a study needs at least."""


@dataclass(frozen=True)
class Arrays:
    """Own data as they were read.

    images: shape (examples, ...).
    labels: shape (examples,) or (examples, 1).
    classes: names of the classes. None: they are named by their numbers.
    files: SHA-256 of the files by name.
    validation: examples and labels.
    """

    images: np.ndarray
    labels: np.ndarray
    files: dict[str, str]
    classes: tuple[str, ...] | None = None
    validation: tuple[np.ndarray, np.ndarray] | None = None


def own_pool(path: Path, arrays: Arrays) -> Pool:
    """Return the pool of own data.

    Raises Misuse, naming file and cause, if the data cannot be used.
    """
    x, y = arrays.images, flat(arrays.labels)
    check_pair(path, "training", x, y)
    first = first_class(arrays, y)
    y = y - first if first else y
    validation = None
    if arrays.validation:
        x_validation, y_validation = arrays.validation[0], flat(arrays.validation[1])
        check_pair(path, "validation", x_validation, y_validation)
        if x_validation.shape[1:] != x.shape[1:]:
            raise Misuse(
                f"{path}: examples have the shape {x.shape[1:]}, but validation examples "
                f"{x_validation.shape[1:]}"
            )
        validation = x_validation, y_validation - first if first else y_validation
    classes = class_names(path, arrays, y, validation, first)
    share = None if validation else VALIDATION_SHARE
    strata = y if classes else np.zeros(len(y), int)
    train_size = len(stratified_split(strata, share, 0)[0]) if share else len(y)
    facts = Dataset(
        name=path.stem,
        classes=classes,
        shape=tuple(map(int, x.shape[1:])),
        levels=_levels(x),
        train_size=train_size,
        validation_size=len(validation[1]) if validation else len(y) - train_size,
        validation_share=share,
        limits=f"examples like those of {path.name}.",
    )
    return Pool(facts, x, y, arrays.files, validation)


def test_pool(path: Path, facts: Dataset, arrays: Arrays) -> Pool:
    """Return the pool of a test set, whose training set has these facts.

    Raises Misuse if the test set does not fit them.
    """
    x, y = arrays.images, flat(arrays.labels)
    check_pair(path, "test", x, y)
    if facts.classes[:1] == ("1",) and arrays.classes is None:
        y = y.astype(np.int64) - 1
    if x.shape[1:] != facts.shape:
        raise Misuse(f"{path}: test examples have the shape {x.shape[1:]}, others {facts.shape}")
    if facts.classes and (y.min() < 0 or y.max() >= len(facts.classes)):
        raise Misuse(f"{path}: a test label is outside the {len(facts.classes)} classes")
    return Pool(facts, x, y, arrays.files)


def flat(labels: np.ndarray) -> np.ndarray:
    """Return labels of shape (examples, 1) as (examples,)."""
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def check_pair(path: Path, what: str, x: np.ndarray, y: np.ndarray) -> None:
    """Raise Misuse if examples and labels do not fit each other or cannot be trained on."""
    if not x.ndim or not y.ndim:
        raise Misuse(f"{path}: {what} {'labels' if x.ndim else 'examples'} are a single number")
    if len(x) != len(y):
        raise Misuse(f"{path}: {len(x)} {what} examples have {len(y)} labels")
    if len(x) < FEWEST:
        raise Misuse(f"{path}: {len(x)} {what} examples are too few for a study: give {FEWEST}")
    if x.ndim < 2 or 0 in x.shape:
        raise Misuse(f"{path}: {what} examples have no values: their shape is {x.shape[1:]}")
    if y.ndim != 1:
        raise Misuse(
            f"{path}: {what} labels have the shape {y.shape}: give one number for each example"
        )
    for name, array in (("examples", x), ("labels", y)):
        if array.dtype.kind not in "fiub":
            raise Misuse(f"{path}: {what} {name} have the type {array.dtype}: give numbers")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            first = int(np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))[0])
            raise Misuse(f"{path}: {what} {name} have a value that is not finite, first in {first}")


def first_class(arrays: Arrays, labels: np.ndarray) -> int:
    """Return the number of the first class: 1 if the labels are 1 to n, as in EMNIST's letters.

    Labels are counted from 0 after that, as Keras counts them.
    """
    counted = labels.dtype.kind in "iu" and not arrays.classes
    found = np.unique(labels) if counted and labels.min() == 1 else np.zeros(0)
    return int(len(found) > 1 and found[-1] == len(found))


def class_names(
    path: Path,
    arrays: Arrays,
    labels: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray] | None,
    first: int,
) -> tuple[str, ...]:
    """Return the names of the classes, none if the labels are no classes.

    first: the number of the first class in the files.
    Raises Misuse if labels are outside the classes, or if a class has no example.
    """
    if labels.dtype.kind == "f":
        if arrays.classes:
            raise Misuse(f"{path}: classes are named, but the labels are {labels.dtype}")
        return ()
    count = len(arrays.classes) if arrays.classes else int(labels.max()) + 1
    given = [("training", labels)] + ([("validation", validation[1])] if validation else [])
    for what, own in given:
        if own.min() < 0 or own.max() >= count:
            worst = int(own.min() if own.min() < 0 else own.max())
            raise Misuse(
                f"{path}: the {what} label {worst + first} is outside the {count} classes, "
                f"{first} to {first + count - 1}"
            )
    empty = sorted(set(range(count)) - set(np.unique(labels).tolist()))
    if empty:
        raise Misuse(
            f"{path}: class {empty[0]} has no training example (labels reach {count - 1}): number "
            "classes from 0 without gaps, or save values that are no classes as floats"
        )
    if count < 2:
        raise Misuse(f"{path}: all labels are the same class")
    return arrays.classes or tuple(map(str, range(first, first + count)))


def _levels(x: np.ndarray) -> float:
    """Return the value of the brightest pixel of integer examples, 1 for other examples."""
    if x.dtype.kind not in "iu":
        return 1.0
    brightest = int(x.max())
    return 255.0 if x.dtype == np.uint8 and brightest > 16 else float(max(1, brightest))
