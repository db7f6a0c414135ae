"""The sections on the ablation path and on reverting each choice of the final network."""

import pandas as pd

from analysis.evidence import paired
from analysis.evidence.arms import Part, parts
from analysis.evidence.study import Study
from analysis.report import comparison, figures
from analysis.report.blocks import Block, Card, Chapter, Plot, Table, Text
from analysis.report.comparison import shown_accuracy
from analysis.report.final import chosen_values
from analysis.report.searched import shown
from analysis.words.language import Language

Json = dict[str, object]


def sections(study: Study, final: Study | None, say: Language) -> list[Chapter]:
    """Plan the sections. final: the final study of the same search, if it is in the report."""
    found = parts(study)
    races = [part for part in found if part.name == "race"]
    walked = next(part for part in found if part.name == "path")
    left_out = next(part for part in found if part.name == "leave-one-out")
    return [
        Chapter(
            "regularization-path",
            say(
                "4.1 · From the assignment's network to the final network, one choice at a time",
                "4.1 · De la red de la tarea a la red final, una decisión cada vez",
            ),
            lambda: [
                *elsewhere(left_out, final, say),
                *other_budget(walked, final, say),
                *path(walked, races, differ(walked, left_out), say),
            ],
        ),
        Chapter(
            "regularization-left-out",
            say(
                "4.1 · The final network with one choice reverted",
                "4.1 · La red final con una decisión revertida",
            ),
            lambda: [*other_budget(left_out, final, say), *leave_one_out(left_out, say)],
        ),
    ]


def elsewhere(left_out: Part, final: Study | None, say: Language) -> list[Block]:
    """Warn if the path does not end at the network that the final study chose."""
    chosen = chosen_values(final) if final else {}
    end = left_out.values[left_out.reference]
    if all(end.get(name, value) == value for name, value in chosen.items()):
        return []
    return [
        Card(
            "PATH",
            "WARN",
            say(
                "The path leads to another network than the final network of this report.",
                "El camino lleva a una red distinta de la red final de este informe.",
            ),
            say(
                "Move the path's study to another folder and run the path again.",
                "Mueva el estudio del camino a otra carpeta y ejecute el camino de nuevo.",
            ),
        )
    ]


def other_budget(part: Part, final: Study | None, say: Language) -> list[Block]:
    """Caution if the final network was chosen for another number of epochs than these trials."""
    epochs = final.final_arguments.epochs if final else part.epochs
    if epochs == part.epochs:
        return []
    text = say(
        f"The final network was chosen for {epochs} epochs, but these trials have {part.epochs}. "
        f"They do not show what a choice gains in {epochs} epochs.",
        f"La red final se eligió para {epochs} épocas, pero estas pruebas tienen {part.epochs}. No "
        f"muestran cuánto gana una decisión en {epochs} épocas.",
    )
    return [Text(text)]


def differ(walked: Part, left_out: Part) -> bool:
    """Return whether the path has not reached the final network yet."""
    return walked.values[walked.arms[-1]] != left_out.values[left_out.reference]


