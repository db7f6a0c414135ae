"""How the trials of a search were trained: target, executions, training loop, exceptions."""

import math

import numpy as np
import pandas as pd

from analysis.evidence.study import Study
from analysis.report.blocks import Block, Table, Text
from analysis.words.language import Language
from analysis.words.terms import terms
from search.records.trial import GIVEN, MODEL, PRIOR, RANDOM, failure_line

SHOWN = 10
"""Number of configurations or failed trials in a table."""


def reached(study: Study, say: Language) -> list[Block]:
    """Say whether a trial reached the target of the search, and after how long."""
    record = study.record
    target = getattr(record.arguments, "target", None) if record else None
    if record is None or target is None:
        return []
    told = terms(study, say)
    goal = f"{told.name} {told.value(target)}"
    if record.reached is None:
        text = say(
            f"No trial has reached the target, {goal}.",
            f"Ninguna prueba ha alcanzado el objetivo fijado, {goal}.",
        )
        return [Text(text)]
    epochs, seconds = len(study.curves), worked_until(study, record.reached)
    time = "" if math.isnan(seconds) else f"{_duration(seconds, say)}, "
    score = study.trials["score"].get(record.reached, math.nan)
    text = say(
        f"Trial {record.reached} reached the target, {goal}, with {told.value(score)}, and that "
        f"ended the search: {time}{len(study.trials)} trials and {epochs} epochs.",
        f"La prueba {record.reached} alcanzó el objetivo fijado, {goal}, con {told.value(score)}, y "
        f"con ello terminó la búsqueda: {time}{len(study.trials)} pruebas y {epochs} épocas.",
    )
    return [Text(text)]


def worked_until(study: Study, trial: str) -> float:
    """Return how long the study had worked when a trial ended, in seconds, without pauses."""
    ended = study.trials["ended"].get(trial)
    if ended is None or pd.isna(ended):
        return math.nan
    return study.record.worked_until(float(ended)) if study.record else math.nan


def _duration(seconds: float, say: Language) -> str:
    return f"{say.number(seconds, 0)} s" if seconds < 90 else f"{say.number(seconds / 60, 0)} min"


def drawn(study: Study, say: Language) -> list[Block]:
    """Say what drew the configurations of a search, if it was not chance alone."""
    counts = study.chains["sampler"].value_counts()
    if set(counts.index) == {RANDOM}:
        return []
    kinds = {
        RANDOM: say("at random", "al azar"),
        PRIOR: say("near textbook values", "cerca de valores de manual"),
        MODEL: say("by a model of earlier trials", "con un modelo de pruebas anteriores"),
        GIVEN: say("given in advance", "dadas de antemano"),
    }
    told = [f"{counts[kind]} {words}" for kind, words in kinds.items() if kind in counts]
    text = say(
        f"Origin of the {counts.sum()} configurations: {say.several(told)}. A value that is drawn "
        "often has more chances of a good result, so importances are computed from random draws "
        "alone.",
        f"Origen de las {counts.sum()} configuraciones: {say.several(told)}. Un valor sorteado más "
        "veces tiene más ocasiones de un buen resultado, así que las importancias se calculan solo "
        "con los sorteos al azar.",
    )
    return [Text(text)]


def cut_short(study: Study, say: Language) -> list[Block]:
    """Say which trials ended before their first epoch, because they could not learn."""
    names = [str(n) for n, reason in study.trials["cut_short"].dropna().items() if reason]
    if not names:
        return []
    text = say(
        f"Ended before the first epoch, because no weight matrix had a gradient: "
        f"{say.several(names)} (trials). Their scores are those of untrained networks.",
        f"Terminaron antes de la primera época, porque ninguna matriz de pesos tenía gradiente: "
        f"{say.several(names)} (pruebas). Sus resultados son los de redes sin entrenar.",
    )
    return [Text(text)]


def trained(study: Study, say: Language) -> list[Block]:
    """Say which trials the compiled loop trained, and why Keras' own fit trained the others.

    Nothing is said of the built-in networks if the compiled loop trained all of them.
    """
    known = study.trials["keras_fit"].dropna() if study.record else pd.Series(dtype=object)
    known = known[known.index.isin(study.curves["trial"])]
    slow = known[known != ""]
    if not len(known) or (not study.own and not len(slow)):
        return []
    if not len(slow):
        text = say(
            "The compiled loop trained all trials.",
            "El bucle compilado entrenó todas las pruebas.",
        )
        return [Text(text)]
    counts = [f"{reason} ({count})" for reason, count in slow.value_counts(sort=True).items()]
    text = say(
        f"The compiled loop trained {len(known) - len(slow)} of {len(known)} trials, Keras' own fit "
        f"the others. The reasons, with the number of trials: {'; '.join(counts)}.",
        f"El bucle compilado entrenó {len(known) - len(slow)} de {len(known)} pruebas; las demás, el "
        f"fit de Keras. Los motivos, tal como constan, con el número de pruebas: "
        f"{'; '.join(counts)}.",
    )
    return [Text(text)]


