"""The table and the sentences that every comparison of arms has."""

import math

import numpy as np
import pandas as pd

from analysis.evidence import paired
from analysis.evidence.arms import Part
from analysis.report import figures
from analysis.report.blocks import Block, Plot, Table, Text
from analysis.words.language import Language

THRESHOLDS = (0.85, 0.88)
"""Accuracies to which the epochs needed are counted."""


def comparison(part: Part, name: str, language: Language) -> list[Block]:
    """What is said, the table, the spread over seeds."""
    say = language
    table = part.table()
    compared = paired.compare(table, part.reference)
    seeds = part.seeds()
    source = say(
        f"{len(seeds)} seeds ({seeds[0]}–{seeds[-1]}), {part.epochs} epochs, "
        f"{part.curves['trial'].nunique()} trials",
        f"{len(seeds)} semillas ({seeds[0]}–{seeds[-1]}), {part.epochs} épocas, "
        f"{part.curves['trial'].nunique()} pruebas",
    )
    return [
        Text(verdict(part, compared, say)),
        arms_table(part, compared, name, say),
        Plot(
            f"{name}-seeds",
            say("Every seed, by arm.", "Cada semilla, por variante."),
            lambda: figures.over_seeds(part, say),
            source,
        ),
    ]


def verdict(part: Part, compared: pd.DataFrame, say: Language) -> str:
    """One sentence an arm that differs, one for all that do not."""
    mean = part.table().mean()
    sentences = [
        say(
            f"The reference, {part.reference}, ends at {say.percent(mean[part.reference])} "
            "validation accuracy.",
            f"La referencia, {part.reference}, termina en {say.percent(mean[part.reference])} de "
            "exactitud de validación.",
        )
    ]
    for arm, row in compared[compared["detected"]].iterrows():
        lower = row["difference"] < 0
        sentences.append(
            say(
                f"{arm} is {say.number(100 * abs(row['difference']))} points "
                f"{'below' if lower else 'above'} it "
                f"(95 % interval {say.between(row['low'], row['high'])}, Holm p "
                f"{say.p(row['p_holm'])}, n = {row['n']}).",
                f"{arm} queda {say.number(100 * abs(row['difference']))} puntos "
                f"por {'debajo' if lower else 'encima'} "
                f"(intervalo del 95 % {say.between(row['low'], row['high'])}, p de Holm "
                f"{say.p(row['p_holm'])}, n = {row['n']}).",
            )
        )
    rest = compared[~compared["detected"]]
    sentences += not_detected(part, list(rest.index[rest["n"] >= 2]), len(compared), say)
    without = list(rest.index[rest["n"] < 2])
    if without:
        sentences.append(
            say(
                f"Too few finished runs to compare: {say.several(without)}.",
                f"Sin pruebas terminadas suficientes para comparar: {say.several(without)}.",
            )
        )
    return " ".join(sentences)


def not_detected(part: Part, arms: list[str], tested: int, say: Language) -> list[str]:
    """What is said of arms without a detected difference, and what could have been detected."""
    if not arms:
        return []
    table = part.table()
    pairs = [(table[arm] - table[part.reference]).dropna().to_numpy() for arm in arms]
    fewest, had = paired.fewest_seeds(tested), min(len(p) for p in pairs)
    if had < fewest:
        return [
            say(
                f"No difference of {say.several(arms)} can be detected with {had} seeds: "
                f"{tested} comparisons take at least {fewest}.",
                f"Con {had} semillas no puede detectarse ninguna diferencia de "
                f"{say.several(arms)}: {tested} comparaciones requieren al menos {fewest}.",
            )
        ]
    smallest = say.number(100 * max(paired.detectable(p, tested) for p in pairs))
    return [
        say(
            f"Not detected: a difference for {say.several(arms)}; in the one that varies most a "
            f"true difference of {smallest} points would be found four times in five.",
            f"No se detecta diferencia en {say.several(arms)}; en la que más varía, una "
            f"diferencia real de {smallest} puntos se hallaría cuatro de cada cinco veces.",
        )
    ]


