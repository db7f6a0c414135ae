"""The figures of a report, drawn from the numbers of its tables."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.evidence.arms import Part
from analysis.evidence.paired import interval
from analysis.report.axes import (
    COLOURS,
    MARKS,
    band,
    epochs_axis,
    legend,
    new,
    objective_axis,
    percent_axis,
    plain_axis,
)
from analysis.words.language import Language
from analysis.words.terms import Terms, terms
from search.records.parts import BASELINE

SHOWN_SHARE = 0.005
"""Smallest share of a class that a confusion matrix shows as a number."""


def panels(part: Part) -> list[str]:
    """Return the quantities whose curves are drawn: the objective, then the loss.

    If the loss is the objective, accuracy comes second, if it was recorded.
    """
    first = part.objective.name.removeprefix("val_")
    second = "accuracy" if first == "loss" else "loss"
    recorded = part.curves.columns[part.curves.notna().any()]
    return [first, *([second] if {second, f"val_{second}"} & set(recorded) else [])]


def titles(part: Part, language: Language) -> list[str]:
    """Return the names of the quantities whose curves are drawn."""
    known = {"accuracy": ("accuracy", "exactitud"), "loss": ("loss", "pérdida")}
    return [language(*known.get(name, (name, name))) for name in panels(part)]


def curves(part: Part, language: Language) -> Figure:
    """Draw the objective and the loss side by side, validation solid and training dotted."""
    shown = panels(part)
    figure, axes = new(8.4, 4.0, len(shown))
    learnt = part.curves[part.curves["arm"].isin(learning(part))]
    learnt = learnt[learnt["epoch"] > 1] if part.epochs > 1 else learnt
    for column, title, axis in zip(shown, titles(part, language), axes, strict=True):
        pair = [name for name in (column, f"val_{column}") if name in part.curves]
        for place, arm in enumerate(part.arms):
            own = part.curves[part.curves["arm"] == arm]
            solid = "-" if place < len(COLOURS) else "--"
            band(axis, own, pair[-1], place, arm, solid)
            if len(pair) > 1:
                band(axis, own, pair[0], place, "_", ":")
        epochs_axis(axis, language)
        axis.set_ylabel(title)
        lowest, highest = learnt[pair].min().min(), learnt[pair].max().max()
        if column == "loss":
            axis.set_ylabel(language("loss (penalties included)", "pérdida (con penalizaciones)"))
            if lowest >= 0 and np.isfinite(highest):
                axis.set_ylim(0, 1.1 * highest)
            plain_axis(axis, language)
        elif column == "accuracy":
            axis.set_ylim(max(0.0, lowest - 0.02), None)
            percent_axis(axis, language)
        else:
            objective_axis(axis, terms(part.study, language))
    legend(figure, axes[0])
    return figure


FAR = 10
"""An arm is left out of the frame if it is this many times as far from the best as the median arm."""


def learning(part: Part) -> list[str]:
    """Return the arms that learn. The others would squeeze all differences together.

    An arm learns if its last accuracy is at least half of the best arm's. For other objectives, the
    distance from the best arm counts.
    """
    means = part.table().mean()
    if terms(part.study, Language("en")).share:
        return list(means.index[means >= 0.5 * means.max()])
    away = (means - means[part.study.best(means)]).abs() if means.notna().any() else means
    return list(means.index[away <= FAR * max(away.median(), 0.05 * means.abs().median())])


def over_seeds(part: Part, language: Language) -> Figure:
    """Draw every seed's objective at the end by arm, with mean and 95 % interval."""
    told = terms(part.study, language)
    table = part.table()
    framed = learning(part)
    figure, (axis,) = new(8.4, 0.38 * len(part.arms) + 1.1)
    for place, arm in enumerate(part.arms):
        values = table[arm].dropna().to_numpy()
        # With few seeds, an interval may exceed the range of an accuracy.
        mean, low, high = np.clip(interval(values), 0, 1) if told.share else interval(values)
        if arm not in framed:
            axis.annotate(
                f"{told.value(mean)} ▸" if told.lower else f"◂ {told.value(mean)}",
                (0.99 if told.lower else 0.01, place),
                xycoords=axis.get_yaxis_transform(),
                va="center",
                ha="right" if told.lower else "left",
                fontsize=8,
            )
            continue
        offsets = np.linspace(-0.18, 0.18, len(values))
        axis.scatter(values, place + offsets, s=14, color="#56B4E9", lw=0)
        axis.plot([low, high], [place, place], color="black", lw=1.5)
        axis.plot([mean], [place], "o", color="black", ms=5)
    names = [told.baseline if told.own and a == BASELINE else language.arm(a) for a in part.arms]
    axis.set_yticks(range(len(part.arms)), names)
    axis.set_ylim(len(part.arms) - 0.5, -0.5)
    axis.set_xlabel(
        language(
            f"{told.name} at the end: seeds, mean, 95 % interval",
            f"{told.name} al final: semillas, media, intervalo del 95 %",
        )
    )
    objective_axis(axis, told, "x")
    return figure


