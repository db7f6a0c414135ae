"""The section on how the final network was chosen: candidates on fresh seeds, and its training."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.evidence import paired
from analysis.evidence.arms import Json, Part, parts
from analysis.evidence.trials import Study
from analysis.report import comparison, figures
from analysis.report.blocks import Block, Plot, Table, Text
from analysis.report.comparison import shown_accuracy
from analysis.report.searched import shown
from analysis.words.language import Language

BASELINE, FINAL, AUGMENTED = "assignment", "final", "augmented"
"""The arms of the last parts, as `search final` names them."""


def sections(
    study: Study, search: Study | None, say: Language
) -> list[tuple[str, str, Callable[[], list[Block]]]]:
    """(key, title, what makes its blocks). search: the one that the candidates came from."""
    title = say(
        "4.1 · The final network: choice and training",
        "4.1 · La red final: elección y entrenamiento",
    )
    return [("regularization-final", title, lambda: choice(study, search, say))]


def choice(study: Study, search: Study | None, say: Language) -> list[Block]:
    found = {part.name: part for part in parts(study)}
    tried = found["choice"]
    slow = study.about["arguments"].get("too_slow", {})
    blocks: list[Block] = [
        *comparison.missing(tried, say),
        Text(procedure(study, tried, say)),
        *([Text(left_out(slow, search, say))] if slow else []),
        candidates(tried, search, say),
    ]
    if "final" not in found or found["final"].table().notna().sum().min() == 0:
        waiting = say("The final part has not been trained.", "La parte final no se ha entrenado.")
        return [*blocks, Text(waiting)]
    blocks += [
        Text(chosen(tried, found["final"], say)),
        *comparison.missing(found["final"], say),
        *training(found["final"], say),
    ]
    if "augmented" in found:
        blocks += augmented(found["augmented"], say)
    return blocks


def chosen_values(study: Study) -> Json:
    """The values of the final network; none before it is chosen."""
    found = (p["arms"][FINAL] for p in study.about["parts"] if FINAL in p["arms"])
    return next(found, {})


def chosen_candidate(study: Study) -> str:
    """The name of the candidate that is the final network, "trial 0123"; none before the choice."""
    values = chosen_values(study)
    candidates = study.about["arguments"]["configurations"]
    return next((name for name, own in candidates.items() if own == values), "")


def procedure(study: Study, tried: Part, say: Language) -> str:
    """What was done, from the study's own record."""
    epochs, patience = tried.epochs, study.about["patience"]
    watched = study.about["watched_from"] + 1
    search, count = study.about["arguments"]["search"], len(tried.arms)
    seeds = tried.runs["seed"].nunique()
    slowest = study.about["arguments"].get("epoch_seconds")
    fast = ""
    if slowest:
        limit = say.short(slowest)
        fast = say(f" that take up to {limit} s an epoch", f" de hasta {limit} s por época")
    text = say(
        f"The {count} best configurations of the search {search}{fast} were "
        f"trained again on {seeds} fresh seeds, for {epochs} epochs at most. Half of each run's "
        "validation images chose the epoch whose weights it keeps, that of the best accuracy from "
        f"epoch {watched} on; {patience} epochs without a better one end a run",
        f"Las {count} mejores configuraciones de la búsqueda {search}{fast} se "
        f"entrenaron de nuevo con {seeds} semillas nuevas, {epochs} épocas como mucho. La mitad de "
        "las imágenes de "
        "validación de cada prueba eligió la época cuyos pesos conserva, la de mejor exactitud a "
        f"partir de la época {watched}; {patience} épocas sin una mejor acaban la prueba",
    )
    if watched + patience >= epochs:
        text += say(
            f" (which cannot come about in {epochs})", f" (lo que en {epochs} no puede darse)"
        )
    return text + say(
        ". The other half, which chose no epoch, judged it. The best on average is the final "
        "network. It and the assignment's were then trained in the same way on seeds that chose "
        "nothing. All seeds split the same training images: some that judge here have helped to "
        "choose in the search or among the candidates.",
        ". La otra mitad, que no eligió época, la juzgó. La mejor en media es la red final. Esta y "
        "la de la tarea se entrenaron después, del mismo modo, con semillas que no eligieron nada. "
        "Todas las semillas reparten las mismas imágenes de entrenamiento: algunas de las que aquí "
        "juzgan ayudaron a elegir en la búsqueda o entre las candidatas.",
    )


