"""The data sets by name: their classes, shapes, pixel levels and validation shares."""

from dataclasses import dataclass
from typing import Literal

DatasetName = Literal["fashion-mnist", "digits"]


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
