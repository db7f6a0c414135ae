"""The page of answers, with which a report begins: a line for each question."""

from collections.abc import Iterable, Iterator

from analysis.evidence import answers
from analysis.evidence.arms import Part, parts
from analysis.evidence.finals import led_to
from analysis.evidence.optimizers import OWN
from analysis.evidence.study import Study
from analysis.report import checks
from analysis.report.blocks import FAIL, WARN, Answer, Answers, Block, Card, Chapter
from analysis.report.comparison import begun
from analysis.words.answers import answer_words
from analysis.words.language import Language

KEY = "answers"

GRAVEST = ("LEDGER", "FAILED", "COMPLETE", "CHANCE", "SEEDS", "BOUNDS", "POWER")
"""Checks by how much a warning of them can change a conclusion, the gravest first."""


def chapter(studies: list[Study], say: Language) -> Chapter:
    """Plan the page of answers."""
    words = answer_words(say)

    def made() -> list[Block]:
        rows = [*of_exercises(studies, say), *of_final(studies, say), *of_searches(studies, say)]
        rows += warning(studies, say)
        return [Answers(words.question, words.answer, words.verdict, rows)]

    return Chapter(KEY, words.title, made)


def of_exercises(studies: list[Study], say: Language) -> Iterator[Answer]:
    """Yield the answers to exercises 1 to 4.1 that the studies hold."""
    words = answer_words(say)
    found = {
        (part.exercise, part.name): part
        for study in studies
        if study.kind == "exercises"
        for part in parts(study)
    }

    def part(exercise: str, name: str, needed: Iterable[str]) -> Part | None:
        own = found.get((exercise, name))
        arms = set(own.arms) if own else set()
        return own if own and arms >= set(needed) and begun(own) else None

    if own := part("activation", "activation", ["sigmoid", "relu"]):
        one = answers.activation(own)
        yield _row("activation", words.activation(one), words.judged(one.verdict), say)
    if own := part("initializer", "initializer", ["zeros", "random_normal"]):
        sigmoid = part("initializer", "initializer under sigmoid", ["random_normal"])
        two = answers.initializer(own, sigmoid)
        yield _row("initializer", words.initializer(two), words.judged(two.verdict), say)
    if own := part("optimizer", "defaults", OWN):
        tuned = part("optimizer", "tuned", ["sgd"])
        three = answers.optimizers(own, tuned)
        yield _row("optimizer", words.optimizers(three), words.judged(three.verdict), say)
    if own := part("regularization", "regularization", [answers.ASSIGNMENTS]):
        four = answers.regularisation(own)
        yield _row("regularization", words.regularisation(four), words.judged(four.verdict), say)


def _row(key: str, text: str, verdict: str, say: Language, link: str = "") -> Answer:
    return Answer(answer_words(say).claims[key], text, verdict, link or key)


def of_final(studies: list[Study], say: Language) -> Iterator[Answer]:
    """Yield the answers on the built-in final network."""
    words = answer_words(say)
    for study in studies:
        found = answers.final(study) if study.kind == "final" and not study.own else None
        if found and study.objective.is_accuracy:
            link = "regularization-final"
            yield _row("goal", words.goal(found), words.reached(found.goal), say, link)
            yield _row("network", words.network(found), "", say, link)
            near = words.judged(found.near) if found.gap else ""
            yield _row("test", words.test(found), near, say, "regularization-test")


def of_searches(studies: list[Study], say: Language) -> Iterator[Answer]:
    """Yield the answers on the searches that led to no final network of the report."""
    words = answer_words(say)
    finals = [study for study in studies if study.kind == "final"]
    for study in studies:
        ours = any(led_to(study, final) for final in finals)
        found = None if study.parts or ours else answers.searched(study)
        if found is None:
            continue
        of = f"{study.name}: " if len(studies) > 1 else ""
        for key, text, link in (
            ("searched", words.searched(found), f"search-{study.name}"),
            ("sure", words.sure(found), f"search-{study.name}"),
            ("mattered", words.mattered(found), f"importance-{study.name}"),
            ("further", words.further(found), f"checks-{study.name}"),
            ("cost", words.cost(found), "sources"),
        ):
            yield Answer(of + words.claims[key], text, "", link)


def warning(studies: list[Study], say: Language) -> Iterator[Answer]:
    """Yield the most serious warning of all health checks."""
    words = answer_words(say)
    found: list[tuple[bool, int, Study, Card]] = []
    for study in studies:
        for card in checks.cards(study, say):
            assert isinstance(card, Card)
            if card.status in (FAIL, WARN):
                rank = GRAVEST.index(card.code) if card.code in GRAVEST else len(GRAVEST)
                found.append((card.status != FAIL, rank, study, card))
    if found:
        _, _, study, card = min(found, key=lambda one: one[:2])
        of = f"{study.name}: " if len(studies) > 1 else ""
        yield Answer(words.claims["warning"], of + card.found, "", f"checks-{study.name}")
