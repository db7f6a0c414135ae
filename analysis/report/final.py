"""The section on the final network: its choice among candidates on fresh seeds, its training."""

import numpy as np
import pandas as pd

from analysis.evidence import paired
from analysis.evidence.arms import Part, parts
from analysis.evidence.finals import chosen_candidate
from analysis.evidence.study import Study
from analysis.report import comparison, figures
from analysis.report.blocks import Block, Chapter, Code, Plot, Table, Text
from analysis.report.cells import capital
from analysis.report.keras_code import code, parameters
from analysis.report.searched import shown
from analysis.words.language import Language
from analysis.words.terms import terms
from search.records.parts import AUGMENTED, BASELINE, FINAL


def sections(study: Study, search: Study | None, say: Language) -> list[Chapter]:
    """Plan the section. search: the search that the candidates came from."""
    title = terms(study, say).numbered(
        "4.1", "The final network: choice and training", "La red final: elección y entrenamiento"
    )
    return [Chapter("regularization-final", title, lambda: choice(study, search, say))]


def choice(study: Study, search: Study | None, say: Language) -> list[Block]:
    found = {part.name: part for part in parts(study)}
    tried = found["choice"]
    slow = study.final_arguments.too_slow
    blocks: list[Block] = [
        *comparison.missing(tried, say),
        Text(procedure(study, tried, say)),
        *([Text(left_out(slow, search, say))] if slow else []),
        candidates(tried, search, say),
    ]
    if "final" not in found or found["final"].table().notna().sum().min() == 0:
        waiting = say(
            "The final network has not been trained yet.", "La red final aún no se ha entrenado."
        )
        return [*blocks, Text(waiting)]
    blocks += [
        Text(chosen(tried, found["final"], say)),
        *as_code(study, found["final"], say),
        *comparison.missing(found["final"], say),
        *training(found["final"], say),
    ]
    if "augmented" in found:
        blocks += augmented(found["augmented"], say)
    return blocks


def as_code(study: Study, final: Part, say: Language) -> list[Block]:
    """Return the Keras code of the built-in final network, with the number of its parameters."""
    if study.own or study.facts is None:
        return []
    values = final.values[FINAL]
    count = say.number(parameters(values, study.facts), 0)
    text = say(
        f"The final network has {count} parameters. This Keras code builds it:",
        f"La red final tiene {count} parámetros. Este código de Keras la construye:",
    )
    return [Text(text), Code(code(values, study.facts, final.epochs))]


def procedure(study: Study, tried: Part, say: Language) -> str:
    """Describe how the final network was chosen, from the study's own record."""
    told = terms(study, say)
    most = say("the most accurate epoch", "la de mayor exactitud")
    if not told.share:
        most = say(f"the epoch of the best {told.name}", f"la de mejor {told.name}")
    epochs, patience = tried.epochs, study.patience
    watched = study.watched_from
    search, count = study.search, len(tried.arms)
    seeds = tried.runs["seed"].nunique()
    slowest = study.final_arguments.epoch_seconds
    fast = ""
    if slowest:
        limit = say.short(slowest)
        fast = say(
            f" that take at most {limit} s per epoch", f" que tardan como mucho {limit} s por época"
        )
    text = say(
        f"The {count} best configurations of the search {search}{fast} were trained again on "
        f"{seeds} fresh seeds, for at most {epochs} epochs. Half of each run's validation "
        f"{told.examples} chose the epoch whose weights are kept: {most} from epoch {watched} on. "
        f"Training stops after {patience} epochs without improvement",
        f"Las {count} mejores configuraciones de la búsqueda {search}{fast} se entrenaron de nuevo "
        f"con {seeds} semillas nuevas, como mucho {epochs} épocas. La mitad de las {told.examples} "
        f"de validación de cada prueba eligió la época cuyos pesos se conservan: {most} "
        f"a partir de la época {watched}. El entrenamiento para tras {patience} épocas sin mejora",
    )
    if watched + patience >= epochs:
        text += say(
            f" (which cannot happen within {epochs} epochs)",
            f" (lo que no puede ocurrir en {epochs} épocas)",
        )
    return text + say(
        ". The other half, which chose no epoch, judged the run. The candidate with the best mean "
        f"is the final network. It and the {told.baseline} were then trained in the same way "
        f"on seeds that chose nothing. All seeds split the same training {told.examples}, so some "
        f"{told.examples} that judge here also helped to choose in the search or among the "
        "candidates.",
        ". La otra mitad, que no eligió época, juzgó la prueba. La candidata con la mejor media es "
        f"la red final. Después, esta y la {told.baseline} se entrenaron del mismo modo con "
        f"semillas que no eligieron nada. Todas las semillas reparten las mismas {told.examples} de "
        f"entrenamiento, así que algunas {told.examples} que aquí juzgan también ayudaron a elegir en la "
        "búsqueda o entre las candidatas.",
    )