def executions(study: Study, say: Language) -> list[Block]:
    """Show the score of every execution, if configurations were trained several times."""
    found = study.executions
    found = found[found["trial"].isin(study.trials.index[study.trials["score"].notna()])]
    several = found[found.groupby("trial")["execution"].transform("size") > 1]
    several = several.dropna(subset=["best"])
    if not len(several):
        return []
    told = terms(study, say)
    by_trial = several.groupby("trial")["best"]
    spread = pooled(by_trial)
    ranked = study.ranked(study.trials.loc[list(by_trial.groups)])
    text = say(
        f"Each configuration was trained on several seeds ({most(by_trial)} executions), and its "
        f"score is the mean. Two executions of the same configuration differ by chance: the "
        f"standard deviation of an execution is {told.size(spread)}, pooled over "
        f"{len(ranked)} trials. ",
        f"Cada configuración se entrenó con varias semillas ({most(by_trial)} ejecuciones) y su "
        "puntuación es la media. Dos ejecuciones de una misma configuración difieren por azar: la "
        f"desviación típica de una ejecución es de {told.size(spread)}, calculada con "
        f"{len(ranked)} pruebas. ",
    )
    best, *others = _chain_best(ranked)
    if others:
        lead = abs(best - others[0])
        noise = spread * math.sqrt(2 / most(by_trial))
        text += say(
            f"The two best configurations are {told.size(lead)} apart. ",
            f"Las dos mejores configuraciones distan {told.size(lead)}. ",
        )
        if lead < 2 * noise:
            text += say(
                "That is within what chance alone does, so their order is uncertain.",
                "Eso cabe en lo que hace el azar por sí solo, así que su orden es incierto.",
            )
    rows, numbers = [], []
    shown = ranked.head(SHOWN)
    for trial, row in shown.iterrows():
        own = several[several["trial"] == trial].set_index("execution")["best"]
        rows.append(
            {
                say("trial", "prueba"): trial,
                told.short: told.cell(row["score"]),
                say("executions", "ejecuciones"): "; ".join(told.cell(value) for value in own),
                say("standard deviation", "desviación típica"): told.size(own.std(ddof=1)),
            }
        )
        by_number = {f"execution_{number}": value for number, value in own.items()}
        number = {"trial": trial, study.objective.name: row["score"], **by_number}
        numbers.append({**number, "deviation": own.std(ddof=1)})
    caption = say(
        f"The {len(rows)} best trials by mean, with the best {told.name} of each execution. "
        "`analysis export` writes the executions of all trials.",
        f"Las {len(rows)} mejores pruebas por su media, con el mejor valor de cada ejecución "
        f"({told.name}). `analysis export` escribe las ejecuciones de todas las pruebas.",
    )
    data = pd.DataFrame(numbers)
    trials = [str(trial) for trial in shown.index]
    table = Table(f"{study.name}-executions", caption, pd.DataFrame(rows), data, trials)
    return [Text(text.strip()), table]


def most(by_trial: "pd.core.groupby.SeriesGroupBy") -> int:
    """Return the largest number of executions of a trial."""
    return int(by_trial.size().max())


def pooled(by_trial: "pd.core.groupby.SeriesGroupBy") -> float:
    """Return the standard deviation within trials, pooled over trials."""
    freedom = by_trial.size() - 1
    return float(np.sqrt((by_trial.var(ddof=1) * freedom).sum() / freedom.sum()))


def _chain_best(ranked: pd.DataFrame) -> list[float]:
    """Return the best score of each configuration, the best first."""
    return [float(score) for score in ranked.drop_duplicates("chain")["score"]]


def failures(study: Study, say: Language) -> list[Block]:
    """Show the exception of each trial that failed with an exception."""
    if not study.tracebacks:
        return []
    rows = [
        {
            say("trial", "prueba"): trial,
            say("exception", "excepción"): failure_line(text),
        }
        for trial, text in study.tracebacks.items()
    ]
    data = pd.DataFrame(
        [{"trial": trial, "error": failure_line(text)} for trial, text in study.tracebacks.items()]
    )
    count = len(rows)
    caption = say(
        f"Trials that failed with an exception ({count}). The whole traceback is in the trial's "
        "trial.json, under message.",
        f"Pruebas que fallaron con una excepción ({count}). La traza completa está en el "
        "trial.json de cada prueba, en message.",
    )
    name = f"{study.name}-exceptions"
    return [Table(name, caption, pd.DataFrame(rows), data, list(study.tracebacks))]