def left_out(slow: dict[str, float], search: Study | None, say: Language) -> str:
    """What was not tried for the time it takes."""
    listed = []
    for name, seconds in slow.items():
        trial = name.removeprefix("trial ")
        score = ""
        if search is not None and trial in search.trials.index:
            score = f"{say.percent(search.trials.loc[trial, 'score'])}, "
        listed.append(f"{say('trial', 'prueba')} {trial} ({score}{say.number(seconds, 0)} s)")
    return say(
        "Left out because an epoch takes too long, whatever their accuracy in the search: "
        f"{say.several(listed)}.",
        "Fuera porque una época tarda demasiado, sea cual sea su exactitud en la búsqueda: "
        f"{say.several(listed)}.",
    )


def candidates(tried: Part, search: Study | None, say: Language) -> Table:
    """Each candidate's score in the search beside what fresh seeds and images say of it."""
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
                say("in the search %", "en la búsqueda %"): say.number(100 * before),
                say("held-out accuracy %", "exactitud apartada %"): shown_accuracy(
                    mean, low, high, say
                ),
                "n": int(table[arm].count()),
            }
        )
        numbers.append({"arm": arm, "search": before, "held_out": mean, "low": low, "high": high})
    caption = say(
        "The candidates: best val_accuracy in the search, and accuracy on images that neither "
        "trained nor chose the epoch, mean and 95 % interval over seeds. What all share is left out.",
        "Las candidatas: mejor val_accuracy en la búsqueda, y exactitud con imágenes que ni "
        "entrenaron ni eligieron época, media e intervalo del 95 % entre semillas. Se omite lo "
        "común.",
    )
    trials = [tried.trials(arm) for arm in tried.arms]
    return Table("final-candidates", caption, pd.DataFrame(rows), pd.DataFrame(numbers), trials)


def chosen(tried: Part, final: Part, say: Language) -> str:
    """Which candidate was chosen, how clearly, and what all of it is."""
    arm = chosen_candidate(final.study)
    # As in the choice itself: a failed run counts as an accuracy of 0.
    failed = tried.runs[tried.runs["status"] == "FAILED"]
    table = tried.table()
    for run in failed.itertuples():
        table.loc[run.seed, run.arm] = 0.0
    others = [other for other in tried.arms if other != arm]
    text = say(f"Chosen: {say.arm(arm)}. ", f"Elegida: {say.arm(arm)}. ")
    if others and table[arm].count() >= 2:
        second = table[others].mean().idxmax()
        mean, low, high = paired.interval((table[arm] - table[second]).dropna().to_numpy())
        text += say(
            f"It is {say.points(mean)} points {say.between(low, high)} from the next best: "
            f"{'clearly ahead' if low > 0 else 'the order of the two is not settled'}. ",
            f"Está a {say.points(mean)} puntos {say.between(low, high)} de la siguiente: "
            f"{'claramente por delante' if low > 0 else 'el orden de ambas no está decidido'}. ",
        )
    row = pd.Series(final.values[FINAL], dtype=object)
    return (
        text
        + say("All its values: ", "Todos sus valores: ")
        + shown(row, list(row.index), say)
        + "."
    )


def augmented(part: Part, say: Language) -> list[Block]:
    """The final network on images moved about, and how well it does then."""
    unfinished = comparison.missing(part, say)
    own = part.table()[AUGMENTED].dropna()
    if not len(own):
        return unfinished
    scores = shown_accuracy(*paired.interval(own.to_numpy()), say)
    kind = part.values[AUGMENTED]["augmentation"]
    text = say(
        "Apart from this, the final network was trained on images mirrored or shifted anew in every "
        f"epoch ({kind}), for {part.epochs} epochs at most and with half its dropout. It is no "
        "candidate, its images being others; what it gains is by the three together, images, "
        f"epochs and dropout. Held-out accuracy: {scores} %, n = {len(own)}.",
        "Aparte, la red final se entrenó con imágenes reflejadas o desplazadas de nuevo en cada "
        f"época ({kind}), {part.epochs} épocas como mucho y con la mitad de dropout. No es "
        "candidata, al ser otras sus imágenes; lo que gana se debe a las tres cosas juntas, "
        f"imágenes, épocas y dropout. Exactitud apartada: {scores} %, n = {len(own)}.",
    )
    return [*unfinished, Text(text)]


