"""The data sets by name: classes, shapes, pixel levels and validation shares."""

from dataclasses import dataclass
from typing import Literal

DatasetName = Literal["fashion-mnist", "digits"]


@dataclass(frozen=True)
class Dataset:
    """The facts of a data set that are known before any image is read."""

    classes: tuple[str, ...]
    """Names of the classes, in the order of their labels."""
    features: int
    """Number of pixels of an image. Images are square."""
    levels: int
    """Value of the brightest pixel. The darkest is 0."""
    validation_share: float
    """Share of each class's training images that is used for validation."""
    limits: str
    """What a model that was trained on it knows, for the model card."""
    train_size: int
    """Number of images that train a network, without the validation images."""

    @property
    def side(self) -> int:
        """Width and height of an image in pixels."""
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
    "fashion-mnist": Dataset(
        classes=GARMENTS,
        features=784,
        levels=255,
        validation_share=0.1,
        train_size=54_000,
        limits="garments photographed from the front on a black background, centred, 28 pixels "
        "wide, in grey. A photo must be brought into that form first.",
    ),
    "digits": Dataset(
        classes=tuple("0123456789"),
        features=64,
        levels=16,
        validation_share=0.2,
        train_size=1_151,
        limits="handwritten digits of 8 × 8 pixels.",
    ),
}

CHANCE = 0.1
"""Accuracy of random guessing: both data sets have ten classes of about the same size."""
