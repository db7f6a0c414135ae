"""The figure of docs/speed.md: best validation accuracy so far against seconds, by tuner."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

FIGURE = Path("docs/images/time-to-target.svg")

FROM, TO = 4.0, 1200.0

LOWEST = 0.80
"""Lower end of the axis of accuracies."""

Curve = Sequence[Sequence[float]]


COLOURS = {
    "this project": "#0072B2",
    "limit": "#009E73",
    "Hyperband as it was": "#D55E00",
    "KerasTuner": "#CC79A7",
    "Optuna": "#8C6D31",
    "SMAC": "#56B4E9",
    "Ray Tune": "#E69F00",
    "random search": "#000000",
}
"""By the beginning of a run's name. Others are grey."""

BANDS = ("this project", "limit", "Hyperband as it was")
"""Runs that are drawn with a band over their seeds."""


@dataclass(frozen=True)
class Drawn:
    """One run on one seed. curve: [seconds, best accuracy so far]. seconds: its end."""

    curve: Curve
    seconds: float
    finished: bool


def best_so_far(runs: Sequence[Drawn], seconds: np.ndarray, target: float) -> np.ndarray:
    """Return the best accuracy of each run at each moment, shape (runs, moments). NaN before any.

    A run that was cut off before the target is not drawn beyond its end. The others keep what they
    reached.
    """
    found = np.full((len(runs), len(seconds)), np.nan)
    for row, run in enumerate(runs):
        for at, value in run.curve:
            found[row, seconds >= at] = value
        if not run.finished and run.curve[-1][1] < target:
            found[row, seconds > run.seconds] = np.nan
    return found


def draw(runs: dict[str, list[Drawn]], targets: Sequence[float]) -> None:
    """Write the figure. Lines are medians over the seeds, bands reach from the worst to the best.

    Dashed lines are peers that train by `model.fit`.
    """
    seconds = np.geomspace(FROM, TO, 400)
    figure, axis = plt.subplots(figsize=(8.5, 5), layout="constrained")
    labels: list[tuple[float, str, str]] = []
    for name, drawn in runs.items():
        values = best_so_far(drawn, seconds, max(targets))
        known = ~np.isnan(values).any(axis=0)
        if not known.any():
            continue
        colour = next((c for start, c in COLOURS.items() if name.startswith(start)), "#777777")
        middle = np.median(values[:, known], axis=0)
        style = "--" if "model.fit" in name else "-"
        axis.plot(seconds[known], middle, style, color=colour, lw=2.0 if name in BANDS else 1.2)
        if name in BANDS:
            low, high = values[:, known].min(axis=0), values[:, known].max(axis=0)
            axis.fill_between(seconds[known], low, high, color=colour, alpha=0.15, linewidth=0)
        labels.append((float(middle[-1]), name, colour))
    for target in targets:
        axis.axhline(target, color="#cccccc", linewidth=0.8, zorder=0)
    _label_ends(axis, labels)
    axis.set_xscale("log")
    axis.set_xlim(FROM, TO)
    axis.set_ylim(LOWEST, 0.925)
    axis.set_xticks(
        [5, 10, 30, 100, 300, 1000], ["5 s", "10 s", "30 s", "100 s", "300 s", "1,000 s"]
    )
    axis.minorticks_off()
    axis.set_xlabel("seconds since the start, imports included")
    axis.set_ylabel("best validation accuracy so far")
    axis.spines[["top", "right"]].set_visible(False)
    with plt.rc_context({"svg.hashsalt": "time-to-target"}):  # the same rows give the same file
        figure.savefig(FIGURE, metadata={"Date": None})
    plt.close(figure)


GAP = 0.0062
"""Least distance of two labels, in accuracy."""


def _label_ends(axis: Axes, labels: list[tuple[float, str, str]]) -> None:
    """Write each name to the right of the axis, near the height of its line's end, without overlaps."""
    ordered = sorted(labels)
    places = [max(value, LOWEST) for value, _, _ in ordered]
    for _ in range(200):
        for n in range(len(places) - 1):
            overlap = GAP - (places[n + 1] - places[n])
            if overlap > 0:
                places[n], places[n + 1] = places[n] - overlap / 2, places[n + 1] + overlap / 2
    for place, (_, name, colour) in zip(places, ordered, strict=True):
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
