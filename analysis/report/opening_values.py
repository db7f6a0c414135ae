"""The test set's results if the objective is no accuracy: one value for each model."""

import math

import numpy as np
import pandas as pd

from analysis.evidence import paired
from analysis.evidence.study import Study
from analysis.report.blocks import Block, Table, Text
from analysis.report.opening_tables import arm_name
from analysis.words.language import Language
from analysis.words.terms import Terms, terms
from search.records.ledger import EvaluatedModel, Results
from search.records.parts import BASELINE, FINAL


def value_of(model: EvaluatedModel) -> float:
    """Return the objective of a model on the test examples, NaN if it was judged by accuracy."""
    value: float | None = getattr(model, "value", None)
    return math.nan if value is None else value


def valued(results: Results) -> bool:
    """Return whether the models were judged by another objective than accuracy."""
    return any(not math.isnan(value_of(model)) for model in results.models)


def values(study: Study, results: Results, say: Language) -> list[Block]:
    """Return what validation and the test set say of each network, and their difference."""
    told = terms(study, say)
    data = pd.DataFrame(
        [
            {
                "arm": model.arm,
                "seed": model.seed,
                "trial": model.trial,
                "held_out": model.held_out,
                "test": value_of(model),
            }
            for model in results.models
        ]
    )
    table = data.pivot_table(index="seed", columns="arm", values="test")
    return [Text(in_words(data, table, told)), by_arm(data, table, told)]


def in_words(data: pd.DataFrame, table: pd.DataFrame, told: Terms) -> str:
    """Say what the final network reaches, and whether it is better than the baseline."""
    say, own = told.say, data[data["arm"] == FINAL]
    test = paired.interval(own["test"].dropna().to_numpy())
    gap = paired.interval((own["test"] - own["held_out"]).dropna().to_numpy())
    text = told.direction + say(
        f"On the test {told.examples}, the mean {told.name} of the final network is "
        f"{told.mean(*test)} (n = {len(own)} seeds, interval for new seeds). On validation "
        f"{told.examples} that neither trained these runs nor chose their epoch, it is "
        f"{told.cell(own['held_out'].mean())}. Test minus validation is {told.difference(*gap)}. ",
        f"Con las {told.examples} de test, la media de {told.name} de la red final es "
        f"{told.mean(*test)} (n = {len(own)} semillas, intervalo para nuevas semillas). Con las "
        f"{told.examples} de validación que ni entrenaron estas pruebas ni eligieron su época, es "
        f"{told.cell(own['held_out'].mean())}. La diferencia entre test y validación es "
        f"{told.difference(*gap)}. ",
    )
    if not {FINAL, BASELINE} <= set(table):
        return text
    row = paired.compare(table[[BASELINE, FINAL]], BASELINE).loc[FINAL]
    shown = told.difference(row["difference"], row["low"], row["high"])
    text += say(
        f"Paired by seed, the final network minus the {told.baseline} is {shown} "
        f"(p {say.p(row['p'])}, n = {row['n']}): ",
        f"Por parejas de semilla, la red final menos la {told.baseline} es {shown} "
        f"(p {say.p(row['p'])}, n = {row['n']}): ",
    )
    if row["n"] < paired.fewest_seeds(1):
        return text + say(
            f"too few seeds to detect a difference; at least {paired.fewest_seeds(1)} are needed.",
            "muy pocas semillas para detectar una diferencia; hacen falta al menos "
            f"{paired.fewest_seeds(1)}.",
        )
    if not row["detected"]:
        return text + say("no difference is detected.", "no se detecta diferencia.")
    if (row["difference"] < 0) == told.lower:
        return text + say("the final network is better.", "la red final es mejor.")
    return text + say("the final network is worse.", "la red final es peor.")


def by_arm(data: pd.DataFrame, table: pd.DataFrame, told: Terms) -> Table:
    """Return the values of each network, and the difference paired by seed."""
    say = told.say
    rows, numbers, trials = [], [], []
    validation, test = f"{say('validation', 'validación')}: {told.short}", f"test: {told.short}"
    for arm, own in data.groupby("arm", sort=False):
        held_out = paired.interval(own["held_out"].dropna().to_numpy())
        tested = paired.interval(own["test"].dropna().to_numpy())
        name = arm_name(str(arm), told)
        rows.append({say("network", "red"): name, "n": len(own), validation: told.mean(*held_out)})
        rows[-1][test] = told.mean(*tested)
        numbers.append(_numbers(str(arm), len(own), held_out, tested))
        trials.append(", ".join(own["trial"]))
    if {FINAL, BASELINE} <= set(table):
        before = data.pivot_table(index="seed", columns="arm", values="held_out")
        pairs = [(frame[FINAL] - frame[BASELINE]).dropna().to_numpy() for frame in (before, table)]
        held_out, tested = (paired.interval(np.asarray(pair)) for pair in pairs)
        name = f"{arm_name(FINAL, told)} − {arm_name(BASELINE, told)}"
        rows.append({say("network", "red"): name, "n": len(pairs[1])})
        rows[-1] |= {validation: told.difference(*held_out), test: told.difference(*tested)}
        numbers.append(_numbers(f"{FINAL} - {BASELINE}", len(pairs[1]), held_out, tested))
        trials.append(", ".join(data.loc[data["arm"].isin([FINAL, BASELINE]), "trial"]))
    caption = told.direction + say(
        f"{told.short} on validation {told.examples} that chose no epoch, and on the test "
        f"{told.examples}: means over seeds with 95 % intervals. The last row is paired by seed.",
        f"{told.short} con las {told.examples} de validación que no eligieron época y con las de "
        "test: medias entre semillas con intervalos del 95 %. La última fila es por parejas de "
        "semilla.",
    )
    return Table("test", caption, pd.DataFrame(rows).fillna(""), pd.DataFrame(numbers), trials)


Interval = tuple[float, float, float]


def _numbers(arm: str, n: int, held_out: Interval, tested: Interval) -> dict[str, object]:
    keys = ("validation", "validation_low", "validation_high", "test", "test_low", "test_high")
    return {"arm": arm, "n": n, **dict(zip(keys, (*held_out, *tested), strict=True))}
