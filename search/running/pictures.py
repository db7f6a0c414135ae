"""Pictures of a model's errors, as PNG files for TensorBoard."""

import io

import numpy as np
from matplotlib.figure import Figure

from search.records.datasets import Dataset
from search.records.trial import HeldOut

SHOWN = 30
"""Number of misclassified images that are shown: the first in the order of the images."""


COLUMNS = 6


def drawn(examples: np.ndarray, scores: HeldOut, facts: Dataset) -> dict[str, bytes]:
    """Return PNG files by name: the confusion matrix and, of images, those misclassified.

    examples: those of `scores`, shape (examples, *facts.shape).
    """
    names = facts.classes
    labels, predicted = np.array(scores.labels), np.array(scores.predicted)
    pictures = {"confusion": confusion(labels, predicted, names)}
    if facts.is_image:
        pictures["misclassified"] = misclassified(examples, labels, predicted, names)
    return pictures


def confusion(labels: np.ndarray, predicted: np.ndarray, names: tuple[str, ...]) -> bytes:
    """Return a picture of the confusion matrix: a row per class, a column per predicted class.

    labels, predicted: classes, shape (images,).
    """
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (labels, predicted), 1)
    figure = Figure((7, 6.4), layout="constrained")
    axis = figure.subplots()
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axis.text(column, row, counts[row, column], ha="center", va="center", color=colour)
    axis.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.set_xlabel("predicted class")
    axis.set_ylabel("class")
    return _png(figure)


def misclassified(
    images: np.ndarray, labels: np.ndarray, predicted: np.ndarray, names: tuple[str, ...]
) -> bytes:
    """Return a picture of the first misclassified images, titled 'class → predicted class'.

    images: shape (images, height, width) or (images, height, width, channels).
    labels, predicted: classes, shape (images,).
    """
    wrong = np.flatnonzero(labels != predicted)[:SHOWN]
    rows = max(1, -(-len(wrong) // COLUMNS))
    figure = Figure((1.5 * COLUMNS, 1.65 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, image in zip(axes, wrong, strict=False):
        axis.imshow(images[image].squeeze(), cmap="gray")
        axis.set_title(f"{names[labels[image]]}\n→ {names[predicted[image]]}", fontsize=8)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
