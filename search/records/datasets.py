"""The data sets by name: classes, shapes, pixel levels and validation shares."""

from dataclasses import dataclass
from typing import Literal

DatasetName = Literal["fashion-mnist", "digits"]


@dataclass(frozen=True)
class Dataset:
    """What is known of a data set before any image is read."""

    classes: tuple[str, ...]
    """Names, by label."""
    features: int
    """Pixels of an image; images are square."""
    levels: int
    """The brightest value of a pixel; the darkest is 0."""
    validation_share: float
    """Share of the training images of each class that validates."""
    train_size: int
    """Images that train a network, validation images left out."""

    @property
    def side(self) -> int:
        """Pixels of an image's side."""
        return round(self.features**0.5)


GARMENTS = (
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
)

DATASETS: dict[DatasetName, Dataset] = {
    "fashion-mnist": Dataset(GARMENTS, 784, 255, 0.1, 54_000),
    "digits": Dataset(tuple("0123456789"), 64, 16, 0.2, 1_151),
}

CHANCE = 0.1
"""Accuracy of a guess: both data sets have ten classes of about the same size."""
