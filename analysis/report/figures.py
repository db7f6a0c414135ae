"""The figures of a report, drawn from the numbers of its tables."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.evidence.arms import Part
from analysis.evidence.paired import interval
from analysis.words.language import Language

# Okabe and Ito (2008): distinguishable by colour-blind readers and in print.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31"]


MARKS = ["o", "s", "^", "D", "v", "P", "X", "*", "<", ">"]


SHOWN_SHARE = 0.005
"""Smallest share of a class that a confusion matrix shows as a number."""


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


def rendered(figure: Figure) -> tuple[bytes, bytes]:
    """Return a figure as SVG and PNG, with the same bytes each time."""
    files = []
    for kind, about in (("svg", {"Date": None}), ("png", {"Software": None})):
        buffer = io.BytesIO()
        with mpl.rc_context(STYLE):
            figure.savefig(buffer, format=kind, dpi=110, metadata=about)
        files.append(buffer.getvalue())
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
            ncols=min(columns, len(labels)),
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


def curves(part: Part, language: Language) -> Figure:
    """Draw accuracy and loss side by side, validation solid and training dotted."""
    figure, axes = new(8.4, 4.0, 2)
    for column, axis in zip(("accuracy", "loss"), axes, strict=True):
        for place, arm in enumerate(part.arms):
            own = part.curves[part.curves["arm"] == arm]
            band(axis, own, f"val_{column}", place, arm, "-" if place < len(COLOURS) else "--")
            band(axis, own, column, place, "_", ":")
        epochs_axis(axis, language)
    axes[0].set_ylabel(language("accuracy", "exactitud"))
    axes[1].set_ylabel(language("loss (penalties included)", "pérdida (con penalizaciones)"))
    learnt = part.curves[part.curves["arm"].isin(learning(part)) & (part.curves["epoch"] > 1)]
    axes[0].set_ylim(max(0.0, learnt[["accuracy", "val_accuracy"]].min().min() - 0.02), None)
    axes[1].set_ylim(0, 1.1 * learnt[["loss", "val_loss"]].max().max())
    percent_axis(axes[0], language)
    legend(figure, axes[0])
    return figure


def learning(part: Part) -> list[str]:
    """Return the arms that learn: their last accuracy is at least half of the best arm's."""
    means = part.table().mean()
    return list(means.index[means >= 0.5 * means.max()])


def over_seeds(part: Part, language: Language) -> Figure:
    """Draw every seed's last val_accuracy by arm, with mean and 95 % interval."""
    table = part.table()
    framed = learning(part)
    figure, (axis,) = new(8.4, 0.38 * len(part.arms) + 1.1)
    for place, arm in enumerate(part.arms):
        values = table[arm].dropna().to_numpy()
        # With few seeds, an interval may exceed the range of an accuracy.
        mean, low, high = np.clip(interval(values), 0, 1)
        if arm not in framed:
            axis.annotate(
                f"◂ {language.percent(mean)}",
                (0.01, place),
                xycoords=axis.get_yaxis_transform(),
                va="center",
                fontsize=8,
            )
            continue
        offsets = np.linspace(-0.18, 0.18, len(values))
        axis.scatter(values, place + offsets, s=14, color="#56B4E9", lw=0)
        axis.plot([low, high], [place, place], color="black", lw=1.5)
        axis.plot([mean], [place], "o", color="black", ms=5)
    axis.set_yticks(range(len(part.arms)), [language.arm(arm) for arm in part.arms])
    axis.set_ylim(len(part.arms) - 0.5, -0.5)
    axis.set_xlabel(
        language(
            "validation accuracy after the last epoch: seeds, mean, 95 % interval",
            "exactitud de validación tras la última época: semillas, media, intervalo del 95 %",
        )
    )
    percent_axis(axis, language, "x")
    return figure


