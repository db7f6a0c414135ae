"""The section that tells how the final network was come by: searches, choice, path, in order."""

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from analysis import effects
from analysis.arms import Part, parts
from analysis.blocks import Block, Table, Text
from analysis.final import AUGMENTED, BASELINE, FINAL, chosen_candidate, chosen_values
from analysis.language import Language
from analysis.path import steps
from analysis.trials import Study


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
    text = say(
        f"The best configurations of the search {own} were trained again on fresh seeds, to choose "
        "the final network by images that had chosen no epoch. ",
        f"Las mejores configuraciones de la búsqueda {own} se entrenaron de nuevo con semillas "
        "nuevas, para elegir la red final con imágenes que no habían elegido ninguna época. ",
    )
    if len(searches) > 1:
        bests = [f"{say.percent(s.chains['val_accuracy'].max())} ({s.name})" for s in searches]
        text += say(
            f"It is one of {len(searches)} searches, each begun after the one before it; the best "
            f"val_accuracy in each, in order: {say.several(bests)}. ",
            f"Es una de {len(searches)} búsquedas, cada una empezada tras la anterior; la mejor "
            f"val_accuracy de cada una, por orden: {say.several(bests)}. ",
        )
    return text + say(
        "What a search calls best is the best of many by the images that chose it; accuracies from "
        "there on are means over seeds.",
        "Lo que una búsqueda llama mejor es la mejor de muchas según las imágenes que la eligieron; "
        "desde ahí, las exactitudes son medias entre semillas.",
    )


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
            if not all(part.runs["status"].isin(["COMPLETED", "FAILED"]).all() for part in own):
                label += say(" (not finished)", " (sin terminar)")
            rows.append(_row(label, study, trials, len(different), outcome, say))
    shown, numbers, behind = zip(*rows, strict=True)
    caption = say(
        "The stages, in order. Core hours are those that its trials took, a core each. A trial of "
        "several stages counts in each.",
        "Las etapas, por orden. Las horas de núcleo son las de sus pruebas, un núcleo cada una. Una "
        "prueba de varias etapas cuenta en cada una.",
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
        say("core hours", "horas de núcleo"): say.number(seconds / 3600, 1),
        say("what came of it", "qué resultó"): told,
    }
    counts = {"configurations": configurations, "epochs": epochs, "core_seconds": seconds}
    return shown, {"study": study.name, **counts}, ", ".join(f"{study.name}/{n}" for n in names)


def _best(search: Study, say: Language) -> str:
    """A search's best, and which of its values ask for a wider space."""
    if not len(search.chains) or search.chains["val_accuracy"].isna().all():
        return "–"
    best = search.chains.loc[search.chains["val_accuracy"].idxmax()]
    found = effects.on_bounds(search)
    listed = say.several([f"{name} {_value(value, say)}" for name, value in found.items()])
    epochs = say(f"{best['epochs']:.0f} epochs", f"{best['epochs']:.0f} épocas")
    where = say(f"on a bound: {listed}", f"en un límite: {listed}")
    if not found:
        where = say("on no bound", "en ningún límite")
    return f"{say.percent(best['val_accuracy'])}, {epochs}; {where}"


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
        chosen: chosen.replace("trial", say("trial", "prueba")),
        FINAL: say("ours", "la nuestra"),
        BASELINE: say("the assignment's", "la de la tarea"),
        AUGMENTED: say("ours", "la nuestra"),
    }
    told = [f"{name}: {say.percent(means[arm])}" for arm, name in arms.items() if arm in means]
    return "; ".join(told) or "–"


def _gained(part: Part, say: Language) -> str:
    found = steps(part)
    if not len(found):
        return "–"
    end = found.iloc[-1]
    between = say.between(end["total_low"], end["total_high"])
    over = say("points over the assignment's", "puntos sobre la de la tarea")
    return f"{say.points(end['total'])} {between} {over}"


def _lost(part: Part, say: Language) -> str:
    lost = effects.compare(part.table(), part.reference)["difference"].dropna()
    if lost.empty:
        return "–"
    costliest = say("most is lost without", "lo que más se pierde, sin")
    return f"{costliest} {lost.idxmin()}: {say.points(lost.min())}"


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
