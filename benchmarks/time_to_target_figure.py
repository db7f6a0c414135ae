"""The figure of docs/speed.md: best validation accuracy so far against seconds, by tuner."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

FIGURE = Path("docs/images/time-to-target.svg")

FROM, TO = 8.0, 1200.0

LOWEST = 0.80
"""Lower end of the axis of accuracies."""

Curve = Sequence[Sequence[float]]


def best_so_far(curves: Sequence[Curve], seconds: np.ndarray) -> np.ndarray:
    """Return the best accuracy of each run at each moment, shape (runs, moments). NaN before any."""
    found = np.full((len(curves), len(seconds)), np.nan)
    for row, curve in enumerate(curves):
        for at, value in curve:
            found[row, seconds >= at] = value
    return found


def draw(runs: dict[str, list[Curve]], targets: Sequence[float], shown: Sequence[str]) -> None:
    """Write the figure. Lines are medians over the seeds, bands reach from the worst to the best.

    runs: by name, a curve for each seed. shown: the runs with a colour and a band.
    """
    seconds = np.geomspace(FROM, TO, 400)
    figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
    colours = dict(zip(shown, ("#0b5394", "#b45f06", "#38761d", "#741b47"), strict=False))
    labels: list[tuple[float, str, str]] = []
    for name, curves in runs.items():
        values = best_so_far(curves, seconds)
        known = ~np.isnan(values).any(axis=0)
        if not known.any():
            continue
        colour = colours.get(name, "#888888")
        middle = np.median(values[:, known], axis=0)
        width = 2.0 if name in colours else 1.0
        axis.plot(seconds[known], middle, color=colour, linewidth=width)
        if name in colours:
            low, high = values[:, known].min(axis=0), values[:, known].max(axis=0)
            axis.fill_between(seconds[known], low, high, color=colour, alpha=0.15, linewidth=0)
        labels.append((float(middle[-1]), name, colour))
    for target in targets:
        axis.axhline(target, color="#cccccc", linewidth=0.8, zorder=0)
    _label_ends(axis, labels)
    axis.set_xscale("log")
    axis.set_xlim(FROM, TO)
    axis.set_ylim(LOWEST, 0.925)
    axis.set_xticks([10, 30, 100, 300, 1000], ["10 s", "30 s", "100 s", "300 s", "1,000 s"])
    axis.minorticks_off()
    axis.set_xlabel("seconds since the start, imports included")
    axis.set_ylabel("best validation accuracy so far")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(FIGURE, metadata={"Date": None})
    plt.close(figure)


def _label_ends(axis: Axes, labels: list[tuple[float, str, str]]) -> None:
    """Write each name to the right of its line, without overlaps."""
    gap, place = 0.0062, -np.inf
    for value, name, colour in sorted(labels):
        place = max(place + gap, value, LOWEST)
        axis.annotate(
            name,
            (TO, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=colour,
            annotation_clip=False,
        )