def by_depth(parts: Sequence[Part], language: Language) -> Figure:
    """Draw last val_accuracy against the number of hidden layers, one line per activation."""
    figure, (axis,) = new(8.4, 3.6)
    for place, arm in enumerate(parts[0].arms):
        rows = np.array([interval(part.table()[arm].dropna().to_numpy()) for part in parts])
        levels = [part.level or 0 for part in parts]
        colour = COLOURS[place]
        axis.plot(levels, rows[:, 0], marker=MARKS[place], color=colour, label=arm, lw=1.4)
        axis.fill_between(levels, rows[:, 1], rows[:, 2], color=colour, alpha=0.14, lw=0)
    axis.set_xlabel(language("hidden layers of 128 units", "capas ocultas de 128 unidades"))
    axis.set_ylabel(language("validation accuracy", "exactitud de validación"))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    percent_axis(axis, language)
    legend(figure, axis)
    return figure


def by_layer(part: Part, quantity: str, language: Language) -> Figure:
    """Draw gradient norms by layer before training on a log scale, one line per arm."""
    figure, (axis,) = new(8.4, 3.6)
    layers = layer_names(part.at_start, quantity)
    for place, arm in enumerate(part.arms):
        own = part.at_start[part.at_start["arm"] == arm]
        means = [own[f"{quantity}/{layer}"].mean() for layer in layers]
        colour = COLOURS[place % len(COLOURS)]
        axis.plot(range(len(layers)), means, marker=MARKS[place], color=colour, label=arm, lw=1.4)
    axis.set_yscale("log")
    axis.set_xticks(range(len(layers)), layers)
    axis.set_ylabel(
        language("gradient norm before training", "norma del gradiente antes de entrenar")
    )
    legend(figure, axis)
    return figure


def layer_names(frame: pd.DataFrame, quantity: str) -> list[str]:
    """Return the layers for which a frame has a quantity, from input to output."""
    columns = frame.dropna(axis="columns", how="all").columns
    names = [c.split("/")[1] for c in columns if c.startswith(f"{quantity}/")]
    return sorted(names, key=lambda name: (name == "output", name))


def saturation(part: Part, language: Language) -> Figure:
    """Draw the share of saturated (image, unit) pairs by epoch, one panel per hidden layer."""
    layers = layer_names(part.curves, "saturated")
    figure, axes = new(8.4, 3.4, len(layers))
    for layer, axis in zip(layers, axes, strict=True):
        for place, arm in enumerate(part.arms):
            own = part.curves[part.curves["arm"] == arm]
            band(axis, own, f"saturated/{layer}", place, arm, "-")
        axis.set_title(layer, fontsize=9)
        axis.set_ylim(0, 1)
        epochs_axis(axis, language)
        percent_axis(axis, language)
    axes[0].set_ylabel(language("saturated pairs", "pares saturados"))
    legend(figure, axes[0])
    return figure


def gaps(part: Part, language: Language) -> Figure:
    """Draw training minus validation accuracy by epoch."""
    figure, (axis,) = new(8.4, 3.6)
    for place, arm in enumerate(part.arms):
        own = part.curves[part.curves["arm"] == arm]
        own = own.assign(gap=own["accuracy"] - own["val_accuracy"])
        style = "-" if place < len(COLOURS) else "--"
        band(axis, own, "gap", place, arm, style)
    axis.axhline(0, color="black", lw=0.8)
    axis.set_ylabel(language("accuracy: training − validation", "exactitud: entren. − validación"))
    epochs_axis(axis, language)
    percent_axis(axis, language)
    legend(figure, axis, 3)
    return figure


def learning_rates(part: Part, language: Language) -> Figure:
    """Draw last val_accuracy against the learning rate, one line per optimizer."""
    figure, (axis,) = new(8.4, 3.8)
    table = part.table()
    optimizers = list(dict.fromkeys(values["optimizer"] for values in part.values.values()))
    for place, optimizer in enumerate(optimizers):
        arms = [arm for arm in part.arms if part.values[arm]["optimizer"] == optimizer]
        rates = [part.values[arm][f"{optimizer}_lr"] for arm in arms]
        colour = COLOURS[place]
        axis.plot(
            rates, table[arms].mean(), marker=MARKS[place], color=colour, label=optimizer, lw=1.4
        )
    axis.set_xscale("log")
    axis.set_xlabel(language("learning rate", "tasa de aprendizaje"))
    axis.set_ylabel(language("validation accuracy", "exactitud de validación"))
    best = table.mean().max()
    axis.set_ylim(max(0, best - 0.15), best + 0.01)
    percent_axis(axis, language)
    legend(figure, axis, 6)
    return figure


