"""What is known of a data set: classes, shape and size of its examples."""

import math
from dataclasses import dataclass
from typing import Literal

DatasetName = Literal["fashion-mnist", "digits"]


@dataclass(frozen=True)
class Dataset:
    """The facts of a data set, as `study.json` records them."""

    name: str
    """Of own data, the name of their file or folder."""
    classes: tuple[str, ...]
    """Names of the classes, in the order of their labels. Empty if the labels are no classes."""
    shape: tuple[int, ...]
    """Shape of one example, such as (28, 28)."""
    levels: float
    """Value of the brightest pixel, if examples are integers. The darkest is 0. Otherwise 1."""
    train_size: int
    """Number of examples that train a network, without the validation examples."""
    validation_size: int
    validation_share: float | None = None
    """Share of each class's training examples that is used for validation. None: the validation
    examples are a fixed set."""
    limits: str = ""
    """What a model that was trained on it knows, for the model card."""

    @property
    def features(self) -> int:
        """Number of values of an example."""
        return math.prod(self.shape)

    @property
    def is_image(self) -> bool:
        """Whether examples have the shape of grey or coloured images."""
        grey = len(self.shape) == 2
        return min(self.shape[:2]) > 1 and (
            grey or (len(self.shape) == 3 and self.shape[2] in (1, 3))
        )

    @property
    def chance(self) -> float:
        """Accuracy of guessing among classes of equal size, 0 if the labels are no classes."""
        return 1 / len(self.classes) if self.classes else 0.0


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
        name="fashion-mnist",
        classes=GARMENTS,
        shape=(28, 28),
        levels=255,
        train_size=54_000,
        validation_size=6_000,
        validation_share=0.1,
        limits="garments photographed from the front on a black background, centred, 28 pixels "
        "wide, in grey. A photo must be brought into that form first.",
    ),
    "digits": Dataset(
        name="digits",
        classes=tuple("0123456789"),
        shape=(8, 8),
        levels=16,
        train_size=1_151,
        validation_size=287,
        validation_share=0.2,
        limits="handwritten digits of 8 × 8 pixels.",
    ),
}