def left_out(slow: dict[str, float], search: Study | None, say: Language) -> str:
    """Name the configurations that were excluded because an epoch takes too long."""
    listed = []
    for name, seconds in slow.items():
        trial = name.removeprefix("trial ")
        score = ""
        if search is not None and trial in search.trials.index:
            score = f"{terms(search, say).value(search.trials.loc[trial, 'score'])}, "
        listed.append(f"{say('trial', 'prueba')} {trial} ({score}{say.number(seconds, 0)} s)")
    return say(
        "Excluded because an epoch takes too long, regardless of the result in the search: "
        f"{say.several(listed)}.",
        "Excluidas porque una época tarda demasiado, sin tener en cuenta su resultado en la "
        f"búsqueda: {say.several(listed)}.",
    )


def candidates(tried: Part, search: Study | None, say: Language) -> Table:
    """Return each candidate's score in the search and its result on fresh seeds and examples."""
    told = terms(tried.study, say)
    headings = (
        (
            say("search accuracy %", "exactitud en la búsqueda %"),
            say("held-out accuracy %", "exactitud apartada %"),
        )
        if told.share
        else (
            say(f"{told.name} in the search", f"{told.name} en la búsqueda"),
            say(f"held-out {told.name}", f"{told.name} apartada"),
        )
    )
    table = tried.table()
    values = pd.DataFrame([tried.values[arm] for arm in tried.arms], tried.arms, dtype=object)
    varied = [name for name in values if values[name].nunique(dropna=False) > 1] or list(values)
    rows, numbers = [], []
    for arm in tried.arms:
        mean, low, high = paired.interval(table[arm].dropna().to_numpy())
        trial = arm.removeprefix("trial ")
        known = search is not None and trial in search.trials.index
        before = search.trials.loc[trial, "score"] if search is not None and known else np.nan
        rows.append(
            {
                say("candidate", "candidata"): say.arm(arm),
                say("configuration", "configuración"): shown(values.loc[arm], varied, say),
                headings[0]: told.cell(before),
                headings[1]: told.mean(mean, low, high),
                "n": int(table[arm].count()),
            }
        )
        numbers.append({"arm": arm, "search": before, "held_out": mean, "low": low, "high": high})
    name = tried.objective.name
    caption = told.direction + say(
        f"The candidates. The result in the search is its best {name}. The held-out result "
        f"is measured on {told.examples} that neither trained the run nor chose its epoch: mean and "
        "95 % interval over seeds. Hyperparameters that all candidates share are not shown.",
        f"Las candidatas. El resultado en la búsqueda es su mejor {name}. El resultado apartado "
        f"se mide con {told.examples} que ni entrenaron la prueba ni eligieron su época: media e "
        "intervalo del 95 % entre semillas. Se omiten los hiperparámetros comunes a todas.",
    )
    trials = [tried.trials(arm) for arm in tried.arms]
    return Table("final-candidates", caption, pd.DataFrame(rows), pd.DataFrame(numbers), trials)