def steps(part: Part) -> pd.DataFrame:
    """Return one row per step of the path, indexed by choice.

    gain, low, high: mean difference from the previous step and its 95 % interval, paired by seed.
    total, total_low, total_high: the same for the difference from the start of the path.
    n: number of pairs of the gain.
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
                "Validation accuracy along the path, where each step adds to the previous steps: "
                "every seed, the mean and its 95 % interval.",
                "Exactitud de validación a lo largo del camino, en el que cada paso se suma a los "
                "anteriores: cada semilla, la media y su intervalo del 95 %.",
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
        "Each step changed one choice: of all choices that still differed, the winner of a race on "
        "other seeds. In the end, every choice is changed, so the last steps may lose accuracy. "
        f"Every trial has {part.epochs} epochs. ",
        "Cada paso cambió una decisión: de todas las que aún diferían, la ganadora de una carrera "
        "con otras semillas. Al final se cambian todas, así que los últimos pasos pueden perder "
        f"exactitud. Cada prueba tiene {part.epochs} épocas. ",
    )
    gained = f"{say.points(last['total'])}"
    between = say.between(last["total_low"], last["total_high"])
    if so_far:
        text += say(
            f"The path is not finished. The steps so far ({len(found)}) gain {gained} points "
            f"{between}. ",
            f"El camino no ha terminado. Los pasos hasta ahora ({len(found)}) suman {gained} puntos "
            f"{between}. ",
        )
    else:
        text += say(
            "The total gain from the assignment's network to the final network "
            f"(steps: {len(found)}) is {gained} points {between}. ",
            f"La ganancia total de la red de la tarea a la red final (pasos: {len(found)}) es de "
            f"{gained} puntos {between}. ",
        )
    gains, losses = found[found["low"] > 0], found[found["high"] < 0]
    for rows, english, spanish in (
        (gains, "Steps with an interval above 0", "Pasos con intervalo por encima de 0"),
        (losses, "Steps with an interval below 0", "Pasos con intervalo por debajo de 0"),
    ):
        text += f"{say(english, spanish)}: {by_arm(rows['gain'], say) or say('none', 'ninguno')}. "
    return text + each_alone(part, say)


def by_arm(points: pd.Series, say: Language) -> str:
    """List arms with their points. points: differences by arm, as shares."""
    return say.several([f"{say.arm(arm)} ({say.points(own)})" for arm, own in points.items()])


def each_alone(part: Part, say: Language) -> str:
    """Say that the intervals are not corrected, and how many seeds a correction would take."""
    arms, seeds = len(part.arms) - 1, int(part.table().notna().sum().min())
    text = say(
        "The intervals are not corrected for multiple comparisons.",
        "Los intervalos no están corregidos por comparaciones múltiples.",
    )
    needed = paired.fewest_seeds(arms)
    if seeds < needed:
        text += say(
            f" With Holm's correction, as used in the exercises, at least {needed} seeds are needed "
            f"to detect any of {arms} differences; this study has {seeds}.",
            f" Con la corrección de Holm, que se usa en los ejercicios, hacen falta al menos "
            f"{needed} semillas para detectar alguna de {arms} diferencias; este estudio tiene "
            f"{seeds}.",
        )
    return text


def path_table(part: Part, found: pd.DataFrame, say: Language) -> Table:
    table = part.table()
    rows = []
    for number, arm in enumerate(part.arms):
        mean, low, high = paired.interval(table[arm].dropna().to_numpy())
        row = {
            say("step", "paso"): str(number),
            say("choice", "decisión"): say("assignment's network", "red de la tarea")
            if number == 0
            else say.arm(arm),
            say("new value", "valor nuevo"): ""
            if number == 0
            else changed(part.values[part.arms[number - 1]], part.values[arm], say),
            say("val. accuracy %", "exactitud val. %"): shown_accuracy(mean, low, high, say),
            "n": int(found.loc[arm, "n"] if number else table[arm].count()),
        }
        for key, heading in (
            ("gain", ("gain", "ganancia")),
            ("total", ("total gain", "ganancia total")),
        ):
            row[say(*heading)] = ""
            if number:
                step = found.loc[arm]
                ends = ("low", "high") if key == "gain" else ("total_low", "total_high")
                between = say.between(*(step[end] for end in ends))
                row[say(*heading)] = f"{say.points(step[key])} {between}"
        rows.append(row)
    caption = say(
        "The path: mean validation accuracy over seeds after each step, with its 95 % interval. The "
        "gain is the difference from the previous step, the total gain the difference from the "
        "assignment's network; both are in points, paired by seed, with 95 % intervals.",
        "El camino: exactitud de validación media entre semillas tras cada paso, con su intervalo "
        "del 95 %. La ganancia es la diferencia con el paso anterior y la ganancia total, la "
        "diferencia con la red de la tarea; ambas en puntos, por parejas de semilla, con "
        "intervalos del 95 %.",
    )
    trials = [part.trials(arm) for arm in part.arms]
    numbers = found.reindex(part.arms).rename_axis("choice").reset_index()
    return Table("path", caption, pd.DataFrame(rows), numbers, trials)


def changed(before: Json, after: Json, say: Language) -> str:
    """Return, in words, the values of a configuration that differ from another configuration."""
    new = {k: v for k, v in after.items() if before.get(k) != v}
    off = [k for k, v in new.items() if v is False]
    words = shown(pd.Series(new, dtype=object), list(new), say)
    return ", ".join(filter(None, [words, *(say(f"no {k}", f"sin {k}") for k in off)]))


def race_table(races: list[Part], path: list[str], say: Language) -> Table:
    """Return the choices that raced for each step, their seeds and the winner.

    path: the arms of the path, from its start, so that the winner of step n is path[n].
    """
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
            outcome = say("eliminated", "eliminada")
            if step >= len(path):
                outcome = say("racing", "en carrera")
            elif path[step] == arm:
                outcome = say("winner", "ganadora")
            rows.append(
                {
                    say("step", "paso"): str(step),
                    say("choice", "decisión"): say.arm(arm),
                    say("seeds", "semillas"): seeds,
                    say("mean val. accuracy %", "exactitud val. media %"): say.number(100 * mean),
                    say("result", "resultado"): outcome,
                }
            )
            numbers.append({"step": step, "choice": arm, "seeds": seeds, "val_accuracy": mean})
            trials.append(part.trials(arm))
    caption = say(
        "The races. Each round adds one seed, and the best third of the choices goes on to the next "
        "round. Means are over the seeds of each choice, so they are comparable only within a "
        "round. With so few seeds, the order of choices with similar means is uncertain.",
        "Las carreras. Cada ronda añade una semilla y el mejor tercio de las decisiones pasa a la "
        "siguiente. Las medias son de las semillas de cada decisión, así que solo son comparables "
        "dentro de una ronda. Con tan pocas semillas, el orden de las decisiones con medias "
        "parecidas es incierto.",
    )
    return Table("path-races", caption, pd.DataFrame(rows), pd.DataFrame(numbers), trials)


def leave_one_out(part: Part, say: Language) -> list[Block]:
    unfinished = comparison.missing(part, say)
    compared = paired.compare(part.table(), part.reference)
    if compared["low"].isna().all():
        waiting = say(
            "No reverted choice is measured yet.", "Aún no se midió ninguna decisión revertida."
        )
        return [*unfinished, Text(waiting)]
    worse = compared[compared["high"] < 0].sort_values("difference")
    better = compared[compared["low"] > 0]
    listed = by_arm(worse["difference"], say)
    text = say(
        "Each choice alone is changed back to the default of the search space. The default is not "
        "always the value in the assignment's network, so this is not the path in reverse. "
        f"Reverting these choices loses accuracy (interval below 0): {listed or 'none'}. ",
        "Cada decisión por separado vuelve al valor por defecto del espacio de búsqueda. Ese valor "
        "no siempre es el de la red de la tarea, así que esto no es el camino a la inversa. "
        "Al revertir estas decisiones se pierde exactitud (intervalo por debajo de 0): "
        f"{listed or 'ninguna'}. ",
    )
    if len(better):
        listed = by_arm(better["difference"], say)
        text += say(
            f"Reverting these choices gains accuracy (interval above 0): {listed}. ",
            f"Al revertir estas decisiones se gana exactitud (intervalo por encima de 0): {listed}. ",
        )
    rest = [say.arm(n) for n in compared.index[(compared["low"] <= 0) & (compared["high"] >= 0)]]
    if rest:
        text += say(
            f"The interval includes 0 for {say.several(rest)}: there is no evidence that reverting "
            "any of them alone loses accuracy. ",
            f"El intervalo incluye el 0 en {say.several(rest)}: nada indica que revertir una sola "
            "de ellas pierda exactitud. ",
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
            say("reverted choice", "decisión revertida"): say.arm(arm),
            say("new value", "valor nuevo"): changed(
                part.values[part.reference], part.values[arm], say
            ),
            say("points", "puntos"): f"{say.points(row['difference'])} "
            f"{say.between(row['low'], row['high'])}",
            "n": row["n"],
        }
        for arm, row in compared.sort_values("difference").iterrows()
    ]
    caption = say(
        "Validation accuracy of the final network with one choice at its default, minus that of "
        f"the final network, after {part.epochs} epochs. Differences are in points, paired by "
        "seed, with 95 % intervals.",
        "Exactitud de validación de la red final con una decisión en su valor por defecto, menos "
        f"la de la red final, tras {part.epochs} épocas. Diferencias en puntos, por parejas de "
        "semilla, con intervalos del 95 %.",
    )
    ordered = compared.sort_values("difference")
    return [
        *unfinished,
        Text(text),
        Plot(
            "leave-one-out",
            say(
                "Effect of reverting each choice on validation accuracy: mean and 95 % interval.",
                "Efecto de revertir cada decisión en la exactitud de validación: media e intervalo "
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
