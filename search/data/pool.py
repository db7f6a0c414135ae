"""Examples in memory, split into training, validation and held-out sets."""

from dataclasses import dataclass

import numpy as np

from search.records.datasets import Dataset

HALVING_SEED = 0
"""A constant, so that the held-out validation examples depend on the split alone."""


@dataclass(frozen=True)
class Pool:
    """The examples of a data set's training files, or of its test set.

    images: shape (examples, *facts.shape), in the type of the files.
    labels: shape (examples,).
    hashes: SHA-256 of the files that were read, by name.
    validation: examples and labels of a fixed validation set. None: each split has its own.
    """

    facts: Dataset
    images: np.ndarray
    labels: np.ndarray
    hashes: dict[str, str]
    validation: tuple[np.ndarray, np.ndarray] | None = None

    def split(self, seed: int) -> "Data":
        """Return training and validation examples, with the same share of each class in both."""
        x, y = self.images, self.labels
        if self.validation:
            return Data(x, y, *self.validation)
        share = self.facts.validation_share
        assert share is not None
        train, validation = stratified_split(_strata(self.facts, y), share, seed)
        return Data(x[train], y[train], x[validation], y[validation])


@dataclass(frozen=True)
class Data:
    """The examples that one trial is trained on and validated on.

    x_train, x_validation: shape (examples, ...).
    y_train, y_validation: shape (examples,).
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray

    def halved(self) -> "Halved":
        """Return the same data with half of each class's validation examples held out."""
        x, y = self.x_validation, self.y_validation
        kept, held_out = stratified_split(_classes(y), 0.5, HALVING_SEED)
        train = self.x_train, self.y_train
        return Halved(*train, x[kept], y[kept], x[held_out], y[held_out])


@dataclass(frozen=True)
class Halved(Data):
    """Data with held-out examples, which judge a trial and neither train nor stop it.

    x_held_out: shape (examples, ...).
    y_held_out: shape (examples,).
    """

    x_held_out: np.ndarray
    y_held_out: np.ndarray


def _strata(facts: Dataset, labels: np.ndarray) -> np.ndarray:
    return labels if facts.classes else np.zeros(len(labels), int)


def _classes(labels: np.ndarray) -> np.ndarray:
    """Return labels that are classes, and one class for labels that are not."""
    return labels if np.issubdtype(labels.dtype, np.integer) else np.zeros(len(labels), int)


def stratified_split(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted indices (kept, held out). `share` of every class, rounded, is held out."""
    generator = np.random.default_rng(seed)
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        held_out[members[: round(share * len(members))]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
