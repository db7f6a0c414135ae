"""How fast the arms of a comparison learn: the second endpoint, and the epochs to some values."""

import numpy as np
import pandas as pd

from analysis.evidence import paired
from analysis.evidence.arms import Endpoint, Part
from analysis.report.blocks import Block, Table, Text
from analysis.report.cells import difference_numbers
from analysis.words.language import Language
from analysis.words.terms import Terms, terms
from search.records.arguments import EXERCISES
from search.records.parts import LEVEL_EPOCHS

THRESHOLDS = (0.85, 0.88)
"""Accuracies for which the tables of the exercises count the epochs to reach them."""


def speed(part: Part, name: str, say: Language) -> list[Block]:
    """Compare how fast arms learn: the mean over all epochs, and the epochs to some values."""
    if part.stops or part.epochs <= LEVEL_EPOCHS:
        return []
    return [Text(speed_in_words(part, say)), speed_table(part, name, say)]


def speed_in_words(part: Part, say: Language) -> str:
    """Say which arms differ in the mean over all epochs, the second endpoint."""
    told, compared = terms(part.study, say), part.compared(Endpoint.MEAN)
    found = compared[compared["detected"]]
    listed = [
        f"{arm} {told.difference(row['difference'], row['low'], row['high'])}"
        for arm, row in found.iterrows()
    ]
    text = say(
        f"Speed of convergence: the mean of {told.name} over all {part.epochs} epochs. ",
        f"Rapidez de convergencia: la media de {told.name} en las {part.epochs} épocas. ",
    )
    if listed:
        text += say(
            f"Differences from {part.reference} that are detected{told.in_points}: "
            f"{say.several(listed)}.",
            f"Diferencias con {part.reference} que se detectan{told.in_points}: "
            f"{say.several(listed)}.",
        )
    rest = list(compared.index[~compared["detected"]])
    if rest:
        text += say(
            f" No difference was detected for {say.alternatives(rest)}.",
            f" No se detecta diferencia en {say.alternatives(rest)}.",
        )
    return text


def speed_table(part: Part, name: str, say: Language) -> Table:
    """Return the mean over all epochs and the epochs to each goal, by arm."""
    told = terms(part.study, say)
    table, compared = part.table(endpoint=Endpoint.MEAN), part.compared(Endpoint.MEAN)
    goals = thresholds(part)
    reached = {key: (part.epochs_to(goal), part.reached(goal)) for key, goal in goals.items()}
    rows, numbers = [], []
    for arm in part.arms:
        mean, low, high = paired.interval(table[arm].dropna().to_numpy())
        shown: dict[str, object] = {
            say("arm", "variante"): arm,
            say("mean of epochs: ", "media de épocas: ") + told.short: told.mean(mean, low, high),
        }
        number: dict[str, object] = {"arm": arm, "mean": mean, "low": low, "high": high}
        row = compared.loc[arm] if arm in compared.index else None
        shown[say("difference", "diferencia") + told.unit] = (
            say("reference", "referencia")
            if row is None
            else told.difference(row["difference"], row["low"], row["high"])
        )
        shown["p (Holm)"] = "" if row is None else say.p(row["p_holm"])
        number |= {} if row is None else difference_numbers(row)
        for key, (epochs, tested) in reached.items():
            own = epochs[arm].dropna().to_numpy(float)
            wanted = told_goal(goals[key], 0 if key != "reference" else 1, told)
            cell = say.number(paired.middle(own), 0)
            if np.isinf(own).any():
                cell += f" ({int(np.isfinite(own).sum())}/{len(own)})"
            if arm in tested.index:
                cell += f", p {say.p(tested.loc[arm, 'p_holm'])}"
                number[f"p_epochs_to_{key}"] = tested.loc[arm, "p_holm"]
            shown[say(f"epochs to {wanted}", f"épocas hasta {wanted}")] = cell
            number[f"epochs_to_{key}"] = paired.middle(own)
            number[f"reached_{key}"] = int(np.isfinite(own).sum())
        rows.append(shown)
        numbers.append(number)
    caption = say(
        "Speed of convergence, by the same tests. Epochs: the lower median over runs; a run that "
        "never reached the value counts as the largest (in brackets: how many reached it). Their p is "
        "of the epochs paired by seed, with Holm's correction over the arms.",
        "Rapidez de convergencia, con los mismos contrastes. Épocas: mediana inferior de las pruebas; una "
        "prueba que nunca alcanzó el valor cuenta como la mayor (entre paréntesis, cuántas lo "
        "alcanzaron). Su p es de las épocas por parejas de semilla, con la corrección de Holm entre "
        "variantes.",
    )
    if "reference" in goals:
        caption += say(
            " That value is the result of the reference's worst seed.",
            " Ese valor es el resultado de la peor semilla de la referencia.",
        )
    trials = [part.trials(arm) for arm in part.arms]
    data = pd.DataFrame(numbers)
    return Table(f"{name}-speed", caption, pd.DataFrame(rows).fillna(""), data, trials)


def told_goal(goal: float, digits: int, told: Terms) -> str:
    """Return the value that runs are to reach, as the heading of a column has it."""
    if not told.share:
        return told.value(goal)
    wanted = told.say.percent(goal, digits)
    return wanted.replace(" %", "%") if told.say.code == "en" else wanted


def thresholds(part: Part) -> dict[str, float]:
    """Return the values for which the table counts the epochs to reach them, by name."""
    if part.exercise in EXERCISES:
        return {f"{threshold:g}": threshold for threshold in THRESHOLDS}
    results = part.table()[part.reference]
    return {"reference": float(results.max() if part.study.lower else results.min())}
