"""The contents of a report: which chapters it has, in order."""

import math
from collections.abc import Callable, Iterator

from analysis.evidence.trials import Study
from analysis.report import ablation, checks, exercises, final, opening, searched, strategy
from analysis.report.blocks import Block, Card, Section
from analysis.words.language import Language
from search.records.errors import Misuse

Planned = tuple[str, str, Callable[[], list[Block]]]


def sections(studies: list[Study], say: Language, only: str | None = None) -> Iterator[Section]:
    """The sections of a report over these studies.

    only: the key of those to be made, or what it begins with. One that raises becomes a card that says why.
    """
    planned = _planned(studies, say)
    for study in studies:
        title = say(f"Health checks of {study.name}", f"Comprobaciones de {study.name}")
        planned.append((f"checks-{study.name}", title, lambda s=study: checks.cards(s, say)))  # type: ignore[misc]
    for key, title, make in planned:
        if only is None or key == only or key.startswith(f"{only}-"):
            yield _made(key, title, make, say)


def _planned(studies: list[Study], say: Language) -> list[Planned]:
    """The sections that tell of the studies, in the order of the exercises."""
    experiment, network, walked = (
        _only(studies, kind) for kind in ("exercises", "final", "ablation")
    )
    # One search leads to the next. Nothing tells when a study of stock KerasTuner was begun.
    searches = sorted((s for s in studies if not s.parts), key=lambda s: s.begun or math.inf)
    planned = exercises.sections(experiment, say) if experiment else []
    earlier = [search for search in searches if network and led_to(search, network)]
    beside = network if walked and network and searched_by(walked) == searched_by(network) else None
    if network:
        planned += strategy.sections(network, earlier, walked if beside else None, say)
    before_final = {search.name for search in earlier}
    for search in searches:
        number = "4.1 · " if search.name in before_final else ""
        told = searched.sections(search, experiment, say)
        planned += [(key, number + title, make) for key, title, make in told]
    if network:
        own = next((s for s in searches if s.name == searched_by(network)), None)
        planned += final.sections(network, own, say)
    if walked:
        planned += ablation.sections(walked, beside, say)
    if network:
        planned += opening.sections(network, earlier, say)
    return planned


def _only(studies: list[Study], kind: str) -> Study | None:
    """The study of a kind, if any. Raises Misuse where there are several."""
    found = [study for study in studies if study.parts and study.kind == kind]
    if len(found) > 1:
        raise Misuse(
            f"{' and '.join(study.name for study in found)} are by `search {kind}`, of which a "
            "report takes one: name the studies it shall be of by --study"
        )
    return found[0] if found else None


def searched_by(study: Study) -> str:
    """The search that a final study or a path belongs to."""
    return str(study.about["arguments"]["search"])


def led_to(search: Study, final: Study) -> bool:
    """Whether a search was one of those before a final network: of the same data, and earlier."""
    if search.about.get("data") != final.about["data"]:
        return False
    return bool(search.begun and final.begun and search.begun < final.begun)


def _made(key: str, title: str, make: Callable[[], list[Block]], say: Language) -> Section:
    try:
        return Section(key, title, make())
    except Exception as error:  # the rest of the report is written whatever one section meets
        return Section(key, title, [_broken(error, say)])


def _broken(error: Exception, say: Language) -> Card:
    todo = say("the rest of the report stands", "el resto del informe es válido")
    return Card("SECTION", "FAIL", f"{type(error).__name__}: {error}", todo)
