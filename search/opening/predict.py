"""Names what is on pictures by a model file of `search final`."""

from pathlib import Path

import keras
import numpy as np
from PIL import Image

from search.opening.models import model_name
from search.records.datasets import DATASETS, DatasetName
from search.records.errors import Misuse
from search.records.reading import Json

BRIGHT = 128
"""Mean of a picture's border, of 255, from which its ground is taken to be bright."""


def predictions(model_path: Path, pictures: list[Path]) -> list[Json]:
    """For each picture: image, class, probability, and whether its ground is bright.

    Pictures of any size and kind that Pillow reads are made grey and brought to the model's size.
    Raises Misuse where a file is no model of ours or no picture.
    """
    model, dataset = opened(model_path)
    side = model.input_shape[1]
    images = np.stack([_pixels(path, side) for path in pictures])
    probabilities = model.predict(images * (DATASETS[dataset].levels / 255), verbose=0)
    return [
        {
            "image": str(path),
            "class": DATASETS[dataset].classes[row.argmax()],
            "probability": float(row.max()),
            "bright_ground": bool(_border(pixels).mean() >= BRIGHT),
        }
        for path, pixels, row in zip(pictures, images, probabilities, strict=True)
    ]


def opened(path: Path) -> tuple[keras.Model, DatasetName]:
    """Return the model in a file, and the data set that its name says it was trained on.

    Raises Misuse if the file holds no model that `search final` wrote.
    """
    if not path.is_file():
        raise Misuse(f"there is no model file {path}: python -m search final writes one")
    try:
        model = keras.models.load_model(path)
    except (ValueError, OSError, TypeError, KeyError) as error:
        raise Misuse(f"{path} is no Keras model: give the .keras file that final wrote") from error
    for dataset, facts in DATASETS.items():
        if model.name == model_name(dataset) and model.input_shape == (
            None,
            facts.side,
            facts.side,
        ):
            return model, dataset
    raise Misuse(f"{path} takes {model.input_shape}: it is no model that search final wrote")


def _pixels(path: Path, side: int) -> np.ndarray:
    """Grey pixels from 0 to 255, shape (side, side)."""
    try:
        with Image.open(path) as picture:
            if picture.mode.startswith("I"):
                # 16 bits a pixel: convert() would cut off what is above 255.
                grey = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
            else:
                grey = picture.convert("L")
        grey = grey.resize((side, side), Image.Resampling.BILINEAR)
    # Pillow says so of broken PNGs, and of pictures too large to be meant.
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "no picture that can be read"
        raise Misuse(f"{path}: {reason}") from error
    return np.asarray(grey, np.float32)


def _border(pixels: np.ndarray) -> np.ndarray:
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
