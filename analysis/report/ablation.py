"""The sections on the ablation path and on leaving each choice out."""

from collections.abc import Callable

import pandas as pd

from analysis.evidence import paired
from analysis.evidence.arms import Part, parts
from analysis.evidence.trials import Study
from analysis.report import comparison, figures
from analysis.report.blocks import Block, Card, Plot, Table, Text
from analysis.report.comparison import shown_accuracy
from analysis.report.final import chosen_values
from analysis.report.searched import shown
from analysis.words.language import Language

Json = dict[str, object]


def sections(
    study: Study, final: Study | None, say: Language
) -> list[tuple[str, str, Callable[[], list[Block]]]]:
    """(key, title, what makes its blocks). final: the final study of the same search."""
    found = parts(study)
    races = [part for part in found if part.name == "race"]
    walked = next(part for part in found if part.name == "path")
    left_out = next(part for part in found if part.name == "leave-one-out")
    return [
        (
            "regularization-path",
            say(
                "4.1 · From the assignment's network to ours, a choice at a time",
                "4.1 · De la red de la tarea a la nuestra, una decisión cada vez",
            ),
            lambda: [
                *elsewhere(left_out, final, say),
                *other_budget(walked, final, say),
                *path(walked, races, differ(walked, left_out), say),
            ],
        ),
        (
            "regularization-left-out",
            say(
                "4.1 · The final network with one choice undone",
                "4.1 · La red final con una decisión deshecha",
            ),
            lambda: [*other_budget(left_out, final, say), *leave_one_out(left_out, say)],
        ),
    ]


def elsewhere(left_out: Part, final: Study | None, say: Language) -> list[Block]:
    """A warning where the path's end is not what the final study has chosen."""
    chosen = chosen_values(final) if final else {}
    end = left_out.values[left_out.reference]
    if all(end.get(name, value) == value for name, value in chosen.items()):
        return []
    return [
        Card(
            "PATH",
            "WARN",
            say(
                "the path leads to another network than the final one of this report",
                "el camino lleva a otra red que la final de este informe",
            ),
            say("move its study away and run it anew", "aparte su estudio y ejecútelo de nuevo"),
        )
    ]


def other_budget(part: Part, final: Study | None, say: Language) -> list[Block]:
    """A caution where the final network was not chosen for as many epochs as these trials have."""
    epochs = final.about["arguments"]["epochs"] if final else part.epochs
    if epochs == part.epochs:
        return []
    text = say(
        f"The final network was chosen for {epochs} epochs, and these trials have {part.epochs}: "
        f"what a choice gains in {epochs} epochs is not shown here.",
        f"La red final se eligió para {epochs} épocas y estas pruebas tienen {part.epochs}: aquí no "
        f"se muestra qué gana una decisión en {epochs} épocas.",
    )
    return [Text(text)]


def differ(walked: Part, left_out: Part) -> bool:
    """Whether the path has not come to the final network yet."""
    return walked.values[walked.arms[-1]] != left_out.values[left_out.reference]


def steps(part: Part) -> pd.DataFrame:
    """A row a step of the path (index: the choice): gain on the step before and on the start.

    gain, low, high and total, total_low, total_high: mean and 95 % interval in pairs by seed.
    n: pairs of the gain.
    """
    table = part.table()
    rows = []
    for before, arm in zip(part.arms, part.arms[1:], strict=False):
        pairs = (table[arm] - table[before]).dropna().to_numpy()
        total = paired.interval((table[arm] - table[part.arms[0]]).dropna().to_numpy())
        names = ("gain", "low", "high", "total", "total_low", "total_high")
        values = dict(zip(names, (*paired.interval(pairs), *total), strict=True))
        rows.append({"choice": arm, **values, "n": len(pairs)})
    return pd.DataFrame(rows).set_index("choice") if rows else pd.DataFrame()


def path(part: Part, races: list[Part], unfinished_yet: bool, say: Language) -> list[Block]:
    found = steps(part)
    unfinished = comparison.missing(part, say)
    if not len(found) or found["low"].isna().all():
        return [*unfinished, Text(say("No step is measured yet.", "Aún no se midió ningún paso."))]
    return [
        *unfinished,
        Text(path_in_words(part, found, unfinished_yet, say)),
        comparison.figure(
            part,
            "path",
            say(
                "Validation accuracy along the path, each step added to those before it; mean and "
                "95 % interval over seeds, and the seeds.",
                "Exactitud de validación a lo largo del camino, cada paso sumado a los anteriores; "
                "media e intervalo del 95 % entre semillas, y las semillas.",
            ),
            figures.over_seeds,
            say,
        ),
        path_table(part, found, say),
        race_table(races, part.arms, say),
    ]


