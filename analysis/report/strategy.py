"""The section that tells how the final network was come by: searches, choice, path, in order."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import pandas as pd

from analysis.evidence import paired
from analysis.evidence.arms import Part, parts
from analysis.evidence.trials import Study
from analysis.report.ablation import differ, steps
from analysis.report.blocks import Block, Table, Text
from analysis.report.final import AUGMENTED, BASELINE, FINAL, chosen_candidate, chosen_values
from analysis.report.opening import ledger
from analysis.words.language import Language


def sections(
    final: Study, searches: list[Study], walked: Study | None, say: Language
) -> list[tuple[str, str, Callable[[], list[Block]]]]:
    """(key, title, what makes its blocks).

    searches: those that led to the final study, in the order they were begun. walked: its path.
    """
    title = say("4.1 · The strategy", "4.1 · La estrategia")

    def made() -> list[Block]:
        blocks: list[Block] = [stages(final, searches, walked, say)]
        if searches and chosen_values(final):
            blocks.append(spaces(final, searches, say))
        return [Text(in_words(final, searches, say)), *blocks]

    return [("regularization-strategy", title, made)]


def in_words(final: Study, searches: list[Study], say: Language) -> str:
    own = final.about["arguments"]["search"]
    text = ""
    if len(searches) > 1:
        bests = [f"{say.percent(s.chains['val_accuracy'].max())} ({s.name})" for s in searches]
        text = say(
            f"Searches before the final network: {len(searches)}. The best val_accuracy in each, in "
            f"the order they were begun: {say.several(bests)}. What a search calls best is the best "
            "of many by the images that chose it. ",
            f"Búsquedas antes de la red final: {len(searches)}. La mejor val_accuracy de cada una, "
            f"por orden de comienzo: {say.several(bests)}. Lo que una búsqueda llama mejor es la "
            "mejor de muchas según las imágenes que la eligieron. ",
        )
    text += say(
        f"The best configurations of {own} were trained again on fresh seeds; the final network was "
        "chosen among them by the half of each run's validation images that had not chosen its "
        "epoch. ",
        f"Las mejores configuraciones de {own} se entrenaron de nuevo con semillas nuevas; la red "
        "final se eligió entre ellas con la mitad de las imágenes de validación de cada prueba que "
        "no había elegido su época. ",
    )
    return text + looks_before(final, searches, say)


def looks_before(final: Study, searches: list[Study], say: Language) -> str:
    """Which searches were begun after another study had looked at the test images."""
    looks = [look for entry in ledger(final).openings for look in entry.get("elsewhere", [])]
    # Of several looks of a study, the first.
    times = {look["study"]: datetime.fromisoformat(look["time"]) for look in reversed(looks)}
    text = ""
    for study, time in times.items():
        after = [s.name for s in searches if s.begun and s.begun > time.timestamp()]
        if after:
            text += say(
                f"Searches begun after {study} had looked at the test images: {say.several(after)}. "
                "What to search may have been set with that figure known; in the search, validation "
                "alone chose. ",
                f"Búsquedas empezadas después de que {study} viera las imágenes de test: "
                f"{say.several(after)}. Qué buscar pudo fijarse conociendo esa cifra; en la búsqueda "
                "eligió solo la validación. ",
            )
    return text


STAGES = {
    "choice": ("choice on fresh seeds", "elección con semillas nuevas"),
    "final": ("final network and the assignment's", "red final y la de la tarea"),
    "augmented": ("final network, augmented images", "red final, imágenes aumentadas"),
    "race": ("path: races", "camino: carreras"),
    "path": ("path: its steps", "camino: sus pasos"),
    "leave-one-out": ("one choice undone", "una decisión deshecha"),
}
"""The parts of a final study and of its path, by name."""


def stages(final: Study, searches: list[Study], walked: Study | None, say: Language) -> Table:
    """What was trained in each stage, and what came of it."""
    rows = [_row(s.name, s, s.trials.index, len(s.chains), _best(s, say), say) for s in searches]
    for study in filter(None, (final, walked)):
        found = parts(study)
        for name in dict.fromkeys(part.name for part in found):
            own = [part for part in found if part.name == name]
            trials = dict.fromkeys(t for part in own for t in part.runs["trial"].dropna())
            different = {repr(values) for part in own for values in part.values.values()}
            label, outcome = say(*STAGES[name]), _outcome(own[-1], final, say)
            ended = all(part.runs["status"].isin(["COMPLETED", "FAILED"]).all() for part in own)
            if not ended or (name == "path" and differ(own[-1], found[-1])):
                label += say(" (not finished)", " (sin terminar)")
            rows.append(_row(label, study, trials, len(different), outcome, say))
    shown, numbers, behind = zip(*rows, strict=True)
    caption = say(
        "The stages, in order. Core minutes are those that its trials took, a core each; a trial of "
        "several stages counts in each. Accuracies of a search are its best; of the choice and the "
        "final networks, means over seeds on images that had not chosen the run's epoch; of the path "
        "and of choices undone, means on all validation images after the last epoch.",
        "Las etapas, por orden. Los minutos de núcleo son los de sus pruebas, un núcleo cada una; una "
        "prueba de varias etapas cuenta en cada una. Las exactitudes de una búsqueda son su mejor; "
        "las de la elección y las redes finales, medias entre semillas con imágenes que no habían "
        "elegido la época de la prueba; las del camino y las decisiones deshechas, medias con todas "
        "las de validación tras la última época.",
    )
    return Table(
        "strategy", caption, pd.DataFrame(list(shown)), pd.DataFrame(list(numbers)), list(behind)
    )


def _row(
    label: str, study: Study, trials: Iterable[str], configurations: int, told: str, say: Language
) -> tuple[dict[str, str], dict[str, object], str]:
    """What is shown of a stage, its numbers, its trials."""
    names = list(trials)
    epochs = int(study.curves["trial"].isin(names).sum())
    seconds = float(study.trials.loc[names, "seconds"].sum())
    shown = {
        say("stage", "etapa"): label,
        say("configurations", "configuraciones"): str(configurations),
        say("epochs", "épocas"): str(epochs),
        say("core minutes", "minutos de núcleo"): say.number(seconds / 60, 0),
        say("what came of it", "qué resultó"): told,
    }
    counts = {"configurations": configurations, "epochs": epochs, "core_seconds": seconds}
    return shown, {"study": study.name, **counts}, ", ".join(f"{study.name}/{n}" for n in names)


def _best(search: Study, say: Language) -> str:
    if not len(search.chains) or search.chains["val_accuracy"].isna().all():
        return "–"
    best = search.chains.loc[search.chains["val_accuracy"].idxmax()]
    epochs = say(f"{best['epochs']:.0f} epochs", f"{best['epochs']:.0f} épocas")
    return f"{say('best', 'mejor')}: {say.percent(best['val_accuracy'])}, {epochs}"


def _outcome(part: Part, final: Study, say: Language) -> str:
    """What came of a stage of seeds: mean accuracies, and gains along the path."""
    if part.name == "race":
        return say("the order of the steps", "el orden de los pasos")
    if part.name == "path":
        return _gained(part, say)
    if part.name == "leave-one-out":
        return _lost(part, say)
    means = part.table().mean().dropna()
    chosen = chosen_candidate(final)
    arms = {
        chosen: say.arm(chosen),
        FINAL: say("ours", "la nuestra"),
        BASELINE: say("the assignment's", "la de la tarea"),
        AUGMENTED: say("ours", "la nuestra"),
    }
    told = [f"{name}: {say.percent(means[arm])}" for arm, name in arms.items() if arm in means]
    return "; ".join(told) or "–"


def _gained(part: Part, say: Language) -> str:
    found = steps(part)
    measured = found.dropna(subset=["total_low"]) if len(found) else found
    if not len(measured):
        return "–"
    end = measured.iloc[-1]
    points = f"{say.points(end['total'])} {say.between(end['total_low'], end['total_high'])}"
    return say(
        f"{points} points from the assignment's, at {part.epochs} epochs",
        f"{points} puntos sobre la de la tarea, a {part.epochs} épocas",
    )


def _lost(part: Part, say: Language) -> str:
    compared = paired.compare(part.table(), part.reference)
    worse = compared[compared["high"] < 0]
    if worse.empty:
        return say("no loss is shown", "no se muestra pérdida")
    worst = worse.loc[worse["difference"].idxmin()]
    points = f"{say.points(worst['difference'])} {say.between(worst['low'], worst['high'])}"
    return say(
        f"largest loss: {say.arm(worst.name)}, {points} points at {part.epochs} epochs",
        f"mayor pérdida: {say.arm(worst.name)}, {points} puntos a {part.epochs} épocas",
    )


def spaces(final: Study, searches: list[Study], say: Language) -> Table:
    """For each choice of the final network, what each search could choose from."""
    values = chosen_values(final)
    rows, numbers = [], []
    for name, value in values.items():
        ranges = {s.name: _range(s.bounds.get(name), say) for s in searches}
        own = say("final network", "red final")
        rows.append(
            {say("hyperparameter", "hiperparámetro"): name, **ranges, own: _value(value, say)}
        )
        bounds = {s.name: s.bounds.get(name, "") for s in searches}
        numbers.append({"hyperparameter": name, **bounds, "final": value})
    caption = say(
        "What each search could choose from, and what the final network has; a dash where the "
        "space did not have the hyperparameter yet.",
        "Entre qué podía elegir cada búsqueda y qué tiene la red final; una raya donde el espacio "
        "aún no tenía el hiperparámetro.",
    )
    trial = chosen_candidate(final).removeprefix("trial ")
    source = f"{final.about['arguments']['search']}/{trial}"
    table = pd.DataFrame(rows)
    return Table("strategy-spaces", caption, table, pd.DataFrame(numbers), [source] * len(rows))


def _range(bounds: Any, say: Language) -> str:
    if bounds is None:
        return "–"
    if isinstance(bounds, tuple):
        low, high = (_value(end, say) for end in bounds)
        return low if low == high else say(f"{low} to {high}", f"de {low} a {high}")
    return say(", ", "; ").join(_value(value, say) for value in bounds)


def _value(value: Any, say: Language) -> str:
    if isinstance(value, bool):
        return say("yes", "sí") if value else "no"
    return say.short(value) if isinstance(value, float) else str(value)
