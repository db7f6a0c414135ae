"""The sections on a controlled study of any hyperparameters: one at a time, or a factorial."""

import itertools
from functools import partial

import pandas as pd

from analysis.evidence import paired, power
from analysis.evidence.arms import Part, parts
from analysis.evidence.study import Study
from analysis.report import comparison
from analysis.report.blocks import Block, Chapter, Table, Text
from analysis.report.influences import file_name
from analysis.words.language import Language
from analysis.words.terms import terms

FACTORIAL = "factorial"
"""Name of the part whose arms combine the values of several hyperparameters."""

LEVELS = 2
"""Values of each hyperparameter for which main effects are given."""


def sections(study: Study, say: Language) -> list[Chapter]:
    """Plan a section for each part."""
    return [
        Chapter(
            f"compare-{study.name}-{file_name(part.label)}",
            title(part, say),
            partial(compared, part, say),
        )
        for part in parts(study)
    ]


def title(part: Part, say: Language) -> str:
    """Return the title of a part, with the name of the study."""
    if part.name == FACTORIAL:
        names = say.several(list(factors(part)))
        return say(
            f"The effects of {names}, crossed: {part.study.name}",
            f"Los efectos de {names}, cruzados: {part.study.name}",
        )
    return say(
        f"The effect of {part.name}, controlled: {part.study.name}",
        f"El efecto de {part.name}, controlado: {part.study.name}",
    )


def compared(part: Part, say: Language) -> list[Block]:
    """Compare the arms, and give main effects if they are a factorial of two values each."""
    unfinished = comparison.missing(part, say)
    if not comparison.begun(part):
        waiting = say("No two seeds are finished yet.", "Aún no han terminado dos semillas.")
        return [*unfinished, Text(waiting)]
    name = f"{part.study.name}-{file_name(part.label)}"
    return [
        *unfinished,
        Text(design(part, say)),
        *comparison.comparison(part, name, say),
        comparison.curves(part, name, say),
        *(effects(part, name, say) if part.name == FACTORIAL else []),
    ]


def design(part: Part, say: Language) -> str:
    """Say what varies, and that everything else is the same in all arms."""
    names = factors(part)
    if part.name == FACTORIAL:
        listed = "; ".join(f"{name}: {', '.join(values)}" for name, values in names.items())
        text = say(
            f"All combinations of these values were trained on the same seeds: {listed}. ",
            f"Todas las combinaciones de estos valores se entrenaron con las mismas semillas: "
            f"{listed}. ",
        )
    else:
        text = say(
            f"Only {part.name} differs between the arms. They were trained on the same seeds. ",
            f"Las variantes solo se diferencian en {part.name}. Se entrenaron con las mismas "
            "semillas. ",
        )
    return text + say(
        f"All arms have {part.epochs} epochs and the same values of all other hyperparameters.",
        f"Todas tienen {part.epochs} épocas y los mismos valores de los demás hiperparámetros.",
    )


def settings(arm: str) -> dict[str, str]:
    """Return the values that the name of an arm states, by hyperparameter."""
    pairs = (setting.partition("=") for setting in arm.split(", "))
    return {name: value for name, _, value in pairs}


def factors(part: Part) -> dict[str, list[str]]:
    """Return the values of each hyperparameter that the arms vary, in the order of the arms."""
    found: dict[str, list[str]] = {}
    for arm in part.arms:
        for name, value in settings(arm).items():
            if value not in found.setdefault(name, []):
                found[name].append(value)
    return {name: values for name, values in found.items() if len(values) > 1}


def coded(part: Part) -> pd.DataFrame:
    """Return the results with the arms named as `paired.factorial` names them.

    A factor is off at its value in the reference and on at its other value.
    """
    base = settings(part.reference)
    names = {
        arm: " + ".join(name for name in factors(part) if settings(arm)[name] != base[name])
        or "none"
        for arm in part.arms
    }
    return part.table().rename(columns=names)


def effects(part: Part, name: str, say: Language) -> list[Block]:
    """Return main effects and interactions. There are none if a factor has three values."""
    values = factors(part)
    crossed = set(itertools.product(*values.values()))
    whole = len(crossed) == len(part.arms)
    if len(values) < LEVELS or not whole or any(len(v) != LEVELS for v in values.values()):
        text = say(
            "Main effects are given only if every hyperparameter has two values.",
            "Los efectos principales solo se dan si cada hiperparámetro tiene dos valores.",
        )
        return [Text(text)]
    told = terms(part.study, say)
    base = settings(part.reference)
    result = paired.factorial(coded(part), list(values))
    change = {
        n: f"{n}: {base[n]} → {next(v for v in own if v != base[n])}" for n, own in values.items()
    }
    shown = [" × ".join(change[n] if len(f) == 1 else n for n in f) for f in _split(result)]
    found = result[result["detected"]]
    listed = [
        f"{label} {told.difference(row['difference'], row['low'], row['high'])}"
        for label, (_, row) in zip(shown, result.iterrows(), strict=True)
        if row["detected"]
    ]
    rest = [label for label, hit in zip(shown, result["detected"], strict=True) if not hit]
    text = say(
        f"Effects on {told.name} that are detected{told.in_points}: {say.several(listed) or 'none'}. "
        f"Not detected: {say.several(rest) or 'none'}.",
        f"Efectos detectados en {told.name}{told.in_points}: {say.several(listed) or 'ninguno'}. "
        f"Sin detectar: {say.several(rest) or 'ninguno'}.",
    )
    if not len(found) and result["n"].min() < power.fewest_seeds(len(result)):
        text += say(
            f" {len(result)} effects need at least {power.fewest_seeds(len(result))} seeds.",
            f" {len(result)} efectos requieren al menos {power.fewest_seeds(len(result))} semillas.",
        )
    rows = [
        {
            say("effect", "efecto"): label,
            say("difference", "diferencia") + told.unit: told.difference(
                row["difference"], row["low"], row["high"]
            ),
            "p (Holm)": say.p(row["p_holm"]),
            say("detected", "detectado"): say("yes", "sí") if row["detected"] else "no",
            "n": row["n"],
        }
        for label, (_, row) in zip(shown, result.iterrows(), strict=True)
    ]
    caption = say(
        f"Main effects and interactions on {told.name}, paired by seed. A main effect is the mean "
        "with the second value minus the mean with the first, over all settings of the other "
        "hyperparameters. An interaction of two hyperparameters is half the change in the effect of "
        "one when the other is switched.",
        f"Efectos principales e interacciones en {told.name}, por parejas de semilla. Un efecto "
        "principal es la media con el segundo valor menos la media con el primero, sobre todas las "
        "combinaciones de los demás hiperparámetros. Una interacción de dos hiperparámetros es la "
        "mitad de lo que cambia el efecto de uno al cambiar el otro.",
    )
    runs = ", ".join(part.runs["trial"].dropna())
    data = result.reset_index().rename(columns={"arm": "effect"})
    table = Table(f"{name}-effects", caption, pd.DataFrame(rows), data, [runs] * len(rows))
    return [Text(text), table]


def _split(result: pd.DataFrame) -> list[list[str]]:
    """Return the factors of each effect."""
    return [str(effect).split(" × ") for effect in result.index]