def isolation(name: str, tables: dict[int, pd.DataFrame], language: Language) -> Figure:
    """Draw the best result of each value at each budget."""
    figure, (axis,) = new(8.4, 3.4)
    values = list(dict.fromkeys(v for table in tables.values() for v in table.index))
    for place, (epochs, table) in enumerate(tables.items()):
        at = [values.index(value) for value in table.index]
        axis.plot(
            at,
            table["val_accuracy"],
            MARKS[place],
            color=COLOURS[place % len(COLOURS)],
            label=language(f"{epochs} epochs", f"{epochs} épocas"),
        )
    axis.set_xticks(range(len(values)), values, rotation=20 if len(values) > 5 else 0)
    axis.set_xlabel(name)
    axis.set_ylabel(language("best validation accuracy", "mejor exactitud de validación"))
    tops = [table["val_accuracy"].max() for table in tables.values()]
    lowest = min(table["val_accuracy"].min() for table in tables.values())
    # A value with which nothing is learned would squeeze all other values together.
    axis.set_ylim(max(0, lowest - 0.02, min(tops) - 0.25), max(tops) + 0.02)
    percent_axis(axis, language)
    legend(figure, axis)
    return figure


def importances(table: pd.DataFrame, language: Language) -> Figure:
    """Draw fANOVA's shares with their bootstrap intervals."""
    shown = table.head(12)
    figure, (axis,) = new(8.4, 0.3 * len(shown) + 1.0)
    place = np.arange(len(shown))
    axis.barh(place, shown["importance"], color="#56B4E9", height=0.6)
    axis.hlines(place, shown["low"], shown["high"], color="black", lw=1.4)
    axis.set_yticks(place, list(shown.index))
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_xlabel(
        language(
            "share of the variance of validation accuracy, 95 % interval",
            "proporción de la varianza de la exactitud de validación, intervalo del 95 %",
        )
    )
    percent_axis(axis, language, "x")
    return figure


def training_curve(curve: pd.DataFrame, best: int, language: Language) -> Figure:
    """Draw one configuration's training and validation accuracy, and mark its best epoch."""
    figure, (axis,) = new(8.4, 3.4)
    train, validation = language("training", "entrenamiento"), language("validation", "validación")
    axis.plot(curve["epoch"], curve["accuracy"], ":", color=COLOURS[0], label=train)
    axis.plot(curve["epoch"], curve["val_accuracy"], "-", color=COLOURS[1], label=validation)
    axis.axvline(best, color="black", lw=0.8)
    epochs_axis(axis, language)
    axis.set_ylabel(language("accuracy", "exactitud"))
    percent_axis(axis, language)
    legend(figure, axis)
    return figure


def differences(table: pd.DataFrame, language: Language) -> Figure:
    """Draw differences in points with intervals, one row each. table: difference, low, high."""
    figure, (axis,) = new(8.4, 0.34 * len(table) + 1.0)
    place = np.arange(len(table))
    axis.axvline(0, color="black", lw=0.8)
    axis.hlines(place, 100 * table["low"], 100 * table["high"], color=COLOURS[0], lw=1.8)
    axis.plot(100 * table["difference"], place, "o", color=COLOURS[0], ms=5)
    axis.set_yticks(place, [language.arm(arm) for arm in table.index])
    axis.set_ylim(len(table) - 0.5, -0.5)
    axis.set_xlabel(language("points of validation accuracy", "puntos de exactitud de validación"))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: language.number(value, 1)))
    return figure


def confusion(shares: np.ndarray, names: Sequence[str], language: Language) -> Figure:
    """Draw a confusion matrix in percent of each true class; one row per true class."""
    figure, (axis,) = new(8.4, 6.4)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axis.grid(visible=False)
    for row, column in np.argwhere(shares >= SHOWN_SHARE):
        colour = "white" if shares[row, column] > 0.5 else "black"
        shown = language.number(100 * shares[row, column], 1)
        axis.text(column, row, shown, ha="center", va="center", color=colour)
    axis.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.set_xlabel(language("predicted class", "clase predicha"))
    axis.set_ylabel(language("true class", "clase verdadera"))
    return figure