def arms_table(part: Part, compared: pd.DataFrame, name: str, say: Language) -> Table:
    """Arms by last val_accuracy, with differences, speed and gap."""
    table = part.table()
    train, loss = part.table("accuracy"), part.table("val_loss")
    rows, numbers = [], []
    for arm in part.arms:
        values = table[arm].dropna().to_numpy()
        mean, low, high = paired.interval(values)
        gap = (train[arm] - table[arm]).mean()
        runs = part.curves[part.curves["arm"] == arm]
        shown = {
            say("arm", "variante"): arm,
            "n": len(values),
            say("val. accuracy %", "exactitud val. %"): shown_accuracy(mean, low, high, say),
            say("val. loss, penalties incl.", "pérdida val., con penaliz."): say.number(
                loss[arm].mean(), 3
            ),
            say("train − val.", "entren. − val."): say.points(gap),
        }
        number = {
            "arm": arm,
            "n": len(values),
            "val_accuracy": mean,
            "low": low,
            "high": high,
            "val_loss": loss[arm].mean(),
            "gap": gap,
        }
        for threshold in THRESHOLDS:
            reached = paired.reaching(
                [
                    paired.epochs_to(run.set_index("epoch")["val_accuracy"], threshold)
                    for _, run in runs.groupby("seed")
                ]
            )
            cell = say.number(reached["median"], 0)
            if reached["reached"] < reached["n"]:
                cell += f" ({reached['reached']}/{reached['n']})"
            shown[say(f"epochs to {threshold:.0%}", f"épocas hasta {100 * threshold:.0f} %")] = cell
            number[f"epochs_to_{threshold:g}"] = reached["median"]
            number[f"reached_{threshold:g}"] = reached["reached"]
        if arm in compared.index:
            row = compared.loc[arm]
            shown |= {
                say("difference, points", "diferencia, puntos"): say.points(row["difference"])
                + f" {say.between(row['low'], row['high'])}",
                "p (Holm)": say.p(row["p_holm"]),
                say(
                    "seeds above", "semillas encima"
                ): f"{say.number(100 * row['superiority'], 0)} %",
                say("detected", "detectada"): say("yes", "sí") if row["detected"] else "no",
            }
            number |= difference_numbers(row)
        else:
            blank = ("difference, points", "diferencia, puntos"), ("p (Holm)",) * 2
            shown |= {say(*heading): "" for heading in (*blank, ("seeds above", "semillas encima"))}
            shown |= {say("detected", "detectada"): say("reference", "referencia")}
        rows.append(shown)
        numbers.append(number)
    caption = say(
        f"After {part.epochs} epochs: means and 95 % intervals over seeds; differences to "
        f"{part.reference} in pairs by seed; p by all sign changes, Holm over the arms; detected: "
        "the interval leaves 0 out and p is at most 0.05; seeds above: where the arm is better, "
        "ties counting half; epochs: median over runs, those that never got there censored (how "
        "many did).",
        f"Tras {part.epochs} épocas: medias e intervalos del 95 % entre semillas; diferencias con "
        f"{part.reference} por parejas de semilla; p por todos los cambios de signo, Holm entre "
        "variantes; detectada: el intervalo no contiene 0 y p es como mucho 0,05; semillas encima: "
        "donde la variante es mejor, los empates valen medio; épocas: mediana, censuradas las que "
        "no llegaron (cuántas llegaron).",
    )
    trials = [part.trials(arm) for arm in part.arms]
    return Table(name, caption, pd.DataFrame(rows).fillna(""), pd.DataFrame(numbers), trials)


def shown_accuracy(mean: float, low: float, high: float, say: Language) -> str:
    """An accuracy in percent with its interval, as far as it can be an accuracy."""
    return f"{say.number(100 * mean)} {shown_interval(low, high, say)}"


def shown_interval(low: float, high: float, say: Language) -> str:
    """An interval of accuracies in percent."""
    ends = (say.number(100 * float(np.clip(end, 0, 1))) for end in (low, high))
    return f"[{'; '.join(ends)}]"


def difference_numbers(row: pd.Series) -> dict[str, object]:
    """A row of `paired.compare` for a CSV file, beside an arm's own `low` and `high`."""
    keys = ["difference", "p", "p_holm", "superiority", "detected"]
    ends = {"difference_low": row["low"], "difference_high": row["high"]}
    return {**{key: row[key] for key in keys}, **ends}


