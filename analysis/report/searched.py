"""The sections on a search: best configurations, isolation plots, importance, and agreement."""

import math
from functools import partial

import pandas as pd

from analysis.evidence import observed, paired
from analysis.evidence.arms import Part, parts
from analysis.evidence.importance import DEPTH, EVALUATOR, FEWEST, TREES, importance
from analysis.evidence.study import Study
from analysis.report import figures
from analysis.report.blocks import Block, Chapter, Plot, Table, Text
from analysis.report.comparison import begun
from analysis.words.language import Language

SHOWN = 10
"""Number of best configurations in the table."""


ISOLATED = (
    "activation",
    "initializer",
    "optimizer",
    "batch_norm",
    "norm_first",
    "schedule",
    "layers",
)


FACTORS = {"activation": "activation", "initializer": "initializer", "optimizer": "tuned"}
"""By hyperparameter: the part of a controlled study that varies it."""


def sections(study: Study, controlled: Study | None, say: Language) -> list[Chapter]:
    """Plan the sections. controlled: the experiments to compare the search with, if any."""
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
    if controlled is not None and controlled.data == study.data:
        title = say(
            f"{study.name} compared with the experiments",
            f"{study.name} comparada con los experimentos",
        )
        make = partial(agreement, study, controlled, say)
        made.append(Chapter(f"agreement-{study.name}", title, make))
    return made


def overview(study: Study, say: Language) -> list[Block]:
    chains = study.chains
    scored = chains.dropna(subset=["val_accuracy"])
    ranked = scored.sort_values("val_accuracy", ascending=False, kind="stable")
    states = study.trials["status"].value_counts()
    counts = say.several([f"{count} {status}" for status, count in states.items()])
    best = ranked.iloc[0] if len(ranked) else None
    text = say(
        f"The search has {len(study.trials)} trials ({counts}) of {len(chains)} configurations. All "
        "rungs of a configuration count as one sample.",
        f"La búsqueda tiene {len(study.trials)} pruebas ({counts}) de {len(chains)} "
        "configuraciones. Todos los escalones de una configuración cuentan como una sola muestra.",
    )
    fixes = study.search_arguments.fix if study.search_arguments else ()
    if fixes:
        text += " " + say(
            f"The search space was narrowed to {', '.join(fixes)}.",
            f"El espacio de búsqueda se redujo a {', '.join(fixes)}.",
        )
    if best is None:
        return [Text(text)]
    trial = study.trials.loc[best["trials"], "score"].idxmax()
    text += " " + say(
        f"The best configuration reaches {say.percent(best['val_accuracy'])} validation accuracy in "
        f"epoch {best['best_epoch']:.0f} (trial {trial}). It is the best of {len(ranked)} on the "
        "images that chose it, so expect a lower accuracy on new images.",
        f"La mejor configuración alcanza un {say.percent(best['val_accuracy'])} de exactitud de "
        f"validación en la época {best['best_epoch']:.0f} (prueba {trial}). Es la mejor de "
        f"{len(ranked)} con las imágenes que la eligieron, así que con imágenes nuevas cabe "
        "esperar menos.",
    )
    varied = [n for n in study.hyperparameters if ranked[n].nunique(dropna=False) > 1]
    top = ranked.head(SHOWN)
    frame = pd.DataFrame(
        {
            say("configuration", "configuración"): [
                shown(row, varied, say) for _, row in top.iterrows()
            ],
            say("val. accuracy %", "exactitud val. %"): [
                say.number(100 * v) for v in top["val_accuracy"]
            ],
            say("epochs", "épocas"): [f"{e:.0f}" for e in top["epochs"]],
        }
    )
    blocks: list[Block] = [
        Text(text),
        Table(
            f"{study.name}-best",
            say(f"The best {len(top)} configurations.", f"Las {len(top)} mejores configuraciones."),
            frame,
            top.drop(columns="trials").reset_index(),
            [", ".join(trials) for trials in top["trials"]],
        ),
    ]
    curve = study.chain_curves[study.chain_curves["chain"] == ranked.index[0]]
    if len(curve):
        blocks.append(
            Plot(
                f"{study.name}-best-curve",
                say(
                    "Accuracy of the best configuration by epoch. The line marks its best epoch.",
                    "Exactitud de la mejor configuración por época. La línea marca su mejor época.",
                ),
                lambda: figures.training_curve(curve, int(best["best_epoch"]), say),
                say("trials ", "pruebas ") + ", ".join(best["trials"]),
            )
        )
    return blocks


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


