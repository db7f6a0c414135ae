"""The section of a search: its best, isolation, importance, and the experiments beside it."""

from collections.abc import Callable

import pandas as pd

from analysis import effects, figures
from analysis.arms import parts
from analysis.blocks import Block, Plot, Table, Text
from analysis.importance import FEWEST, SETTINGS, importance
from analysis.language import Language
from analysis.trials import Study

SHOWN = 10
"""Best configurations in the table."""

ISOLATED = ("activation", "initializer", "optimizer", "batch_norm", "layers")

FACTORS = {"activation": "activation", "initializer": "initializer", "optimizer": "tuned"}
"""Hyperparameter and the part of a controlled study that varies it."""


def sections(
    study: Study, controlled: Study | None, say: Language
) -> list[tuple[str, str, Callable[[], list[Block]]]]:
    """(key, title, what makes its blocks)."""
    made = [
        (
            "search",
            say(f"The search {study.name}", f"La búsqueda {study.name}"),
            lambda: overview(study, say),
        ),
        (
            "isolation",
            say("What the search found by value", "Qué halló la búsqueda por valor"),
            lambda: isolations(study, say),
        ),
        (
            "importance",
            say("Which hyperparameters mattered", "Qué hiperparámetros importaron"),
            lambda: importances(study, say),
        ),
    ]
    if controlled is not None:
        title = say("Search and experiments side by side", "Búsqueda y experimentos, lado a lado")
        made.append(("agreement", title, lambda: agreement(study, controlled, say)))
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
    if best is None:
        return [Text(text)]
    text += " " + say(
        f"The best reaches {say.percent(best['val_accuracy'])} validation accuracy in epoch "
        f"{best['best_epoch']:.0f} (trial {best['trials'][-1]}). It is the best of "
        f"{len(ranked)}, by the images that chose it: expect less on new ones.",
        f"La mejor alcanza {say.percent(best['val_accuracy'])} de exactitud de validación en la "
        f"época {best['best_epoch']:.0f} (prueba {best['trials'][-1]}). Es la mejor de "
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
            "best",
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
                "best-curve",
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
            digits = f"{value:.0f}" if value.is_integer() else f"{value:.3g}"
            value = digits if say.code == "en" else digits.replace(".", ",")
        words.append(name if value is True else f"{name} {value}")
    return ", ".join(words)


def isolations(study: Study, say: Language) -> list[Block]:
    budgets = effects.budgets(study)[1:] or effects.budgets(study)
    blocks: list[Block] = [
        Text(
            say(
                "Best of each value over all else, only between configurations trained equally "
                "long. Observational: promotion chose who trained on.",
                "Lo mejor de cada valor sobre todo lo demás, solo entre configuraciones entrenadas "
                "el mismo tiempo. Observacional: la promoción eligió quién seguía.",
            )
        )
    ]
    for name in (n for n in ISOLATED if n in study.hyperparameters):
        tables = {e: effects.isolation(study, name, e) for e in budgets}
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
                f"isolation-{name}",
                say(f"Isolation plot of {name}.", f"Aislamiento de {name}."),
                lambda name=name, tables=tables: figures.isolation(name, tables, say),  # type: ignore[misc]
                ", ".join(f"{e}: n = {int(t['n'].sum())}" for e, t in tables.items()),
            ),
            Table(
                f"isolation-{name}",
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
                    f"Fewer than {FEWEST} configurations reached any budget without a promotion: "
                    "no importance is given.",
                    f"Menos de {FEWEST} configuraciones llegaron a algún presupuesto sin promoción: "
                    "no se da importancia.",
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
            "importance",
            caption,
            lambda: figures.importances(table, say),
            say(f"n = {found.n} configurations", f"n = {found.n} configuraciones"),
        ),
        Table(
            "importance",
            caption,
            frame,
            table.reset_index(),
            [", ".join(found.chains)] * len(table),
        ),
    ]


def agreement(study: Study, controlled: Study, say: Language) -> list[Block]:
    """Each value's best in the search beside its mean in the experiment."""
    rows, numbers, trials, told = [], [], [], []
    budget = effects.budgets(study)[-1]
    by_name = {part.name: part for part in parts(controlled)}
    for name, part_name in FACTORS.items():
        part = by_name.get(part_name)
        if part is None or name not in study.hyperparameters:
            continue
        means = part.table().mean()
        compared = effects.compare(part.table(), means.idxmax())
        tables = (effects.isolation(study, name, e) for e in reversed(effects.budgets(study)))
        isolated = next((t for t in tables if len(t) > 1), None)
        if isolated is None:
            continue
        for value in part.arms:
            found = isolated.loc[value] if value in isolated.index else None
            rows.append(
                {
                    say("hyperparameter", "hiperparámetro"): name,
                    say("value", "valor"): value,
                    say("search: best %", "búsqueda: mejor %"): "–"
                    if found is None
                    else f"{say.number(100 * found['val_accuracy'])} (n = {found['n']})",
                    say("experiment: mean %", "experimento: media %"): say.number(
                        100 * means[value]
                    )
                    + f" (n = {int(part.table()[value].notna().sum())})",
                }
            )
            numbers.append(
                {
                    "hyperparameter": name,
                    "value": value,
                    "search": None if found is None else found["val_accuracy"],
                    "experiment": means[value],
                }
            )
            trials.append(
                part.trials(value)
                + ("" if found is None else f"; {study.name}: {', '.join(found['trials'])}")
            )
        chosen = isolated["val_accuracy"].idxmax()
        worse = chosen in compared.index and bool(compared.loc[chosen, "detected"])
        told.append(
            say(
                f"{name}: the search's best value is {chosen}, the experiment's {means.idxmax()}; "
                + (
                    "they disagree, and the experiment detects the difference: trust it for its "
                    "network and budget."
                    if worse
                    else "no contradiction is detected."
                ),
                f"{name}: el mejor valor de la búsqueda es {chosen}, el del experimento "
                f"{means.idxmax()}; "
                + (
                    "discrepan, y el experimento detecta la diferencia: vale para su red y "
                    "presupuesto."
                    if worse
                    else "no se detecta contradicción."
                ),
            )
        )
    caption = say(
        f"The search (best at equal budget, up to {budget} epochs, all else free, observational) "
        "beside the experiment (mean over seeds, all else fixed).",
        f"La búsqueda (mejor a igual presupuesto, hasta {budget} épocas, lo demás libre, "
        "observacional) junto al experimento (media entre semillas, lo demás fijo).",
    )
    return [
        Text(" ".join(told)),
        Table("agreement", caption, pd.DataFrame(rows), pd.DataFrame(numbers), trials),
    ]
