"""What all figures share: their style, their axes, and the mean of curves with its band."""

import io
import math
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.evidence.paired import interval
from analysis.words.language import Language
from analysis.words.terms import Terms

# Okabe and Ito (2008): distinguishable by colour-blind readers and in print.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31"]


MARKS = ["o", "s", "^", "D", "v", "P", "X", "*", "<", ">"]


STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # included in matplotlib, so the bytes are the same on every machine
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e5e5",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "keras-study",
    "figure.constrained_layout.use": True,
}


TICKS = 8
"""About the most ticks of an axis."""

LEGEND = 110
"""Characters that fit in a row of a legend."""


def rendered(figure: Figure) -> tuple[bytes, bytes]:
    """Return a figure as SVG and PNG, with the same bytes each time."""
    files = []
    for kind, about in (("svg", {"Date": None}), ("png", {"Software": None})):
        buffer = io.BytesIO()
        with mpl.rc_context(STYLE):
            figure.savefig(buffer, format=kind, dpi=110, metadata=about)
        files.append(buffer.getvalue())
        # The first layout serves both files. It is half of the time.
        figure.set_layout_engine("none")
    return files[0], files[1]


def new(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    with mpl.rc_context(STYLE):
        figure = Figure((width, height), layout="constrained")
        axes = figure.subplots(1, columns, squeeze=False)[0]
    return figure, list(axes)


def percent_axis(axis: Axes, language: Language, which: str = "y") -> None:
    shown = FuncFormatter(lambda value, _: f"{language.number(100 * value, 0)} %")
    spread = np.ptp(axis.get_ylim() if which == "y" else axis.get_xlim())
    if spread < 0.05:
        shown = FuncFormatter(lambda value, _: f"{language.number(100 * value, 1)} %")
    scale = axis.yaxis if which == "y" else axis.xaxis
    scale.set_major_formatter(shown)
    scale.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10]))


def objective_axis(axis: Axes, told: Terms, which: str = "y") -> None:
    """Format an axis of values of the objective."""
    if told.share:
        percent_axis(axis, told.say, which)
        return
    plain_axis(axis, told.say, which)


def plain_axis(axis: Axes, language: Language, which: str = "y") -> None:
    """Format an axis of numbers with as many decimals as its ticks need."""
    ends = axis.get_ylim() if which == "y" else axis.get_xlim()
    step = float(np.ptp(ends)) / TICKS
    digits = max(0, -math.floor(math.log10(step))) if step > 0 else 0
    scale = axis.yaxis if which == "y" else axis.xaxis
    scale.set_major_formatter(FuncFormatter(lambda value, _: language.number(value, digits)))
    # With other steps, such as 0.025, a tick would need more digits than its label has.
    scale.set_major_locator(MaxNLocator(TICKS, steps=[1, 2, 5, 10]))


def epochs_axis(axis: Axes, language: Language) -> None:
    axis.set_xlabel(language("epoch", "época"))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def legend(figure: Figure, axis: Axes, columns: int = 4) -> None:
    """Place the legend below the plots, so that it covers no data."""
    handles, labels = axis.get_legend_handles_labels()
    if labels:
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=max(1, min(columns, len(labels), LEGEND // (max(map(len, labels)) + 6))),
            frameon=False,
        )


def band(axis: Axes, curves: pd.DataFrame, column: str, place: int, label: str, style: str) -> None:
    """Draw the mean over seeds by epoch with its 95 % interval."""
    grouped = curves.dropna(subset=[column]).groupby("epoch")[column]
    if not len(grouped):
        return
    stats = pd.DataFrame({e: interval(v.to_numpy()) for e, v in grouped}).T
    colour = COLOURS[place % len(COLOURS)]
    axis.plot(stats.index, stats[0], style, color=colour, label=label, lw=1.4)
    axis.fill_between(stats.index, stats[1], stats[2], color=colour, alpha=0.14, lw=0)