def isolations(study: Study, say: Language) -> list[Block]:
    budgets = observed.budgets(study)[1:] or observed.budgets(study)
    blocks: list[Block] = [
        Text(
            say(
                "For each value, the tables give the best result over all other hyperparameters, "
                "comparing only configurations trained for the same number of epochs. The "
                "comparison is observational: Hyperband chose which configurations were promoted.",
                "Para cada valor, las tablas dan el mejor resultado sobre todos los demás "
                "hiperparámetros, comparando solo configuraciones entrenadas durante el mismo número "
                "de épocas. La comparación es observacional: Hyperband eligió qué configuraciones se "
                "promovían.",
            )
        )
    ]
    for name in (n for n in ISOLATED if n in study.hyperparameters):
        # A schedule spans the longest budget: on a shorter rung, the rate has not fallen yet.
        fair = budgets[-1:] if name == "schedule" else budgets
        tables = {e: observed.isolation(study, name, e) for e in fair}
        tables = {e: table for e, table in tables.items() if len(table)}
        if not tables:
            continue
        rows = [
            {
                name: value,
                say("epochs", "épocas"): epochs,
                say("best val. accuracy %", "mejor exactitud val. %"): say.number(
                    100 * row["val_accuracy"]
                ),
                "n": row["n"],
            }
            for epochs, table in tables.items()
            for value, row in table.iterrows()
        ]
        data = pd.concat([t.drop(columns="trials").assign(epochs=e) for e, t in tables.items()])
        blocks += [
            Plot(
                f"{study.name}-isolation-{name}",
                say(
                    f"Isolation plot of {name}: best validation accuracy of each value.",
                    f"Gráfico de aislamiento de {name}: mejor exactitud de validación de cada "
                    "valor.",
                ),
                lambda name=name, tables=tables: figures.isolation(name, tables, say),  # type: ignore[misc]
                ", ".join(f"{e}: n = {int(t['n'].sum())}" for e, t in tables.items()),
            ),
            Table(
                f"{study.name}-isolation-{name}",
                say(
                    "Best validation accuracy of each value by number of epochs; n counts the "
                    "configurations with the value.",
                    "Mejor exactitud de validación de cada valor según el número de épocas; n "
                    "cuenta las configuraciones con ese valor.",
                ),
                pd.DataFrame(rows),
                data.reset_index(),
                [", ".join(t) for table in tables.values() for t in table["trials"]],
            ),
        ]
    return blocks


