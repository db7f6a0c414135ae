"""The contents of a report: its sections, in order."""

import math
from collections.abc import Iterator
from functools import partial

from analysis.evidence.arms import COMPARE
from analysis.evidence.finals import led_to
from analysis.evidence.study import Study
from analysis.report import (
    ablation,
    answers,
    checks,
    compared,
    exercises,
    final,
    opening,
    searched,
    strategy,
)
from analysis.report.blocks import Chapter, Section, crash
from analysis.words.language import Language
from search.records.errors import Misuse


def sections(studies: list[Study], say: Language, only: str | None = None) -> Iterator[Section]:
    """Make the sections of a report on these studies.

    only: make only the section with this key and the sections whose key starts with it and "-".
    A section that raises an error becomes a card with the error and its traceback.
    """
    chapters = [answers.chapter(studies, say), *_results(studies, say)]
    for study in studies:
        title = say(f"Health checks of {study.name}", f"Comprobaciones de {study.name}")
        make = partial(checks.cards, study, say)
        chapters.append(Chapter(f"checks-{study.name}", title, make))
    for chapter in chapters:
        if only is None or chapter.key == only or chapter.key.startswith(f"{only}-"):
            yield _made(chapter, say)


def _results(studies: list[Study], say: Language) -> list[Chapter]:
    """Return the sections on the studies' results, in the order of the exercises.

    Controlled studies of other hyperparameters follow the exercises, by start time.
    """
    experiment, network, walked = (
        _only(studies, kind) for kind in ("exercises", "final", "ablation")
    )
    # By start time: one search leads to the next. A stock KerasTuner study records no start time.
    searches = sorted((s for s in studies if not s.parts), key=lambda s: s.begun or math.inf)
    comparisons = sorted(
        (s for s in studies if s.parts and s.kind == COMPARE),
        key=lambda s: s.begun or math.inf,
    )
    controlled = [*([experiment] if experiment else []), *comparisons]
    chapters = exercises.sections(experiment, say) if experiment else []
    for study in comparisons:
        chapters += compared.sections(study, say)
    earlier = [search for search in searches if network and led_to(search, network)]
    beside = network if walked and network and walked.search == network.search else None
    if network:
        chapters += strategy.sections(network, earlier, walked if beside else None, say)
    before_final = {search.name for search in earlier}
    for search in searches:
        number = "4.1 · " if search.name in before_final and not search.own else ""
        for chapter in searched.sections(search, controlled, say):
            chapters.append(chapter._replace(title=number + chapter.title))
    if network:
        own = next((s for s in searches if s.name == network.search), None)
        chapters += final.sections(network, own, say)
    if walked:
        chapters += ablation.sections(walked, beside, say)
    if network:
        alike = experiment if experiment and experiment.data == network.data else None
        chapters += opening.sections(network, earlier, alike, say)
    return chapters


def _only(studies: list[Study], kind: str) -> Study | None:
    """Return the study of a kind, or None. Raises Misuse if there are several."""
    found = [study for study in studies if study.parts and study.kind == kind]
    if len(found) > 1:
        raise Misuse(
            f"{' and '.join(study.name for study in found)} were all made by `search {kind}`. "
            "A report covers only one of them: name the studies you want with --study."
        )
    return found[0] if found else None


def _made(chapter: Chapter, say: Language) -> Section:
    try:
        return Section(chapter.key, chapter.title, chapter.make())
    except Exception as error:  # one broken section must not prevent the rest of the report
        return Section(chapter.key, chapter.title, [crash("SECTION", error, say)])
