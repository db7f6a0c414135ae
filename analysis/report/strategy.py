"""The section on the strategy that led to the final network: searches, choice, ablation path."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pandas as pd

from analysis.evidence.arms import Part, parts
from analysis.evidence.finals import chosen_candidate, chosen_values
from analysis.evidence.ledger import ledger_of
from analysis.evidence.path import reverted, steps
from analysis.evidence.study import Study
from analysis.report.ablation import differ
from analysis.report.blocks import Block, Chapter, Table, Text
from analysis.words.language import Language
from analysis.words.terms import terms
from search.records.parts import AUGMENTED, BASELINE, FINAL


def sections(
    final: Study, searches: list[Study], walked: Study | None, say: Language
) -> list[Chapter]:
    """Plan the section.

    searches: the searches before the final study, by start time. walked: its ablation path.
    """
    title = terms(final, say).numbered("4.1", "The strategy", "La estrategia")

    def made() -> list[Block]:
        blocks: list[Block] = [stages(final, searches, walked, say)]
        if searches and chosen_values(final):
            blocks.append(spaces(final, searches, say))
        return [Text(in_words(final, searches, say)), *blocks]

    return [Chapter("regularization-strategy", title, made)]


def in_words(final: Study, searches: list[Study], say: Language) -> str:
    told, own = terms(final, say), final.search
    text = told.direction
    if len(searches) > 1:
        bests = [f"{_score(s, say)} ({s.name})" for s in searches]
        one = {s.objective for s in [final, *searches]} == {final.objective}
        quantity = final.objective.name if one else say("result", "resultado")
        text += say(
            f"There were {len(searches)} searches before the final network. Their best {quantity}, "
            f"in order of start time, was {say.several(bests)}. These values are optimistic, because "
            f"each is the best of many on the {told.examples} that chose it. ",
            f"Hubo {len(searches)} búsquedas antes de la red final. Su mejor {quantity}, por orden "
            f"de comienzo, fue {say.several(bests)}. Estos valores son optimistas, porque cada uno "
            f"es el mejor de muchos con las {told.examples} que lo eligieron. ",
        )
    text += say(
        f"The best configurations of {own} were then trained again on fresh seeds. The final "
        f"network was chosen among them on the half of each run's validation {told.examples} that had not "
        "chosen its epoch. ",
        f"Después, las mejores configuraciones de {own} se entrenaron de nuevo con semillas "
        f"nuevas. La red final se eligió entre ellas con la mitad de las {told.examples} de validación de "
        "cada prueba que no había elegido su época. ",
    )
    return (text + evaluated_before(final, searches, say)).strip()


def _score(search: Study, say: Language) -> str:
    """Return the best score of a search, with its unit."""
    scores = search.chains["score"]
    best = scores[search.best(scores)] if scores.notna().any() else float("nan")
    return terms(search, say).value(best)


def evaluated_before(final: Study, searches: list[Study], say: Language) -> str:
    """Name the searches that started after another study was evaluated on the test images."""
    told = terms(final, say)
    test = say("test accuracy", "exactitud de test")
    validation = say("validation accuracy", "la exactitud de validación")
    if not told.share:
        test = say("test result", "evaluación de test")
        validation = say(told.name, told.name)
    evaluations = ledger_of(final).elsewhere
    # If a study was evaluated several times, the first evaluation counts.
    times = {other.study: datetime.fromisoformat(other.time) for other in reversed(evaluations)}
    text = ""
    for study, time in times.items():
        after = [s.name for s in searches if s.begun and s.begun > time.timestamp()]
        if after:
            text += say(
                f"Searches started after {study} had been evaluated on the test {told.examples}: "
                f"{say.several(after)}. Their search spaces may have been set with that {test} known. "
                f"Within each search, {validation} alone chose the configurations. ",
                f"Búsquedas empezadas después de evaluar {study} con las {told.examples} de test: "
                f"{say.several(after)}. Sus espacios de búsqueda pudieron fijarse conociendo esa "
                f"{test}. Dentro de cada búsqueda, las configuraciones se eligieron solo "
                f"por {validation}. ",
            )
    return text


STAGES = {
    "choice": ("choice on fresh seeds", "elección con semillas nuevas"),
    "final": ("final network and {baseline}", "red final y {baseline}"),
    "augmented": ("final network, augmented images", "red final, imágenes aumentadas"),
    "race": ("path: races", "camino: carreras"),
    "path": ("path: steps", "camino: pasos"),
    "leave-one-out": ("one choice reverted", "una decisión revertida"),
}
"""Names of the parts of a final study and of its ablation path."""


def stages(final: Study, searches: list[Study], walked: Study | None, say: Language) -> Table:
    """Return the stages of the study with their cost and their result."""
    told = terms(final, say)
    rows = [_row(s.name, s, s.trials.index, len(s.chains), _best(s, say), say) for s in searches]
    for study in filter(None, (final, walked)):
        found = parts(study)
        for name in dict.fromkeys(part.name for part in found):
            own = [part for part in found if part.name == name]
            trials = dict.fromkeys(t for part in own for t in part.runs["trial"].dropna())
            different = {repr(values) for part in own for values in part.values.values()}
            label, outcome = say(*STAGES[name]), _outcome(own[-1], final, say)
            label = label.replace("{baseline}", told.baseline)
            ended = all(part.runs["status"].isin(["COMPLETED", "FAILED"]).all() for part in own)
            if not ended or (name == "path" and differ(own[-1], found[-1])):
                label += say(" (not finished)", " (sin terminar)")
            rows.append(_row(label, study, trials, len(different), outcome, say))
    shown, numbers, behind = zip(*rows, strict=True)
    caption = say(
        "The stages in order. Core minutes sum the time of a stage's trials, each on one core. A "
        f"trial that belongs to several stages counts in each of them. A search shows its best "
        f"{told.name}. The choice and the final networks show means over seeds on {told.examples} "
        "that did not choose the run's epoch. The path and the reverted choices are means on all "
        f"validation {told.examples}, over the last epochs.",
        "Las etapas, por orden. Los minutos de núcleo suman el tiempo de las pruebas de cada etapa, "
        "un núcleo por prueba. Una prueba que pertenece a varias etapas cuenta en todas ellas. De "
        f"cada búsqueda se da su mejor {told.name}. De la elección y de las redes "
        f"finales, medias entre semillas con {told.examples} que no eligieron la época de la prueba. Del "
        f"camino y de las decisiones revertidas, medias con todas las {told.examples} de validación, en "
        "las últimas épocas.",
    )
    return Table(
        "strategy", caption, pd.DataFrame(list(shown)), pd.DataFrame(list(numbers)), list(behind)
    )


def _row(
    label: str, study: Study, trials: Iterable[str], configurations: int, result: str, say: Language
) -> tuple[dict[str, str], dict[str, object], str]:
    """Return the cells of a stage's row, its numbers and its trials."""
    names = list(trials)
    epochs = int(study.curves["trial"].isin(names).sum())
    seconds = float(study.trials.loc[names, "seconds"].sum())
    shown = {
        say("stage", "etapa"): label,
        say("configurations", "configuraciones"): str(configurations),
        say("epochs", "épocas"): str(epochs),
        say("core minutes", "minutos de núcleo"): say.number(
            seconds / 60, 0 if seconds > 600 else 1
        ),
        say("result", "resultado"): result,
    }
    counts = {"configurations": configurations, "epochs": epochs, "core_seconds": seconds}
    return shown, {"study": study.name, **counts}, ", ".join(f"{study.name}/{n}" for n in names)


