"""The section that compares a search with controlled studies of the same hyperparameters."""

import math

import pandas as pd

from analysis.evidence import observed, paired
from analysis.evidence.arms import COMPARE, Part, parts
from analysis.evidence.study import Study
from analysis.report.blocks import Block, Table, Text
from analysis.report.comparison import begun
from analysis.words.language import Language
from analysis.words.terms import terms
from search.records.arguments import ExerciseArguments

FACTORS = {"activation": "activation", "initializer": "initializer", "optimizer": "tuned"}
"""By hyperparameter: the part of the exercises that varies it."""


def alike(study: Study, other: Study) -> bool:
    """Return whether two studies trained the same networks on the same data for one objective."""
    if study.record is None or other.record is None or study.objective != other.objective:
        return False
    ours, theirs = (
        getattr(s.record.arguments, "hypermodel", None) for s in (study, other) if s.record
    )
    same = study.record.source == other.record.source and ours == theirs
    return study.data == other.data and same


def common(study: Study, controlled: Study) -> bool:
    """Return whether a search is compared with a controlled study: always with the exercises."""
    names = set(varied([controlled])) & set(study.hyperparameters)
    return bool(names) or controlled.kind == ExerciseArguments.COMMAND


def varied(controlled: list[Study]) -> dict[str, Part]:
    """Return the part that varies each hyperparameter alone, the first of several."""
    found: dict[str, Part] = {}
    for study in controlled:
        for part in parts(study):
            if part.exercise == COMPARE:
                found.setdefault(part.name, part)
            else:
                names = [name for name, exercise in FACTORS.items() if exercise == part.name]
                found.update(dict.fromkeys(names, part))
    return found


def agreement(study: Study, controlled: list[Study], say: Language) -> list[Block]:
    """Compare each value's best result in the search with its mean in the experiment."""
    told = terms(study, say)
    rows, sentences = [], []
    for name, part in varied(controlled).items():
        if not begun(part) or name not in study.hyperparameters:
            continue
        tables = {e: observed.isolation(study, name, e) for e in reversed(observed.budgets(study))}
        budget = next((e for e, table in tables.items() if len(table) > 1), None)
        if budget is None:
            continue
        rows += _beside(study, name, part, tables[budget], budget, say)
        best = str(study.best(tables[budget]["score"]))
        sentences.append(_agrees(name, part, best, say))
    if not rows:
        return [
            Text(
                say(
                    "The search and the experiments have no hyperparameter in common.",
                    "La búsqueda y los experimentos no tienen ningún hiperparámetro en común.",
                )
            )
        ]
    caption = say(
        "The search gives the best result at equal budget over all other hyperparameters "
        "(observational). The experiment gives the mean over seeds with all other hyperparameters "
        "fixed.",
        "La búsqueda da el mejor resultado a igual presupuesto sobre todos los demás "
        "hiperparámetros (observacional). El experimento da la media entre semillas con los demás "
        "hiperparámetros fijos.",
    )
    shown, numbers, trials = zip(*rows, strict=True)
    return [
        Text(told.direction + " ".join(sentences)),
        Table(
            f"{study.name}-agreement",
            caption,
            pd.DataFrame(list(shown)),
            pd.DataFrame(list(numbers)),
            list(trials),
        ),
    ]


def _beside(
    study: Study, name: str, part: Part, isolated: pd.DataFrame, budget: int, say: Language
) -> list[tuple[dict[str, str], dict[str, object], str]]:
    """Return, for each arm, the cells of its row, its numbers and its trials."""
    told = terms(study, say)
    percent = " %" if told.share else ""
    table = part.table()
    rows = []
    for value in part.arms:
        own = _value(part, name, value)
        found = isolated.loc[own] if own in isolated.index else None
        best = math.nan if found is None else float(found["score"])
        mean, n = table[value].mean(), int(table[value].count())
        shown = {
            say("hyperparameter", "hiperparámetro"): name,
            say("value", "valor"): own,
            say("search: best", "búsqueda: mejor") + percent: "–"
            if found is None
            else f"{told.cell(best)} (n = {found['n']}, {budget} " + say("epochs)", "épocas)"),
            say("experiment: mean", "experimento: media") + percent: f"{told.cell(mean)} (n = {n}, "
            f"{part.epochs} " + say("epochs)", "épocas)"),
        }
        number = {"hyperparameter": name, "value": own, "search": best, "experiment": mean}
        trials = part.trials(value)
        if found is not None:
            trials += "".join(f", {study.name}/{trial}" for trial in found["trials"])
        rows.append((shown, number, trials))
    return rows


def _value(part: Part, name: str, arm: str) -> str:
    """Return the value that an arm gives to the hyperparameter that its part varies."""
    return str(part.values[arm][name]) if part.exercise == COMPARE else arm


def _agrees(name: str, part: Part, value: str, say: Language) -> str:
    """Say whether the experiment detects a better value than the search's best."""
    arms = {_value(part, name, arm): arm for arm in part.arms}
    if value not in arms:
        return say(
            f"{name}: the best value in the search, {value}, is not part of the experiment.",
            f"{name}: el mejor valor de la búsqueda, {value}, no está en el experimento.",
        )
    compared = paired.compare(part.table(), arms[value])
    told = terms(part.study, say)
    gains = compared["difference"] < 0 if told.lower else compared["difference"] > 0
    hits = compared.index[compared["detected"] & gains]
    better = [_value(part, name, arm) for arm in hits]
    if better:
        quantity = say("accuracy", "mayor exactitud") if told.share else ""
        quantity = quantity or say(told.name, f"mejor {told.name}")
        return say(
            f"{name}: the best value in the search is {value}, but in the experiment a better "
            f"{quantity} is detected for {say.several(better)}. The two disagree; the "
            "experiment covers only one network and one budget.",
            f"{name}: el mejor valor de la búsqueda es {value}, pero en el experimento se detecta "
            f"{quantity} con {say.several(better)}. Los dos discrepan; el experimento "
            "abarca solo una red y un presupuesto.",
        )
    return say(
        f"{name}: the best value in the search is {value}; the experiment detects no better value.",
        f"{name}: el mejor valor de la búsqueda es {value}; el experimento no detecta ningún "
        "valor mejor.",
    )
