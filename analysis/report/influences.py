"""The sections on what mattered in a search: isolation plots and importance."""

import re

import pandas as pd

from analysis.evidence import observed
from analysis.evidence.importance import (
    DEPTH,
    EVALUATOR,
    FEWEST,
    PERMUTATIONS,
    TREES,
    Importance,
    importance,
)
from analysis.evidence.study import Study
from analysis.report import figures
from analysis.report.blocks import Block, Plot, Table, Text
from analysis.words.language import Language
from analysis.words.terms import Terms, terms

ISOLATED = (
    "activation",
    "initializer",
    "optimizer",
    "batch_norm",
    "norm_first",
    "schedule",
    "layers",
)
"""The hyperparameters of the built-in networks that have a plot."""

MOST_ISOLATED = 8
"""Largest number of plots for another hypermodel."""


def isolated(study: Study) -> tuple[list[str], list[str]]:
    """Return the hyperparameters that have a plot, and those that vary but have no plot.

    Of another hypermodel's, those come first that are active in the most configurations.
    """
    if not study.own:
        return [name for name in ISOLATED if name in study.hyperparameters], []
    varied = [n for n in study.hyperparameters if study.chains[n].nunique() > 1]
    common = sorted(varied, key=lambda name: -int(study.chains[name].count()))[:MOST_ISOLATED]
    return [n for n in varied if n in common], [n for n in varied if n not in common]


def file_name(name: str) -> str:
    """Return the name of a hyperparameter as a part of a file's name."""
    return re.sub(r"[^\w.-]+", "_", name)


def isolations(study: Study, say: Language) -> list[Block]:
    told = terms(study, say)
    budgets = observed.budgets(study)
    budgets = budgets if study.own else budgets[1:] or budgets
    names, left_out = isolated(study)
    text = say(
        "For each value, the tables give the best result over all other hyperparameters, "
        "comparing only configurations trained for the same number of epochs. The "
        "comparison is observational: Hyperband chose which configurations were promoted.",
        "Para cada valor, las tablas dan el mejor resultado sobre todos los demás "
        "hiperparámetros, comparando solo configuraciones entrenadas durante el mismo número "
        "de épocas. La comparación es observacional: Hyperband eligió qué configuraciones se "
        "promovían.",
    )
    if not study.promotes:
        text = say(
            "For each value, the tables give the best result over all other hyperparameters. The "
            "comparison is observational: a value that was drawn more often had more chances of a "
            "good result.",
            "Para cada valor, las tablas dan el mejor resultado sobre todos los demás "
            "hiperparámetros. La comparación es observacional: un valor sorteado más veces tuvo "
            "más ocasiones de un buen resultado.",
        )
    if not names:
        text = say(
            "No hyperparameter has more than one value.", "Ningún hiperparámetro tiene dos valores."
        )
    if left_out:
        text += " " + say(
            f"Without a plot, because fewer configurations have them: {say.several(left_out)}.",
            f"Sin gráfico, por estar en menos configuraciones: {say.several(left_out)}.",
        )
    blocks: list[Block] = [Text(told.direction + text)]
    for name in names:
        # A schedule may span the longest budget: on a shorter rung, the rate has not fallen yet.
        arguments = study.search_arguments
        spans = name == "schedule" and not study.own and arguments and arguments.rates == "search"
        fair = budgets[-1:] if spans else budgets
        tables = {e: observed.isolation(study, name, e) for e in fair}
        tables = {e: table for e, table in tables.items() if len(table)}
        if not tables:
            continue
        rows = [
            {
                name: value,
                say("epochs", "épocas"): epochs,
                say("best ", "mejor ") + told.short: told.cell(row["score"]),
                "n": row["n"],
            }
            for epochs, table in tables.items()
            for value, row in table.iterrows()
        ]
        data = pd.concat([t.drop(columns="trials").assign(epochs=e) for e, t in tables.items()])
        blocks += [
            Plot(
                f"{study.name}-isolation-{file_name(name)}",
                say(
                    f"Isolation plot of {name}: best {told.name} of each value.",
                    f"Gráfico de aislamiento de {name}: mejor {told.name} de cada valor.",
                )
                + outside(tables, told),
                lambda name=name, tables=tables: figures.isolation(name, tables, told),  # type: ignore[misc]
                ", ".join(f"{e}: n = {int(t['n'].sum())}" for e, t in tables.items()),
            ),
            Table(
                f"{study.name}-isolation-{file_name(name)}",
                say(
                    f"Best {told.name} of each value by number of epochs; n counts the "
                    "configurations with the value.",
                    f"Mejor {told.name} de cada valor según el número de épocas; n "
                    "cuenta las configuraciones con ese valor.",
                ),
                pd.DataFrame(rows),
                data.rename(columns={"score": study.objective.name}).reset_index(),
                [", ".join(t) for table in tables.values() for t in table["trials"]],
            ),
        ]
    return blocks


def outside(tables: dict[int, pd.DataFrame], told: Terms) -> str:
    """Say how many results an isolation plot leaves out, if any."""
    low, high = figures.isolation_ends(tables, told)
    scores = pd.concat([table["score"] for table in tables.values()])
    count = int((~scores.between(low, high)).sum())
    if not count:
        return ""
    return told.say(
        f" Results left out because they are far worse: {count}.",
        f" Resultados que no se muestran por ser mucho peores: {count}.",
    )


