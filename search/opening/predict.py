"""Classifies pictures with a model file that `search final` wrote."""

from pathlib import Path

import keras
import numpy as np
from PIL import Image

from search.opening.models import model_name
from search.records.datasets import DATASETS, DatasetName
from search.records.errors import Misuse
from search.records.reading import Json

BRIGHT = 128
"""Mean border pixel, from 0 to 255, from which a picture's background counts as bright."""


def predictions(model_path: Path, pictures: list[Path]) -> list[Json]:
    """Return for each picture its name, class, probability, and whether its background is bright.

    Pillow reads the pictures. They may have any size and are converted to grey and scaled to the
    model's size.
    Raises Misuse if the model file is not of this project, or if a picture cannot be read.
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
        raise Misuse(f"there is no model file {path}: python -m search final writes model files")
    try:
        model = keras.models.load_model(path)
    except (ValueError, OSError, TypeError, KeyError) as error:
        raise Misuse(
            f"{path} is not a Keras model: give a .keras file that search final wrote"
        ) from error
    for dataset, facts in DATASETS.items():
        if model.name == model_name(dataset) and model.input_shape == (
            None,
            facts.side,
            facts.side,
        ):
            return model, dataset
    raise Misuse(
        f"{path} takes input of shape {model.input_shape}: give a .keras file that search final "
        "wrote"
    )


def _pixels(path: Path, side: int) -> np.ndarray:
    """Return grey pixels from 0 to 255, float32, shape (side, side).

    Raises Misuse if the file cannot be read.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode.startswith("I"):
                # These pictures have 16 bits per pixel, and convert() would clip them at 255.
                grey = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
            else:
                grey = picture.convert("L")
        grey = grey.resize((side, side), Image.Resampling.BILINEAR)
    # Pillow raises SyntaxError for broken PNGs, and the last error for suspiciously large pictures.
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "not a picture that can be read"
        raise Misuse(f"{path}: {reason}") from error
    return np.asarray(grey, np.float32)


def _border(pixels: np.ndarray) -> np.ndarray:
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