def chosen(tried: Part, final: Part, say: Language) -> str:
    """Say which candidate was chosen, how clear the choice was, and all its hyperparameters."""
    arm = chosen_candidate(final.study)
    told = terms(final.study, say)
    failed = tried.runs[tried.runs["status"] == "FAILED"]
    table = tried.table().copy()
    others = [other for other in tried.arms if other != arm]
    if told.share:
        # As in the choice itself: a failed run counts as an accuracy of 0.
        for run in failed.itertuples():
            table.loc[run.seed, run.arm] = 0.0
    else:
        others = [other for other in others if other not in set(failed["arm"])]
    others = [other for other in others if table[other].notna().any()]
    text = say(
        f"The chosen candidate is {say.arm(arm)}. ", f"La candidata elegida es la {say.arm(arm)}. "
    )
    if others and table[arm].count() >= 2:
        second = final.study.best(table[others].mean())
        mean, low, high = paired.interval((table[arm] - table[second]).dropna().to_numpy())
        ahead = high < 0 if told.lower else low > 0
        by = f"{told.signed(mean)}{told.points} {told.between(low, high)}"
        quantity = say("accuracy", "exactitud") if told.share else told.name
        text += say(
            f"Its {quantity} minus that of the next best is {by}: "
            f"{'it is clearly ahead' if ahead else 'the order of the two is uncertain'}. ",
            f"Su {quantity} menos la de la siguiente es de {by}: "
            f"{'va claramente por delante' if ahead else 'el orden de ambas es incierto'}. ",
        )
    row = pd.Series(final.values[FINAL], dtype=object)
    return (
        text
        + say("Its hyperparameters: ", "Sus hiperparámetros: ")
        + shown(row, list(row.index), say)
        + "."
    )


def augmented(part: Part, say: Language) -> list[Block]:
    """Describe the final network trained on augmented images, with its accuracy."""
    unfinished = comparison.missing(part, say)
    own = part.table()[AUGMENTED].dropna()
    if not len(own):
        return unfinished
    scores = terms(part.study, say).mean(*paired.interval(own.to_numpy()))
    kind = part.values[AUGMENTED]["augmentation"]
    text = say(
        "In addition, the final network was trained on augmented images, mirrored or shifted anew "
        f"in every epoch ({kind}), for at most {part.epochs} epochs and with half the dropout. This "
        "network is not a candidate, because its images differ. Its gain comes from the images, "
        f"the epochs and the dropout together. Held-out accuracy: {scores} %, n = {len(own)}.",
        "Además, la red final se entrenó con imágenes aumentadas, reflejadas o desplazadas de "
        f"nuevo en cada época ({kind}), como mucho {part.epochs} épocas y con la mitad de dropout. "
        "Esta red no es candidata, porque sus imágenes son distintas. Su ganancia se debe a las "
        "imágenes, las épocas y el dropout en conjunto. "
        f"Exactitud apartada: {scores} %, n = {len(own)}.",
    )
    return [*unfinished, Text(text)]