def by_depth(parts: Sequence[Part], language: Language) -> Figure:
    """Draw val_accuracy at the end against the number of hidden layers, one line per activation."""
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


def isolation(name: str, tables: dict[int, pd.DataFrame], told: Terms) -> Figure:
    """Draw the best result of each value at each budget."""
    language = told.say
    figure, (axis,) = new(8.4, 3.4)
    values = list(dict.fromkeys(v for table in tables.values() for v in table.index))
    for place, (epochs, table) in enumerate(tables.items()):
        at = [values.index(value) for value in table.index]
        axis.plot(
            at,
            table["score"],
            MARKS[place % len(MARKS)],
            color=COLOURS[place % len(COLOURS)],
            label=f"{epochs} "
            + (language("epoch", "época") if epochs == 1 else language("epochs", "épocas")),
        )
    axis.set_xticks(range(len(values)), values, rotation=20 if len(values) > 5 else 0)
    axis.set_xlabel(name)
    axis.set_ylabel(language(f"best {told.name}", f"mejor {told.name}"))
    axis.set_ylim(*isolation_ends(tables, told))
    objective_axis(axis, told)
    legend(figure, axis)
    return figure


def isolation_ends(tables: dict[int, pd.DataFrame], told: Terms) -> tuple[float, float]:
    """Return the ends of the axis of an isolation plot.

    A value with which nothing is learned would squeeze all other values together.
    """
    scores = [table["score"] for table in tables.values()]
    if not told.share:
        return framed(pd.concat(scores), told)
    tops = [own.max() for own in scores]
    lowest = min(own.min() for own in scores)
    return max(0, lowest - 0.02, min(tops) - 0.25), max(tops) + 0.02


def framed(values: pd.Series, told: Terms) -> tuple[float, float]:
    """Return the ends of an axis that leaves out values much worse than the median."""
    best = values.min() if told.lower else values.max()
    worst = values.max() if told.lower else values.min()
    far = abs(values.median() - best) * 4 or abs(worst - best)
    end = min(worst, best + far) if told.lower else max(worst, best - far)
    margin = 0.06 * abs(end - best) or 0.01 * abs(best) or 1.0
    return min(best, end) - margin, max(best, end) + margin


def importances(table: pd.DataFrame, told: Terms) -> Figure:
    """Draw fANOVA's shares, with the largest share that chance gives in 95 % of the permutations."""
    language = told.say
    shown = table.head(12)
    figure, (axis,) = new(8.4, 0.3 * len(shown) + 1.0)
    place = np.arange(len(shown))
    colours = np.where(shown["clear"], "#0072B2", "#B8C4CC")
    axis.barh(place, shown["importance"], color=colours, height=0.6)
    chance = float(shown["null"].iloc[0])
    axis.axvline(
        chance, color="black", lw=1.2, ls="--",
        label=language("largest share by chance, 95 %", "mayor proporción por azar, 95 %"),
    )  # fmt: skip
    axis.set_yticks(place, list(shown.index))
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_xlabel(
        language(
            f"share of the variance of {told.name}",
            f"proporción de la varianza de {told.name}"
            if told.objective.name != "val_accuracy"
            else "proporción de la varianza de la exactitud de validación",
        )
    )
    percent_axis(axis, language, "x")
    legend(figure, axis)
    return figure


def training_curve(curve: pd.DataFrame, best: int, told: Terms) -> Figure:
    """Draw one configuration's objective in training and validation, and mark its best epoch."""
    language, name = told.say, told.objective.name
    figure, (axis,) = new(8.4, 3.4)
    train, validation = language("training", "entrenamiento"), language("validation", "validación")
    mark = "" if len(curve) > 1 else "o"
    if told.train != name and told.train in curve:
        axis.plot(
            curve["epoch"], curve[told.train], ":", marker=mark, color=COLOURS[0], label=train
        )
    axis.plot(curve["epoch"], curve[name], "-", marker=mark, color=COLOURS[1], label=validation)
    axis.axvline(best, color="black", lw=0.8)
    epochs_axis(axis, language)
    axis.set_ylabel(told.trained)
    objective_axis(axis, told)
    legend(figure, axis)
    return figure


def differences(table: pd.DataFrame, told: Terms) -> Figure:
    """Draw differences with intervals, one row each. table: difference, low, high."""
    language, unit = told.say, 100 if told.share else 1
    figure, (axis,) = new(8.4, 0.34 * len(table) + 1.0)
    place = np.arange(len(table))
    axis.axvline(0, color="black", lw=0.8)
    axis.hlines(place, unit * table["low"], unit * table["high"], color=COLOURS[0], lw=1.8)
    axis.plot(unit * table["difference"], place, "o", color=COLOURS[0], ms=5)
    axis.set_yticks(place, [language.arm(arm) for arm in table.index])
    axis.set_ylim(len(table) - 0.5, -0.5)
    if told.share:
        axis.set_xlabel(language(f"points of {told.name}", f"puntos de {told.name}"))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: language.number(value, 1)))
    else:
        axis.set_xlabel(language(f"difference in {told.name}", f"diferencia de {told.name}"))
        objective_axis(axis, told, "x")
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