def importances(study: Study, say: Language) -> list[Block]:
    found = importance(study)
    if found is None:
        return [
            Text(
                say(
                    f"No known budget was reached by at least {FEWEST} configurations without a "
                    "promotion, so the report gives no importances.",
                    f"Ningún presupuesto conocido lo alcanzaron al menos {FEWEST} configuraciones "
                    "sin promoción, así que el informe no da importancias.",
                )
            )
        ]
    table = found.table
    first = table.iloc[0]
    clear = first["low"] > table["high"].iloc[1:].max() if len(table) > 1 else True
    text = say(
        f"At {found.epochs} epochs, {table.index[0]} has the largest share of the variance: "
        f"{say.percent(first['importance'], 0)} (95 % interval {say.percent(first['low'], 0)} to "
        f"{say.percent(first['high'], 0)}). ",
        f"A {found.epochs} épocas, {table.index[0]} tiene la mayor proporción de la varianza: "
        f"{say.percent(first['importance'], 0)} (intervalo del 95 %: de "
        f"{say.percent(first['low'], 0)} a {say.percent(first['high'], 0)}). ",
    )
    text += (
        say(
            "Its interval lies above all other intervals.",
            "Su intervalo queda por encima de todos los demás.",
        )
        if clear
        else say(
            "Its interval overlaps with others, so the order is uncertain.",
            "Su intervalo se solapa con otros, así que el orden es incierto.",
        )
    )
    text += say(
        f" The analysis covers {found.n} configurations that reached this budget without being "
        "promoted.",
        f" El análisis abarca {found.n} configuraciones que llegaron a este presupuesto sin ser "
        "promovidas.",
    )
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
                f"{say.percent(r['importance'], 1)} [{say.percent(r['low'], 1)}; "
                f"{say.percent(r['high'], 1)}]"
                for _, r in table.iterrows()
            ],
            "n": found.n,
        }
    )
    caption = say(
        f"{EVALUATOR}, {TREES} trees of depth {DEPTH}: shares of the variance with 95 % bootstrap "
        "intervals over configurations, for the hyperparameters active in all of them.",
        f"{EVALUATOR}, {TREES} árboles de profundidad {DEPTH}: proporciones de la varianza con "
        "intervalos del 95 % por bootstrap entre configuraciones, de los hiperparámetros activos "
        "en todas ellas.",
    )
    return [
        Text(text),
        Plot(
            f"importance-{study.name}",
            caption,
            lambda: figures.importances(table, say),
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


def agreement(study: Study, controlled: Study, say: Language) -> list[Block]:
    """Compare each value's best result in the search with its mean in the experiment."""
    rows, sentences = [], []
    by_name = {part.name: part for part in parts(controlled)}
    for name, part_name in FACTORS.items():
        part = by_name.get(part_name)
        if part is None or not begun(part) or name not in study.hyperparameters:
            continue
        tables = {e: observed.isolation(study, name, e) for e in reversed(observed.budgets(study))}
        budget = next((e for e, table in tables.items() if len(table) > 1), None)
        if budget is None:
            continue
        rows += _beside(study, name, part, tables[budget], budget, say)
        sentences.append(_agrees(name, part, str(tables[budget]["val_accuracy"].idxmax()), say))
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
        Text(" ".join(sentences)),
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
    table = part.table()
    rows = []
    for value in part.arms:
        found = isolated.loc[value] if value in isolated.index else None
        best = math.nan if found is None else float(found["val_accuracy"])
        mean, n = table[value].mean(), int(table[value].count())
        shown = {
            say("hyperparameter", "hiperparámetro"): name,
            say("value", "valor"): value,
            say("search: best %", "búsqueda: mejor %"): "–"
            if found is None
            else f"{say.number(100 * best)} (n = {found['n']}, {budget} "
            + say("epochs)", "épocas)"),
            say(
                "experiment: mean %", "experimento: media %"
            ): f"{say.number(100 * mean)} (n = {n}, {part.epochs} " + say("epochs)", "épocas)"),
        }
        number = {"hyperparameter": name, "value": value, "search": best, "experiment": mean}
        trials = part.trials(value)
        if found is not None:
            trials += "".join(f", {study.name}/{trial}" for trial in found["trials"])
        rows.append((shown, number, trials))
    return rows


def _agrees(name: str, part: Part, chosen: str, say: Language) -> str:
    """Say whether the experiment detects a better value than the search's best."""
    if chosen not in part.arms:
        return say(
            f"{name}: the best value in the search, {chosen}, is not part of the experiment.",
            f"{name}: el mejor valor de la búsqueda, {chosen}, no está en el experimento.",
        )
    compared = paired.compare(part.table(), chosen)
    better = compared.index[compared["detected"] & (compared["difference"] > 0)]
    if len(better):
        return say(
            f"{name}: the best value in the search is {chosen}, but in the experiment a better "
            f"accuracy is detected for {say.several(list(better))}. The two disagree; the "
            "experiment covers only one network and one budget.",
            f"{name}: el mejor valor de la búsqueda es {chosen}, pero en el experimento se detecta "
            f"mayor exactitud con {say.several(list(better))}. Los dos discrepan; el experimento "
            "abarca solo una red y un presupuesto.",
        )
    return say(
        f"{name}: the best value in the search is {chosen}; the experiment detects no better value.",
        f"{name}: el mejor valor de la búsqueda es {chosen}; el experimento no detecta ningún "
        "valor mejor.",
    )