def training(final: Part, say: Language) -> list[Block]:
    """Say where the runs stopped, and show the training curve of the final network's first seed."""
    told, name = terms(final.study, say), final.objective.name
    own = final.curves[final.curves["arm"] == FINAL]
    stops = own.groupby("seed")["epoch"].max()
    restored = own[own["epoch"] == own["trial"].map(final.study.restored)]
    best = restored.set_index("seed")["epoch"]
    to_the_end = int((stops == final.epochs).sum())
    text = say(
        f"{to_the_end} of {len(stops)} runs trained for the full {final.epochs} epochs; the "
        f"restored weights come from epochs {best.min()} to {best.max()} (lower median "
        f"{paired.middle(list(best)):.0f}).",
        f"{to_the_end} de {len(stops)} pruebas completaron las {final.epochs} épocas; los pesos "
        f"restaurados son de las épocas {best.min()} a {best.max()} (mediana inferior "
        f"{paired.middle(list(best)):.0f}).",
    )
    if told.train != name and told.train in restored and restored[told.train].notna().any():
        gap = float((restored[told.train] - restored[name]).mean())
        shown_gap = f"{told.signed(gap)}{told.points}"
        one, other = (
            (say("training accuracy", "la exactitud de entrenamiento"), say("accuracy", "la"))
            if told.share
            else (told.train, name)
        )
        text += say(
            f" At that epoch, {one}, measured during training, minus {other} on the "
            f"{told.examples} that chose the epoch is {shown_gap}.",
            f" En esa época, {one}, medida al entrenar, menos {other} de las {told.examples} que "
            f"eligieron la época es de {shown_gap}.",
        )
    quantity = capital(told.trained)
    first = int(stops.index[0])
    curve = own[own["seed"] == first]
    return [
        Text(text),
        *baseline_rise(final, say),
        Plot(
            "final-curve",
            say(
                f"{quantity} of the final network by epoch, seed {first}. The validation curve is of "
                f"the half of the {told.examples} that chose the epoch. The line marks epoch "
                f"{best[first]}, whose weights were restored; training ended after epoch "
                f"{stops[first]}.",
                f"{quantity} de la red final por época, semilla {first}. La curva de validación es de "
                f"la mitad de las {told.examples} que eligió la época. La línea marca la época "
                f"{best[first]}, cuyos pesos se restauraron; el entrenamiento acabó tras la época "
                f"{stops[first]}.",
            ),
            lambda: figures.training_curve(curve, int(best[first]), told),
            say("trial ", "prueba ") + str(curve["trial"].iloc[0]),
        ),
    ]


def baseline_rise(final: Part, say: Language) -> list[Block]:
    """Say whether the baseline, with its constant learning rate, was still improving.

    The measure is the least-squares slope of the objective by seed, over the epochs that early
    stopping watched. Empty if a run was stopped early, since it had converged, or if early
    stopping watched only one epoch.
    """
    told = terms(final.study, say)
    own = final.curves[final.curves["arm"] == BASELINE]
    stops = own.groupby("seed")["epoch"].max()
    first = final.study.watched_from
    if len(stops) < 2 or stops.min() < final.epochs or first == final.epochs:
        return []
    late = own[own["epoch"] >= first].groupby("seed")
    slopes = [np.polyfit(run["epoch"], run[final.objective.name], 1)[0] for _, run in late]
    rise, low, high = paired.interval(np.array(slopes))
    shown_rise = told.difference(rise, low, high)
    if told.share:
        shown_rise = f"{say.points(rise, 3)} {say.between(low, high, 3)}"
    quantity = say("The validation accuracy", "La exactitud de validación")
    if told.objective.name != "val_accuracy":
        quantity = say(f"The {told.name}", f"La {told.name}")
    text = say(
        f"{quantity} of the {told.baseline} changes from epoch "
        f"{first} to {final.epochs} by {shown_rise}{told.points} per epoch: ",
        f"{quantity} de la {told.baseline} cambia de la época {first} a la "
        f"{final.epochs} en {shown_rise}{told.points} por época: ",
    )
    if high < 0 and told.lower:
        text += say(
            "it was still falling. More epochs might reduce its distance from the final network at "
            f"{final.epochs} epochs.",
            "aún bajaba. Con más épocas, podría reducirse su distancia a la red final a las "
            f"{final.epochs} épocas.",
        )
    elif told.lower:
        text += say(
            "there is no evidence that it was still falling.", "nada indica que aún bajara."
        )
    elif low > 0:
        text += say(
            "it was still rising. More epochs might reduce its distance from the final network at "
            f"{final.epochs} epochs.",
            "aún subía. Con más épocas, podría reducirse su distancia a la red final a las "
            f"{final.epochs} épocas.",
        )
    else:
        text += say(
            "there is no evidence that it was still rising.", "nada indica que aún subiera."
        )
    return [Text(text)]
