"""Classifies pictures with a model file that `search final` wrote."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from search.networks.hypermodels import load
from search.opening.models import model_name
from search.records.arguments import Subject
from search.records.datasets import DATASETS, Dataset
from search.records.errors import Misuse
from search.records.folder import StudyFolder
from search.records.reading import Json
from search.training.loop import as_probabilities

BRIGHT = 128
"""Mean border pixel, from 0 to 255, from which a picture's background counts as bright."""


def predictions(model_path: Path, pictures: list[Path]) -> list[Json]:
    """Return for each picture its name, class, probability, and whether its background is bright.

    Pillow reads the pictures. They may have any size and are converted to grey and scaled to the
    model's size.
    Raises Misuse if the model file is not of this project, or if a picture cannot be read.
    """
    model, facts = opened(model_path)
    if not facts.classes:
        raise Misuse(f"{model_path} predicts values, and predict only tells classes")
    images = np.stack([_pixels(path, facts) for path in pictures])
    outputs = model.predict(images * (facts.levels / 255), verbose=0)
    probabilities = as_probabilities(outputs)
    return [
        {
            "image": str(path),
            "class": facts.classes[row.argmax()],
            "probability": float(row.max()),
            "bright_ground": bool(_border(pixels).mean() >= BRIGHT),
        }
        for path, pixels, row in zip(pictures, images, probabilities, strict=True)
    ]


def opened(path: Path) -> tuple[keras.Model, Dataset]:
    """Return the model in a file, and the data set that it was trained on.

    The record of the study tells the data set. Without it, the name of the model does.
    Raises Misuse if the file holds no model that `search final` wrote.
    """
    if not path.is_file():
        raise Misuse(f"there is no model file {path}: python -m search final writes model files")
    folder = path.resolve().parent.parent
    study = StudyFolder.at(folder.parent, folder.name)
    record = study.record() if study.exists() else None
    own: dict[str, Any] = {}
    if record and isinstance(record.arguments, Subject) and record.arguments.hypermodel:
        own = vars(load(record.arguments.hypermodel).module)
    try:
        model = keras.models.load_model(path, custom_objects=own, compile=False)
    except (ValueError, OSError, TypeError, KeyError) as error:
        raise Misuse(
            f"{path} is not a Keras model: give a .keras file that search final wrote"
        ) from error
    if record and record.facts and record.facts.is_image:
        return model, record.facts
    for facts in DATASETS.values():
        if model.name == model_name(facts) and model.input_shape == (None, *facts.shape):
            return model, facts
    raise Misuse(
        f"{path} takes input of shape {model.input_shape}: give a .keras file that search final "
        "wrote"
    )


def _pixels(path: Path, facts: Dataset) -> np.ndarray:
    """Return pixels from 0 to 255, float32, in the shape of the data set's images.

    Raises Misuse if the file cannot be read.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode.startswith("I"):
                # These pictures have 16 bits per pixel, and convert() would clip them at 255.
                shown = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
            else:
                shown = picture.convert("RGB" if facts.shape[-1] == 3 else "L")
        height, width = facts.shape[:2]
        shown = shown.resize((width, height), Image.Resampling.BILINEAR)
    # Pillow raises SyntaxError for broken PNGs, and the last error for suspiciously large pictures.
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "not a picture that can be read"
        raise Misuse(f"{path}: {reason}") from error
    return np.asarray(shown, np.float32).reshape(facts.shape)


def _border(pixels: np.ndarray) -> np.ndarray:
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