def importances(study: Study, say: Language) -> list[Block]:
    found = importance(study)
    if found is None and not study.promotes:
        return [
            Text(
                say(
                    f"Importances need at least {FEWEST} completed configurations and two values "
                    f"of a hyperparameter that all have. The search has "
                    f"{study.chains['score'].count()} configurations.",
                    f"Las importancias requieren al menos {FEWEST} configuraciones terminadas y dos "
                    "valores de un hiperparámetro que todas tengan. La búsqueda tiene "
                    f"{study.chains['score'].count()} configuraciones.",
                )
            )
        ]
    if found is None:
        return [
            Text(
                say(
                    f"No known budget was reached by at least {FEWEST} random configurations without "
                    "a promotion, so the report gives no importances. --draws random or more "
                    "--iterations give enough.",
                    f"Ningún presupuesto conocido lo alcanzaron sin promoción al menos {FEWEST} "
                    "configuraciones sorteadas al azar, así que el informe no da importancias. Con "
                    "--draws random o más --iterations hay suficientes.",
                )
            )
        ]
    table = found.table
    text = in_words(study, found, say)
    searched = [n for n in study.hyperparameters if study.chains[n].nunique() > 1]
    absent = [name for name in searched if name not in table.index]
    if absent:
        text += " " + say(
            f"Excluded because they are inactive in some configurations: {say.several(absent)}.",
            f"Excluidos por no estar activos en alguna configuración: {say.several(absent)}.",
        )
    frame = pd.DataFrame(
        {
            say("hyperparameter", "hiperparámetro"): table.index,
            say("share of variance", "proporción de la varianza"): [
                say.percent(share, 1) for share in table["importance"]
            ],
            say("p (permutations)", "p (permutaciones)"): [say.p(p) for p in table["p"]],
            say("beyond chance", "más que el azar"): [
                say("yes", "sí") if clear else "no" for clear in table["clear"]
            ],
        }
    )
    caption = say(
        f"{EVALUATOR}, {TREES} trees of depth {DEPTH}: shares of the variance at {found.epochs} epochs, "
        f"n = {found.n}, for the hyperparameters active in all configurations. p: how often the largest "
        f"share of {PERMUTATIONS} permutations of the scores is at least as large.",
        f"{EVALUATOR}, {TREES} árboles de profundidad {DEPTH}: proporciones de la varianza a "
        f"{found.epochs} épocas, n = {found.n}, de los hiperparámetros activos en todas las "
        f"configuraciones. p: cuántas veces la mayor proporción de {PERMUTATIONS} permutaciones de las "
        "puntuaciones es al menos igual de grande.",
    )
    return [
        Text(text),
        Plot(
            f"importance-{study.name}",
            caption,
            lambda: figures.importances(table, terms(study, say)),
            say(f"n = {found.n} configurations", f"n = {found.n} configuraciones"),
        ),
        Table(
            f"importance-{study.name}",
            caption,
            frame,
            table.reset_index(),
            [", ".join(found.chains)] * len(table),
        ),
    ]


def in_words(study: Study, found: Importance, say: Language) -> str:
    """Say which hyperparameters matter beyond chance, on which configurations, and what was left out."""
    told, table = terms(study, say), found.table
    listed = [f"{name} ({say.percent(table.loc[name, 'importance'], 0)})" for name in found.clear]
    chance = say.percent(table["null"].iloc[0], 0)
    text = say(
        f"The analysis covers {found.n} configurations that were drawn at random and reached "
        f"{found.epochs} epochs without being promoted. ",
        f"El análisis abarca {found.n} configuraciones que se sortearon al azar y llegaron a las "
        f"{found.epochs} épocas sin ser promovidas. ",
    )
    if len(table) == 1:
        text += say(
            f"{table.index[0]} is the only hyperparameter that is active in all of them and varies, so "
            "there is nothing to compare its importance with.",
            f"{table.index[0]} es el único hiperparámetro activo en todas ellas que varía, así que su "
            "importancia no se compara con ninguna.",
        )
        return text + guesses(study, found, say)
    if listed:
        text += say(
            f"These have a larger share of the variance of {told.name} than chance gives: "
            f"{say.several(listed)}. ",
            f"Tienen una proporción de la varianza de {told.name} mayor que la que da el azar: "
            f"{say.several(listed)}. ",
        )
    else:
        first = say.percent(table["importance"].iloc[0], 0)
        text += say(
            f"No hyperparameter is shown to matter: the largest share, {first}, is one that chance "
            "gives. ",
            f"De ningún hiperparámetro se muestra que importe: la mayor proporción, {first}, es de las "
            "que da el azar. ",
        )
    text += say(
        f"If the scores are permuted, the largest share is at most {chance} in 95 % of the cases.",
        f"Si se permutan las puntuaciones, la mayor proporción es como mucho del {chance} en el 95 % de "
        "los casos.",
    )
    return text + guesses(study, found, say)


def guesses(study: Study, found: Importance, say: Language) -> str:
    """Say how many configurations were left out because they only guess, and what they share."""
    if not found.stuck:
        return ""
    text = say(
        f" Left out because they do not learn (accuracy of a guess): {len(found.stuck)}.",
        f" Excluidas por no aprender (exactitud del azar): {len(found.stuck)}.",
    )
    common = alone(study, found)
    if common:
        text += say(
            f" All of them have {say.several(common)}, which no other has.",
            f" Todas tienen {say.several(common)}, que no tiene ninguna otra.",
        )
    return text


def alone(study: Study, found: Importance) -> list[str]:
    """Return the values that all configurations that do not learn have, and no other has."""
    stuck, others = study.chains.loc[found.stuck], study.chains.loc[found.chains]
    return [
        f"{name} {stuck[name].iloc[0]}"
        for name in study.hyperparameters
        if stuck[name].nunique(dropna=False) == 1 and stuck[name].iloc[0] not in set(others[name])
    ]