def after_one_epoch(part: Part, arm: str, say: Language) -> Text:
    """How an arm starts: its difference to the reference after the first epoch."""
    first = part.curves[part.curves["epoch"] == 1]
    table = first.pivot(index="seed", columns="arm", values="val_accuracy")
    pair = table.reindex(columns=[part.reference, arm])
    row = paired.compare(pair, part.reference).loc[arm]
    lower = row["difference"] < 0
    if row["n"] < paired.fewest_seeds(1):
        return Text(
            say(
                f"With {row['n']} seeds nothing can be said of the first epoch.",
                f"Con {row['n']} semillas nada puede decirse de la primera época.",
            )
        )
    if not row["detected"]:
        return Text(
            say(
                f"After the first epoch no difference between {arm} and {part.reference} is detected "
                f"({say.between(row['low'], row['high'])} points).",
                f"Tras la primera época no se detecta diferencia entre {arm} y {part.reference} "
                f"({say.between(row['low'], row['high'])} puntos).",
            )
        )
    return Text(
        say(
            f"After the first epoch {arm} is {say.number(100 * abs(row['difference']))} points "
            f"{'below' if lower else 'above'} {part.reference} "
            f"({say.between(row['low'], row['high'])}, p {say.p(row['p'])}).",
            f"Tras la primera época {arm} queda {say.number(100 * abs(row['difference']))} puntos "
            f"por {'debajo' if lower else 'encima'} de {part.reference} "
            f"({say.between(row['low'], row['high'])}, p {say.p(row['p'])}).",
        )
    )


def curves(part: Part, name: str, say: Language) -> Plot:
    seeds = part.seeds()
    source = f"n = {len(seeds)}, " + say("trials", "pruebas") + f" {_span(part)}"
    return Plot(
        f"{name}-curves",
        say(
            "Accuracy and loss by epoch: validation in lines, training dotted; mean and 95 % interval "
            f"over {len(seeds)} seeds.",
            "Exactitud y pérdida por época: validación en línea continua, entrenamiento en puntos; "
            f"media e intervalo del 95 % entre {len(seeds)} semillas.",
        ),
        lambda: figures.curves(part, say),
        source,
    )


def figure(part: Part, name: str, caption: str, draw: object, say: Language) -> Plot:
    """A figure of one part. draw: one of `figures`, called with the part and the language."""
    source = f"n = {len(part.seeds())}, " + say("trials", "pruebas") + f" {_span(part)}"
    return Plot(name, caption, lambda: draw(part, say), source)  # type: ignore[operator]


def _span(part: Part) -> str:
    trials = sorted(part.runs["trial"].dropna())
    return f"{trials[0]}–{trials[-1]}" if trials else "–"


def begun(part: Part) -> bool:
    """Whether enough of a part has been run to compare anything."""
    return bool(part.table()[part.reference or part.arms[0]].count() >= 2)


def missing(part: Part, say: Language) -> list[Block]:
    """What of a part was not run to its end or failed, in a sentence."""
    states = part.runs["status"].value_counts()
    told = []
    failed = part.runs[part.runs["status"] == "FAILED"]
    if len(failed):
        names = failed["arm"].value_counts(sort=False)
        listed = say.several([f"{arm} ({count})" for arm, count in names.items()])
        told.append(
            say(
                f"Failed runs, left out of the means: {listed}.",
                f"Pruebas fallidas, fuera de las medias: {listed}.",
            )
        )
    waiting = int(states.drop(["COMPLETED", "FAILED"], errors="ignore").sum())
    if waiting:
        told.append(
            say(
                f"{waiting} of {len(part.runs)} runs are not finished.",
                f"{waiting} de {len(part.runs)} pruebas no han terminado.",
            )
        )
    return [Text(" ".join(told))] if told else []


def spread(table: pd.DataFrame) -> tuple[float, float, float]:
    """Best arm's mean less the worst's, with a 95 % interval by bootstrap over seeds."""
    complete = table.dropna()
    if len(complete) < 2:
        return math.nan, math.nan, math.nan
    rng = np.random.default_rng(0)
    drawn = complete.to_numpy()[rng.integers(0, len(complete), (4000, len(complete)))].mean(axis=1)
    ranges = np.ptp(drawn, axis=1)
    low, high = np.quantile(ranges, [0.025, 0.975])
    return float(np.ptp(complete.mean())), float(low), float(high)