def _best(search: Study, say: Language) -> str:
    if not len(search.chains) or search.chains["score"].isna().all():
        return "–"
    best = search.chains.loc[search.best(search.chains["score"])]
    epochs = say(f"{best['epochs']:.0f} epochs", f"{best['epochs']:.0f} épocas")
    return f"{say('best', 'mejor')}: {terms(search, say).value(best['score'])}, {epochs}"


def _outcome(part: Part, final: Study, say: Language) -> str:
    """Return the result of a stage with seeds: means, or the gain along the path."""
    told = terms(part.study, say)
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
        FINAL: say("final network", "red final"),
        BASELINE: told.baseline,
        AUGMENTED: say("final network", "red final"),
    }
    shown = [f"{name}: {told.value(means[arm])}" for arm, name in arms.items() if arm in means]
    return "; ".join(shown) or "–"


def _gained(part: Part, say: Language) -> str:
    found = steps(part)
    measured = found.dropna(subset=["total_low"]) if len(found) else found
    if not len(measured):
        return "–"
    end, told = measured.iloc[-1], terms(part.study, say)
    points = told.difference(end["total"], end["total_low"], end["total_high"]) + told.points
    return say(
        f"{points} from the {told.baseline}, at {part.epochs} epochs",
        f"{points} respecto a la {told.baseline}, a {part.epochs} épocas",
    )


def _lost(part: Part, say: Language) -> str:
    told = terms(part.study, say)
    compared = reverted(part)
    if compared.empty:
        return "–"
    hits = compared[compared["detected"]]
    worse = hits[hits["difference"] > 0] if told.lower else hits[hits["difference"] < 0]
    if worse.empty:
        return say("no loss was found", "no se halló pérdida")
    worst = worse.loc[worse["difference"].abs().idxmax()]
    points = told.difference(worst["difference"], worst["low"], worst["high"]) + told.points
    return say(
        f"largest loss: {say.arm(worst.name)}, {points} at {part.epochs} epochs",
        f"mayor pérdida: {say.arm(worst.name)}, {points} a {part.epochs} épocas",
    )


def spaces(final: Study, searches: list[Study], say: Language) -> Table:
    """Return the range of each hyperparameter in each search, and its value in the final network."""
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
        "The search space of each search, and the value in the final network. A dash means that "
        "the space did not yet include the hyperparameter.",
        "El espacio de cada búsqueda y el valor en la red final. Una raya indica que el espacio "
        "aún no incluía el hiperparámetro.",
    )
    trial = chosen_candidate(final).removeprefix("trial ")
    source = f"{final.search}/{trial}"
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
