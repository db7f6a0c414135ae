"""The sections on a search. This module has the first: the best configurations."""

from functools import partial

import pandas as pd

from analysis.evidence.study import Study
from analysis.report import figures
from analysis.report.agreement import agreement, alike, common
from analysis.report.blocks import Block, Chapter, Plot, Table, Text
from analysis.report.cells import capital
from analysis.report.influences import importances, isolations
from analysis.report.trained import cut_short, drawn, executions, failures, reached, trained
from analysis.words.language import Language
from analysis.words.terms import terms
from search.records.arguments import ProgramArguments

SHOWN = 10
"""Number of best configurations in the table."""


def sections(study: Study, controlled: list[Study], say: Language) -> list[Chapter]:
    """Plan the sections. controlled: the controlled studies of the report."""
    made = [
        Chapter(
            f"search-{study.name}",
            say(f"Search: {study.name}", f"La búsqueda {study.name}"),
            partial(overview, study, say),
        ),
        Chapter(
            f"isolation-{study.name}",
            say(
                f"Best results by value in {study.name}",
                f"Mejores resultados por valor en {study.name}",
            ),
            partial(isolations, study, say),
        ),
        Chapter(
            f"importance-{study.name}",
            say(
                f"Which hyperparameters mattered in {study.name}",
                f"Qué hiperparámetros importaron en {study.name}",
            ),
            partial(importances, study, say),
        ),
    ]
    compared = [other for other in controlled if alike(study, other) and common(study, other)]
    if compared:
        title = say(
            f"{study.name} compared with the experiments",
            f"{study.name} comparada con los experimentos",
        )
        make = partial(agreement, study, compared, say)
        made.append(Chapter(f"agreement-{study.name}", title, make))
    return made


def overview(study: Study, say: Language) -> list[Block]:
    told = terms(study, say)
    chains = study.chains
    ranked = study.ranked(chains)
    states = study.trials["status"].value_counts()
    counts = say.several([f"{count} {status}" for status, count in states.items()])
    best = ranked.iloc[0] if len(ranked) else None
    text = say(
        f"The search has {len(study.trials)} trials ({counts}) of {len(chains)} configurations.",
        f"La búsqueda tiene {len(study.trials)} pruebas ({counts}) de {len(chains)} "
        "configuraciones.",
    )
    if study.promotes:
        text += " " + say(
            "All rungs of a configuration count as one sample.",
            "Todos los escalones de una configuración cuentan como una sola muestra.",
        )
    text = program(study, say) + text
    fixes = study.search_arguments.fix if study.search_arguments else ()
    if fixes:
        text += " " + say(
            f"The search space was narrowed to {', '.join(fixes)}.",
            f"El espacio de búsqueda se redujo a {', '.join(fixes)}.",
        )
    about: list[Block] = [
        *drawn(study, say),
        *reached(study, say),
        *cut_short(study, say),
        *trained(study, say),
    ]
    if best is None:
        return [Text(text), *about, *failures(study, say)]
    text += " " + winner(study, ranked, say)
    varied = [n for n in study.hyperparameters if ranked[n].nunique(dropna=False) > 1]
    top = ranked.head(SHOWN)
    frame = pd.DataFrame(
        {
            say("configuration", "configuración"): [
                shown(row, varied, say) for _, row in top.iterrows()
            ],
            told.short: [told.cell(value) for value in top["score"]],
            say("epochs", "épocas"): [f"{e:.0f}" for e in top["epochs"]],
        }
    )
    if not varied:
        frame = frame.drop(columns=say("configuration", "configuración"))
    data = top.drop(columns="trials").rename(columns={"score": study.objective.name})
    blocks: list[Block] = [
        Text(text),
        *about,
        Table(
            f"{study.name}-best",
            say(f"The best {len(top)} configurations.", f"Las {len(top)} mejores configuraciones."),
            frame,
            data.reset_index(),
            [", ".join(trials) for trials in top["trials"]],
        ),
    ]
    curve = study.chain_curves[study.chain_curves["chain"] == ranked.index[0]]
    if curve[study.objective.name].notna().any():
        quantity = capital(told.trained)
        blocks.append(
            Plot(
                f"{study.name}-best-curve",
                say(
                    f"{quantity} of the best configuration by epoch. The line marks its best epoch.",
                    f"{quantity} de la mejor configuración por época. La línea marca su mejor época.",
                ),
                lambda: figures.training_curve(curve, int(best["best_epoch"]), told),
                say("trials ", "pruebas ") + ", ".join(best["trials"]),
            )
        )
    return [*blocks, *executions(study, say), *failures(study, say)]


def program(study: Study, say: Language) -> str:
    """Name the tuner and the hypermodel of a search that a Python program ran, or an own one."""
    arguments = study.record.arguments if study.record else None
    if isinstance(arguments, ProgramArguments):
        return say(
            f"A Python program searched the hyperparameters of {arguments.hypermodel} with "
            f"{arguments.tuner}. ",
            f"Un programa de Python buscó los hiperparámetros de {arguments.hypermodel} con "
            f"{arguments.tuner}. ",
        )
    if study.record and study.own:
        hypermodel = getattr(arguments, "hypermodel", "")
        return say(f"The hypermodel is {hypermodel}. ", f"El hipermodelo es {hypermodel}. ")
    return ""


def winner(study: Study, ranked: pd.DataFrame, say: Language) -> str:
    """Describe the best configuration, and say that its score is optimistic."""
    told, best = terms(study, say), ranked.iloc[0]
    trial = study.best(study.trials.loc[best["trials"], "score"])
    tied = list(ranked.index[1:][ranked["score"].iloc[1:] == best["score"]])
    epoch = ""
    if not pd.isna(best["best_epoch"]):
        epoch = say(f" in epoch {best['best_epoch']:.0f}", f" en la época {best['best_epoch']:.0f}")
    if told.share:
        text = say(
            f"The best configuration reaches {told.value(best['score'])} {told.name}{epoch} "
            f"(trial {trial}). ",
            f"La mejor configuración alcanza un {told.value(best['score'])} de "
            f"{told.name}{epoch} (prueba {trial}). ",
        )
        worse = say("a lower accuracy", "menos")
    else:
        text = told.direction + say(
            f"The best configuration has {told.name} {told.value(best['score'])}{epoch} "
            f"(trial {trial}). ",
            f"La mejor configuración tiene {told.name} {told.value(best['score'])}{epoch} "
            f"(prueba {trial}). ",
        )
        worse = say("a worse value", "un valor peor")
    if tied:
        text += say(
            f"Configurations with the same value: {say.several(tied)} (first trials). ",
            f"Configuraciones con el mismo valor: {say.several(tied)} (primeras pruebas). ",
        )
    return text + say(
        f"It is the best of {len(ranked)} on the {told.examples} that chose it, so expect {worse} on "
        f"new {told.examples}.",
        f"Es la mejor de {len(ranked)} con las {told.examples} que la eligieron, así que con "
        f"{told.examples} nuevas cabe esperar {worse}.",
    )


def shown(row: pd.Series, names: list[str], say: Language) -> str:
    """Return a configuration in words: its active hyperparameters and their values."""
    words = []
    for name in names:
        value = row[name]
        if pd.isna(value) or value is False:
            continue
        if isinstance(value, float):
            value = say.short(value)
        words.append(name if value is True else f"{name} {value}")
    return ", ".join(words)
