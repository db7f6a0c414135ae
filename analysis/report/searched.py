"""The section of a search: its best, isolation, importance, and the experiments beside it."""

import math
from collections.abc import Callable

import pandas as pd

from analysis.evidence import observed, paired
from analysis.evidence.arms import Part, parts
from analysis.evidence.importance import FEWEST, SETTINGS, importance
from analysis.evidence.trials import Study
from analysis.report import figures
from analysis.report.blocks import Block, Plot, Table, Text
from analysis.report.comparison import begun
from analysis.words.language import Language

SHOWN = 10
"""Best configurations in the table."""


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
"""Hyperparameter and the part of a controlled study that varies it."""


def sections(
    study: Study, controlled: Study | None, say: Language
) -> list[tuple[str, str, Callable[[], list[Block]]]]:
    """(key, title, what makes its blocks)."""
    made = [
        (
            f"search-{study.name}",
            say(f"The search {study.name}", f"La búsqueda {study.name}"),
            lambda: overview(study, say),
        ),
        (
            f"isolation-{study.name}",
            say(f"What {study.name} found by value", f"Qué halló {study.name} por valor"),
            lambda: isolations(study, say),
        ),
        (
            f"importance-{study.name}",
            say(
                f"Which hyperparameters mattered in {study.name}",
                f"Qué hiperparámetros importaron en {study.name}",
            ),
            lambda: importances(study, say),
        ),
    ]
    if controlled is not None and controlled.about.get("data") == study.about.get("data"):
        title = say(
            f"{study.name} and the experiments side by side",
            f"{study.name} y los experimentos, lado a lado",
        )
        made.append((f"agreement-{study.name}", title, lambda: agreement(study, controlled, say)))
    return made


def overview(study: Study, say: Language) -> list[Block]:
    chains = study.chains
    scored = chains.dropna(subset=["val_accuracy"])
    ranked = scored.sort_values("val_accuracy", ascending=False, kind="stable")
    states = study.trials["status"].value_counts()
    counts = say.several([f"{count} {status}" for status, count in states.items()])
    best = ranked.iloc[0] if len(ranked) else None
    text = say(
        f"{len(study.trials)} trials ({counts}) of {len(chains)} configurations: rungs of one "
        "configuration are one sample.",
        f"{len(study.trials)} pruebas ({counts}) de {len(chains)} configuraciones: los escalones "
        "de una configuración son una sola muestra.",
    )
    fixes = study.about.get("arguments", {}).get("fix", [])
    if fixes:
        text += " " + say(
            f"The space was narrowed to {', '.join(fixes)}.",
            f"El espacio se redujo a {', '.join(fixes)}.",
        )
    if best is None:
        return [Text(text)]
    trial = study.trials.loc[best["trials"], "score"].idxmax()
    text += " " + say(
        f"The best reaches {say.percent(best['val_accuracy'])} validation accuracy in epoch "
        f"{best['best_epoch']:.0f} (trial {trial}). It is the best of "
        f"{len(ranked)}, by the images that chose it: expect less on new ones.",
        f"La mejor alcanza {say.percent(best['val_accuracy'])} de exactitud de validación en la "
        f"época {best['best_epoch']:.0f} (prueba {trial}). Es la mejor de "
        f"{len(ranked)}, según las imágenes que la eligieron: con nuevas, cabe esperar menos.",
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
                    "The best configuration's accuracy by epoch; the line marks its best epoch.",
                    "Exactitud de la mejor configuración por época; la línea marca la mejor.",
                ),
                lambda: figures.training_curve(curve, int(best["best_epoch"]), say),
                say("trials ", "pruebas ") + ", ".join(best["trials"]),
            )
        )
    return blocks


