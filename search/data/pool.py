"""Images in memory, split into training, validation and held-out sets."""

from dataclasses import dataclass

import numpy as np

from search.records.datasets import DATASETS, DatasetName

HALVING_SEED = 0
"""A constant, so that the held-out validation images depend on the split alone."""


@dataclass(frozen=True)
class Pool:
    """The images of a data set's training files, or of its test set.

    images: uint8, shape (images, features), 0 to `levels`.
    labels: uint8, shape (images,).
    hashes: SHA-256 of the files that were read, by name.
    """

    name: DatasetName
    images: np.ndarray
    labels: np.ndarray
    levels: int
    hashes: dict[str, str]

    def split(self, seed: int) -> "Data":
        """Return training and validation images, with the same share of each class in both."""
        train, validation = stratified_split(
            self.labels, DATASETS[self.name].validation_share, seed
        )
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
        """Return the same data with half of each class's validation images held out."""
        x, y = self.x_validation, self.y_validation
        kept, held_out = stratified_split(y, 0.5, HALVING_SEED)
        train = self.x_train, self.y_train
        return Halved(*train, x[kept], y[kept], self.levels, x[held_out], y[held_out])


@dataclass(frozen=True)
class Halved(Data):
    """Data with held-out images, which judge a trial and neither train nor stop it.

    x_held_out: uint8, shape (images, features), 0 to `levels`.
    y_held_out: uint8, shape (images,).
    """

    x_held_out: np.ndarray
    y_held_out: np.ndarray


def stratified_split(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted indices (kept, held out). `share` of every class, rounded, is held out."""
    generator = np.random.default_rng(seed)
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        held_out[members[: round(share * len(members))]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