def training(final: Part, say: Language) -> list[Block]:
    """Where the runs stopped, the baseline's too, and the curve of the final network's first seed."""
    own = final.curves[final.curves["arm"] == FINAL]
    stops = own.groupby("seed")["epoch"].max()
    restored = own[own["epoch"] == own["trial"].map(final.study.restored)]
    best = restored.set_index("seed")["epoch"]
    gap = float((restored["accuracy"] - restored["val_accuracy"]).mean())
    to_the_end = int((stops == final.epochs).sum())
    text = say(
        f"Of {len(stops)} runs {to_the_end} went on to epoch {final.epochs}; the weights restored "
        f"are of epochs {best.min()} to {best.max()} (median {best.median():.0f}). There, accuracy "
        f"on the training images, measured while training, is {say.points(gap)} points from that on "
        "the images that chose the epoch.",
        f"De {len(stops)} pruebas, {to_the_end} llegaron a la época {final.epochs}; los pesos "
        f"restaurados son de las épocas {best.min()} a {best.max()} (mediana {best.median():.0f}). "
        "Ahí, la exactitud con las imágenes de entrenamiento, medida al entrenar, está a "
        f"{say.points(gap)} puntos de la de las imágenes que eligieron la época.",
    )
    first = int(stops.index[0])
    curve = own[own["seed"] == first]
    return [
        Text(text),
        *baseline_rise(final, say),
        Plot(
            "final-curve",
            say(
                f"The final network, seed {first}: accuracy by epoch, validation on the half of the "
                "images that chose the epoch. The line marks the epoch whose weights were restored, "
                f"{best[first]}; training ended after epoch {stops[first]}.",
                f"La red final, semilla {first}: exactitud por época, la de validación con la mitad "
                "de las imágenes que eligió la época. La línea marca la época cuyos pesos se "
                f"restauraron, {best[first]}; el entrenamiento acabó tras la época {stops[first]}.",
            ),
            lambda: figures.training_curve(curve, int(best[first]), say),
            say("trial ", "prueba ") + str(curve["trial"].iloc[0]),
        ),
    ]


def baseline_rise(final: Part, say: Language) -> list[Block]:
    """Whether the assignment's network, whose learning rate stays, had come to its end.

    By seed, the slope (least squares) of val_accuracy over the epochs that early stopping looked at.
    Nothing is said where runs were stopped before their last epoch: those had. Nor of one epoch.
    """
    own = final.curves[final.curves["arm"] == BASELINE]
    stops = own.groupby("seed")["epoch"].max()
    first = final.study.about["watched_from"] + 1
    if len(stops) < 2 or stops.min() < final.epochs or first == final.epochs:
        return []
    late = own[own["epoch"] >= first].groupby("seed")
    slopes = [np.polyfit(run["epoch"], run["val_accuracy"], 1)[0] for _, run in late]
    rise, low, high = paired.interval(np.array(slopes))
    shown_rise = f"{say.points(rise, 3)} {say.between(low, high, 3)}"
    text = say(
        "The validation accuracy of the assignment's network changes from epoch "
        f"{first} to {final.epochs} by {shown_rise} points an epoch: ",
        f"La exactitud de validación de la red de la tarea cambia de la época {first} a la "
        f"{final.epochs} en {shown_rise} puntos por época: ",
    )
    if low > 0:
        text += say(
            f"it was still rising, and its distance from the final network is that at {final.epochs} "
            "epochs, which more of them might lessen.",
            f"aún subía, y su distancia a la red final es la de {final.epochs} épocas, que con más "
            "podría ser menor.",
        )
    else:
        text += say("that it still rose is not shown.", "no se muestra que aún subiera.")
    return [Text(text)]
