"""The sections on the ablation path and on reverting each choice of the final network."""

import math

import pandas as pd

from analysis.evidence import paired
from analysis.evidence.arms import Part, parts
from analysis.evidence.finals import chosen_values
from analysis.evidence.path import RATED, reverted, steps
from analysis.evidence.study import Study
from analysis.report import comparison, figures
from analysis.report.blocks import Block, Card, Chapter, Plot, Table, Text
from analysis.report.cells import capital
from analysis.report.searched import shown
from analysis.words.language import Language
from analysis.words.terms import Terms, terms

Json = dict[str, object]


def sections(study: Study, final: Study | None, say: Language) -> list[Chapter]:
    """Plan the sections. final: the final study of the same search, if it is in the report."""
    found = parts(study)
    races = [part for part in found if part.name == "race"]
    walked = next(part for part in found if part.name == "path")
    left_out = next(part for part in found if part.name == "leave-one-out")
    told = terms(study, say)
    baseline = told.baseline
    return [
        Chapter(
            "regularization-path",
            told.numbered(
                "4.1",
                f"From the {baseline} to the final network, one choice at a time",
                f"De la {baseline} a la red final, una decisión cada vez",
            ),
            lambda: [
                *elsewhere(left_out, final, say),
                *other_budget(walked, final, say),
                *path(walked, races, differ(walked, left_out), say),
            ],
        ),
        Chapter(
            "regularization-left-out",
            told.numbered(
                "4.1",
                "The final network with one choice reverted",
                "La red final con una decisión revertida",
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


def path(part: Part, races: list[Part], unfinished_yet: bool, say: Language) -> list[Block]:
    found = steps(part)
    unfinished = comparison.missing(part, say)
    name = capital(terms(part.study, say).name)
    if not len(found) or found["low"].isna().all():
        return [*unfinished, Text(say("No step is measured yet.", "Aún no se midió ningún paso."))]
    return [
        *unfinished,
        Text(path_in_words(part, found, unfinished_yet, say)),
        comparison.figure(
            part,
            "path",
            say(
                f"{name} along the path, where each step adds to the previous steps: "
                "every seed, the mean and its 95 % interval.",
                f"{name} a lo largo del camino, en el que cada paso se suma a los "
                "anteriores: cada semilla, la media y su intervalo del 95 %.",
            ),
            figures.over_seeds,
            say,
        ),
        path_table(part, found, say),
        race_table(races, part.arms, say),
    ]


def path_in_words(part: Part, found: pd.DataFrame, so_far: bool, say: Language) -> str:
    told = terms(part.study, say)
    found = found.dropna(subset=["low"])
    last = found.iloc[-1]
    loss = say("may lose accuracy", "pueden perder exactitud")
    if not told.share:
        loss = say(f"may make {told.name} worse", f"pueden empeorar {told.name}")
    text = told.direction + say(
        "Each step changed one choice: of all choices that still differed, the winner of a race on "
        f"other seeds. In the end, every choice is changed, so the last steps {loss}. "
        f"Every trial has {part.epochs} epochs. ",
        "Cada paso cambió una decisión: de todas las que aún diferían, la ganadora de una carrera "
        f"con otras semillas. Al final se cambian todas, así que los últimos pasos {loss}. "
        f"Cada prueba tiene {part.epochs} épocas. ",
    )
    gained = f"{told.signed(last['total'])}{told.points}"
    between = told.between(last["total_low"], last["total_high"])
    if so_far:
        text += say(
            f"The path is not finished. The steps so far ({len(found)}) change {told.name} by {gained} "
            f"{between}. ",
            f"El camino no ha terminado. Los pasos hasta ahora ({len(found)}) suman {gained} "
            f"{between}. ",
        )
    else:
        text += say(
            f"The total change from the {told.baseline} to the final network "
            f"(steps: {len(found)}) is {gained} {between}. ",
            f"El cambio total de la {told.baseline} a la red final (pasos: {len(found)}) es de "
            f"{gained} {between}. ",
        )
    hits = found[found["detected"]]
    for rows, english, spanish in (
        (hits[hits["gain"] > 0], "Steps whose gain is detected", "Pasos cuya ganancia se detecta"),
        (hits[hits["gain"] < 0], "Steps whose loss is detected", "Pasos cuya pérdida se detecta"),
    ):
        text += f"{say(english, spanish)}: {by_arm(rows['gain'], part, say) or say('none', 'ninguno')}. "
    return text + by_t_tests(say) + rated(list(found.index), say)


def by_arm(differences: pd.Series, part: Part, say: Language) -> str:
    """List arms with their differences."""
    told = terms(part.study, say)
    return say.several([f"{say.arm(arm)} ({told.signed(own)})" for arm, own in differences.items()])


def by_t_tests(say: Language) -> str:
    """Say how differences on few seeds are tested."""
    return say(
        "Detected: p is at most 0.05 by Student's t, with Holm's correction. So few seeds allow no test "
        "by sign changes, as the exercises have it. ",
        "Detectada: p es como mucho 0,05 con la t de Student y la corrección de Holm. Tan pocas semillas "
        "no permiten una prueba por cambios de signo, como la de los ejercicios. ",
    )


def rated(choices: list[str], say: Language) -> str:
    """Name the choices whose effect contains that of a learning rate."""
    found = [say.arm(choice) for choice in choices if choice in RATED]
    if not found:
        return ""
    return say(
        "A learning rate belongs to the optimizer, the batch size and the schedule. These choices were "
        f"changed without tuning it anew, so their effects contain that of an unfit rate: "
        f"{say.several(found)}.",
        "La tasa de aprendizaje va unida al optimizador, al tamaño de lote y a su programación. Estas "
        "decisiones se cambiaron sin volver a ajustarla, así que sus efectos contienen el de una tasa "
        f"inadecuada: {say.several(found)}.",
    )


def path_table(part: Part, found: pd.DataFrame, say: Language) -> Table:
    told = terms(part.study, say)
    table = part.table()
    rows = []
    for number, arm in enumerate(part.arms):
        mean, low, high = paired.interval(table[arm].dropna().to_numpy())
        row = {
            say("step", "paso"): str(number),
            say("choice", "decisión"): told.baseline if number == 0 else say.arm(arm),
            say("new value", "valor nuevo"): ""
            if number == 0
            else changed(part.values[part.arms[number - 1]], part.values[arm], say),
            told.short: told.mean(mean, low, high),
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
                row[say(*heading)] = told.difference(step[key], *(step[end] for end in ends))
        row["p (t, Holm)"] = say.p(found.loc[arm, "p_holm"]) if number else ""
        rows.append(row)
    caption = told.direction + say(
        f"The path: mean {told.name} over seeds after each step, with its 95 % interval. The "
        "gain is the difference from the previous step, the total gain the difference from the "
        f"{told.baseline}; both are paired by seed, with 95 % intervals{told.in_points}.",
        f"El camino: media de {told.name} entre semillas tras cada paso, con su intervalo "
        "del 95 %. La ganancia es la diferencia con el paso anterior y la ganancia total, la "
        f"diferencia con la {told.baseline}; ambas por parejas de semilla, con "
        f"intervalos del 95 %{told.in_points}.",
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
    told = terms(races[0].study, say) if races else Terms(say)
    objective = told.objective.name
    worst = math.inf if told.lower else -math.inf
    rows, numbers, trials = [], [], []
    by_step: dict[int, list[Part]] = {}
    for part in races:
        by_step.setdefault(part.level or 0, []).append(part)
    for step, rounds in by_step.items():
        last = {arm: part for part in rounds for arm in part.arms}
        means = {arm: last[arm].table()[arm].mean() for arm in last}
        means = {arm: worst if math.isnan(mean) else mean for arm, mean in means.items()}
        towards = 1 if told.lower else -1
        ranked = sorted(
            last,
            key=lambda arm: (-len(last[arm].seeds()), towards * means[arm]),
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
                    say("mean ", "media de ") + told.short: told.cell(mean),
                    say("result", "resultado"): outcome,
                }
            )
            numbers.append({"step": step, "choice": arm, "seeds": seeds, objective: mean})
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
    if len(part.arms) == 1:
        nothing = say(
            "Every choice of the final network is the default, so there is nothing to revert.",
            "Todas las decisiones de la red final son las de por defecto: no hay nada que revertir.",
        )
        return [*unfinished, Text(nothing)]
    compared = reverted(part)
    if compared["low"].isna().all():
        waiting = say(
            "No reverted choice is measured yet.", "Aún no se midió ninguna decisión revertida."
        )
        return [*unfinished, Text(waiting)]
    told = terms(part.study, say)
    hits = compared[compared["detected"]]
    below, above = hits[hits["difference"] < 0], hits[hits["difference"] > 0]
    worse, better = (above, below) if told.lower else (below, above)
    worse = worse.sort_values("difference", ascending=not told.lower)
    listed = by_arm(worse["difference"], part, say)
    quantity = say("accuracy", "exactitud") if told.share else told.name
    start = say(
        "The default is not always the value in the assignment's network, so this is not the path in "
        "reverse. ",
        "Ese valor no siempre es el de la red de la tarea, así que esto no es el camino a la "
        "inversa. ",
    )
    if told.own:
        start = ""
    text = told.direction + say(
        "Each choice alone is changed back to the default of the search space. "
        f"{start}Choices whose reversal makes {quantity} worse: {listed or 'none'}. ",
        "Cada decisión por separado vuelve al valor por defecto del espacio de búsqueda. "
        f"{start}Decisiones que, al revertirse, empeoran la {quantity}: {listed or 'ninguna'}. ",
    )
    if len(better):
        listed = by_arm(better["difference"], part, say)
        text += say(
            f"Choices whose reversal makes {quantity} better: {listed}. ",
            f"Decisiones que, al revertirse, mejoran la {quantity}: {listed}. ",
        )
    rest = [say.arm(n) for n in compared.index[~compared["detected"] & compared["low"].notna()]]
    if rest:
        text += say(
            f"No difference was detected for {say.alternatives(rest)}. ",
            f"No se detecta diferencia en {say.alternatives(rest)}. ",
        )
    few = [say.arm(n) for n in compared.index[compared["low"].isna()]]
    if few:
        text += say(
            f"Too few finished runs to compare: {say.several(few)}. ",
            f"Muy pocas pruebas terminadas para comparar: {say.several(few)}. ",
        )
    text += by_t_tests(say) + rated(list(compared.index), say)
    ordered = compared.sort_values("difference", ascending=not told.lower)
    rows = [
        {
            say("reverted choice", "decisión revertida"): say.arm(arm),
            say("new value", "valor nuevo"): changed(
                part.values[part.reference], part.values[arm], say
            ),
            say("difference", "diferencia") + told.unit: told.difference(
                row["difference"], row["low"], row["high"]
            ),
            "p (t, Holm)": say.p(row["p_holm"]),
            "n": row["n"],
        }
        for arm, row in ordered.iterrows()
    ]
    name = capital(told.name)
    caption = told.direction + say(
        f"{name} of the final network with one choice at its default, minus that of "
        f"the final network, at the end of {part.epochs} epochs. Differences are paired by "
        f"seed, with 95 % intervals{told.in_points}.",
        f"{name} de la red final con una decisión en su valor por defecto, menos "
        f"la de la red final, al final de {part.epochs} épocas. Diferencias por parejas de "
        f"semilla, con intervalos del 95 %{told.in_points}.",
    )
    return [
        *unfinished,
        Text(text),
        Plot(
            "leave-one-out",
            say(
                f"Effect of reverting each choice on {told.name}: mean and 95 % interval.",
                f"Efecto de revertir cada decisión en {told.name}: media e intervalo del 95 %.",
            ),
            lambda: figures.differences(ordered, told),
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