def shown(row: pd.Series, names: list[str], say: Language) -> str:
    """A configuration in words: what is active, named."""
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
                "The best result of each value, all else free, only between configurations trained "
                "equally long. Observational: promotion chose who trained on.",
                "El mejor resultado de cada valor, con todo lo demás libre, solo entre "
                "configuraciones entrenadas el mismo tiempo. Observacional: la promoción eligió "
                "quién seguía.",
            )
        )
    ]
    for name in (n for n in ISOLATED if n in study.hyperparameters):
        # A schedule is of the longest budget: on a shorter rung its rate has not fallen yet.
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
                say(f"Isolation plot of {name}.", f"Aislamiento de {name}."),
                lambda name=name, tables=tables: figures.isolation(name, tables, say),  # type: ignore[misc]
                ", ".join(f"{e}: n = {int(t['n'].sum())}" for e, t in tables.items()),
            ),
            Table(
                f"{study.name}-isolation-{name}",
                say(
                    "The configuration behind each row is the best one.",
                    "La configuración de cada fila es la mejor.",
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
                    f"No known budget was reached by {FEWEST} configurations without a promotion: "
                    "no importance is given.",
                    f"Ningún presupuesto conocido lo alcanzaron {FEWEST} configuraciones sin "
                    "promoción: no se da importancia.",
                )
            )
        ]
    table = found.table
    first = table.iloc[0]
    clear = first["low"] > table["high"].iloc[1:].max() if len(table) > 1 else True
    text = say(
        f"At {found.epochs} epochs, over {found.n} configurations that no promotion chose, "
        f"{table.index[0]} has the largest share of the variance: {say.percent(first['importance'], 0)} "
        f"({say.percent(first['low'], 0)} to {say.percent(first['high'], 0)}). ",
        f"A {found.epochs} épocas, sobre {found.n} configuraciones que ninguna promoción eligió, "
        f"{table.index[0]} tiene la mayor parte de la varianza: {say.percent(first['importance'], 0)} "
        f"({say.percent(first['low'], 0)} a {say.percent(first['high'], 0)}). ",
    )
    text += (
        say("Its interval is above all others.", "Su intervalo queda por encima de los demás.")
        if clear
        else say(
            "Its interval overlaps others: the order is not settled.",
            "Su intervalo se solapa con otros: el orden no está decidido.",
        )
    )
    searched = [n for n in study.hyperparameters if study.chains[n].nunique() > 1]
    absent = [name for name in searched if name not in table.index]
    if absent:
        text += " " + say(
            f"Left out, being inactive in some configurations: {say.several(absent)}.",
            f"Fuera, por no estar activos en alguna configuración: {say.several(absent)}.",
        )
    frame = pd.DataFrame(
        {
            say("hyperparameter", "hiperparámetro"): table.index,
            say("share of variance", "parte de la varianza"): [
                f"{say.percent(r['importance'], 1)} [{say.percent(r['low'], 1)}; "
                f"{say.percent(r['high'], 1)}]"
                for _, r in table.iterrows()
            ],
            "n": found.n,
        }
    )
    caption = SETTINGS + say(
        "; 95 % intervals by bootstrap over configurations; hyperparameters active in all of them.",
        "; intervalos del 95 % por bootstrap entre configuraciones; hiperparámetros activos en "
        "todas.",
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
    """Each value's best in the search beside its mean in the experiment."""
    rows, told = [], []
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
        told.append(_agrees(name, part, str(tables[budget]["val_accuracy"].idxmax()), say))
    if not rows:
        return [Text(say("Nothing is in both.", "No hay nada que esté en los dos."))]
    caption = say(
        "The search (best at equal budget, all else free, observational) beside the experiment "
        "(mean over seeds, all else fixed).",
        "La búsqueda (mejor a igual presupuesto, lo demás libre, observacional) junto al "
        "experimento (media entre semillas, lo demás fijo).",
    )
    shown, numbers, trials = zip(*rows, strict=True)
    return [
        Text(" ".join(told)),
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
    """For each arm: what is shown, the numbers, the trials."""
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
    """Whether the experiment detects another value to be better than the search's choice."""
    if chosen not in part.arms:
        return say(
            f"{name}: the search's best value, {chosen}, is not in the experiment.",
            f"{name}: el mejor valor de la búsqueda, {chosen}, no está en el experimento.",
        )
    compared = paired.compare(part.table(), chosen)
    better = compared.index[compared["detected"] & (compared["difference"] > 0)]
    if len(better):
        return say(
            f"{name}: the search's best value is {chosen}, but the experiment detects "
            f"{say.several(list(better))} to be better: they disagree, the experiment being of "
            "one network and one budget.",
            f"{name}: el mejor valor de la búsqueda es {chosen}, pero el experimento detecta que "
            f"{say.several(list(better))} es mejor: discrepan, siendo el experimento de una sola "
            "red y un solo presupuesto.",
        )
    return say(
        f"{name}: the search's best value is {chosen}; the experiment detects none better.",
        f"{name}: el mejor valor de la búsqueda es {chosen}; el experimento no detecta ninguno "
        "mejor.",
    )