def path_in_words(part: Part, found: pd.DataFrame, so_far: bool, say: Language) -> str:
    found = found.dropna(subset=["low"])
    last = found.iloc[-1]
    text = say(
        "Of all that still differed, each step changed what did best in a race on other seeds; all "
        "is changed in the end, so that the last steps may lose. Every trial has "
        f"{part.epochs} epochs. ",
        "De todo lo que aún difería, cada paso cambió lo que mejor quedó en una carrera con otras "
        "semillas; al final se cambia todo, así que los últimos pasos pueden perder. Toda prueba "
        f"tiene {part.epochs} épocas. ",
    )
    gained = f"{say.points(last['total'])}"
    between = say.between(last["total_low"], last["total_high"])
    if so_far:
        text += say(
            f"The path is not finished; steps so far: {len(found)}, {gained} points {between}. ",
            f"El camino no ha terminado; pasos hasta ahora: {len(found)}, {gained} puntos {between}. ",
        )
    else:
        text += say(
            f"From the assignment's final network to ours (steps: {len(found)}): {gained} points "
            f"{between} in all. ",
            f"De la red final de la tarea a la nuestra (pasos: {len(found)}): {gained} puntos "
            f"{between} en total. ",
        )
    gains, losses = found[found["low"] > 0], found[found["high"] < 0]
    for rows, english, spanish in (
        (gains, "Steps whose interval is above 0", "Pasos con intervalo por encima de 0"),
        (losses, "Steps whose interval is below 0", "Pasos con intervalo por debajo de 0"),
    ):
        text += f"{say(english, spanish)}: {by_arm(rows['gain'], say) or say('none', 'ninguno')}. "
    return text + each_alone(part, say)


def by_arm(points: pd.Series, say: Language) -> str:
    """Arms in words, each with its points. points: by arm, as shares."""
    return say.several([f"{say.arm(arm)} ({say.points(own)})" for arm, own in points.items()])


def each_alone(part: Part, say: Language) -> str:
    """What the intervals of so many arms are, and are not."""
    arms, seeds = len(part.arms) - 1, int(part.table().notna().sum().min())
    text = say(
        "Each interval stands alone, not adjusted for their number",
        "Cada intervalo vale por sí solo, sin ajustar por su número",
    )
    needed = paired.fewest_seeds(arms)
    if seeds < needed:
        text += say(
            f": that any of {arms} differences is detected after Holm's adjustment, as the "
            f"exercises ask, takes {needed} seeds (here: {seeds})",
            f": para que alguna de {arms} diferencias se detecte tras el ajuste de Holm, como piden "
            f"los ejercicios, hacen falta {needed} semillas (aquí: {seeds})",
        )
    return text + "."


def path_table(part: Part, found: pd.DataFrame, say: Language) -> Table:
    table = part.table()
    rows = []
    for number, arm in enumerate(part.arms):
        mean, low, high = paired.interval(table[arm].dropna().to_numpy())
        row = {
            say("step", "paso"): str(number),
            say("choice", "decisión"): say("the assignment's", "la de la tarea")
            if number == 0
            else say.arm(arm),
            say("becomes", "pasa a ser"): ""
            if number == 0
            else changed(part.values[part.arms[number - 1]], part.values[arm], say),
            say("val. accuracy %", "exactitud val. %"): shown_accuracy(mean, low, high, say),
            "n": int(found.loc[arm, "n"] if number else table[arm].count()),
        }
        for key, heading in (("gain", ("gain", "ganancia")), ("total", ("in all", "en total"))):
            row[say(*heading)] = ""
            if number:
                step = found.loc[arm]
                ends = ("low", "high") if key == "gain" else ("total_low", "total_high")
                between = say.between(*(step[end] for end in ends))
                row[say(*heading)] = f"{say.points(step[key])} {between}"
        rows.append(row)
    caption = say(
        "The path: after each step, validation accuracy over seeds; its gain on the step before "
        "and on the assignment's network, in points, in pairs by seed, with 95 % intervals.",
        "El camino: tras cada paso, exactitud de validación entre semillas; su ganancia sobre el "
        "paso anterior y sobre la red de la tarea, en puntos, por parejas de semilla, con "
        "intervalos del 95 %.",
    )
    trials = [part.trials(arm) for arm in part.arms]
    numbers = found.reindex(part.arms).rename_axis("choice").reset_index()
    return Table("path", caption, pd.DataFrame(rows), numbers, trials)


def changed(before: Json, after: Json, say: Language) -> str:
    """The values of a configuration that are not those of another, in words."""
    new = {k: v for k, v in after.items() if before.get(k) != v}
    off = [k for k, v in new.items() if v is False]
    words = shown(pd.Series(new, dtype=object), list(new), say)
    return ", ".join(filter(None, [words, *(say(f"no {k}", f"sin {k}") for k in off)]))


def race_table(races: list[Part], path: list[str], say: Language) -> Table:
    """For each step, who raced, on how many seeds, and who won. path: its start, then the winners."""
    rows, numbers, trials = [], [], []
    by_step: dict[int, list[Part]] = {}
    for part in races:
        by_step.setdefault(part.level or 0, []).append(part)
    for step, rounds in by_step.items():
        last = {arm: part for part in rounds for arm in part.arms}
        ranked = sorted(
            last, key=lambda arm: (-len(last[arm].seeds()), -last[arm].table()[arm].mean())
        )
        for arm in ranked:
            part = last[arm]
            mean, seeds = part.table()[arm].mean(), int(part.table()[arm].count())
            outcome = say("out", "fuera")
            if step >= len(path):
                outcome = say("racing", "en carrera")
            elif path[step] == arm:
                outcome = say("changed", "cambiada")
            rows.append(
                {
                    say("step", "paso"): str(step),
                    say("choice", "decisión"): say.arm(arm),
                    say("seeds", "semillas"): seeds,
                    say("mean val. accuracy %", "exactitud val. media %"): say.number(100 * mean),
                    say("outcome", "resultado"): outcome,
                }
            )
            numbers.append({"step": step, "choice": arm, "seeds": seeds, "val_accuracy": mean})
            trials.append(part.trials(arm))
    caption = say(
        "The races: after each round, a seed more, the best third goes on. Means are over the "
        "seeds that a choice was raced on, so they compare within a round only. So few seeds put "
        "the steps in an order; that of close ones is not settled by them.",
        "Las carreras: tras cada ronda, con una semilla más, sigue el mejor tercio. Las medias son "
        "de las semillas que corrió cada decisión: solo comparan dentro de una ronda. Tan pocas "
        "semillas ordenan los pasos, pero no deciden el orden de los parecidos.",
    )
    return Table("path-races", caption, pd.DataFrame(rows), pd.DataFrame(numbers), trials)


def leave_one_out(part: Part, say: Language) -> list[Block]:
    unfinished = comparison.missing(part, say)
    compared = paired.compare(part.table(), part.reference)
    if compared["low"].isna().all():
        waiting = say(
            "No choice undone is measured yet.", "Aún no se midió ninguna decisión deshecha."
        )
        return [*unfinished, Text(waiting)]
    worse = compared[compared["high"] < 0].sort_values("difference")
    better = compared[compared["low"] > 0]
    listed = by_arm(worse["difference"], say)
    text = say(
        "Each choice alone is put back to the space's default, which is not everywhere what the "
        "assignment's network has: this is not the path backwards. Undoing costs accuracy (interval "
        f"below 0): {listed or 'none'}. ",
        "Cada decisión por sí sola vuelve a su valor por defecto en el espacio, que no siempre es el "
        "de la red de la tarea: no es el camino al revés. Deshacerla cuesta exactitud (intervalo "
        f"por debajo de 0): {listed or 'ninguna'}. ",
    )
    if len(better):
        listed = by_arm(better["difference"], say)
        text += say(f"Undoing gains: {listed}. ", f"Deshacerla gana: {listed}. ")
    rest = [say.arm(n) for n in compared.index[(compared["low"] <= 0) & (compared["high"] >= 0)]]
    if rest:
        text += say(
            f"The interval holds 0 for {say.several(rest)}: without these, one by one, no loss is "
            "shown. ",
            f"El intervalo contiene 0 en {say.several(rest)}: sin ellas, una a una, no se muestra "
            "pérdida. ",
        )
    few = [say.arm(n) for n in compared.index[compared["low"].isna()]]
    if few:
        text += say(
            f"Too few finished runs to compare: {say.several(few)}. ",
            f"Muy pocas pruebas terminadas para comparar: {say.several(few)}. ",
        )
    text += each_alone(part, say)
    rows = [
        {
            say("choice undone", "decisión deshecha"): say.arm(arm),
            say("becomes", "pasa a ser"): changed(
                part.values[part.reference], part.values[arm], say
            ),
            say("points", "puntos"): f"{say.points(row['difference'])} "
            f"{say.between(row['low'], row['high'])}",
            "n": row["n"],
        }
        for arm, row in compared.sort_values("difference").iterrows()
    ]
    caption = say(
        f"The final network with one choice at the space's default, less the final network, in "
        f"points of validation accuracy after {part.epochs} epochs, in pairs by seed, with 95 % "
        "intervals.",
        "La red final con una decisión en su valor por defecto, menos la red final, en puntos de "
        f"exactitud de validación tras {part.epochs} épocas, por parejas de semilla, con "
        "intervalos del 95 %.",
    )
    ordered = compared.sort_values("difference")
    return [
        *unfinished,
        Text(text),
        Plot(
            "leave-one-out",
            say(
                "What undoing each choice does to validation accuracy; mean and 95 % interval.",
                "Qué hace deshacer cada decisión a la exactitud de validación; media e intervalo "
                "del 95 %.",
            ),
            lambda: figures.differences(ordered, say),
            say(f"n = {len(part.seeds())} seeds", f"n = {len(part.seeds())} semillas"),
        ),
        Table(
            "leave-one-out",
            caption,
            pd.DataFrame(rows),
            ordered.reset_index(),
            [part.trials(arm) for arm in ordered.index],
        ),
    ]
