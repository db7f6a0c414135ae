"""The final network against the baseline with as much computing, from an earlier opening."""

import json
from dataclasses import dataclass

import numpy as np

from analysis.evidence.arms import parts
from analysis.evidence.intervals import seeds_and_images
from analysis.evidence.ledger import ledger_of, read
from analysis.evidence.study import Study
from analysis.evidence.tested import Tested, tested
from search.records.folder import RECORD
from search.records.parts import BASELINE, FINAL
from search.records.reading import Invalid
from search.records.study import study_record


@dataclass(frozen=True)
class Matched:
    """The final network less a baseline that an earlier study trained for longer, same seeds.

    study: its name. epochs: of the longer baseline. cost: its core time over that of the final network,
    by the seconds of this study's epochs. difference: test accuracy with its 95 % interval.
    """

    study: str
    epochs: int
    cost: float
    difference: tuple[float, float, float]
    seeds: int


def matched(study: Study, found: Tested) -> Matched | None:
    """Return the comparison with the longest baseline that an earlier opening evaluated, or None."""
    part = next((part for part in parts(study) if part.name == FINAL), None)
    if part is None:
        return None
    seconds = epoch_seconds(study)
    best = None
    for name in dict.fromkeys(earlier.study for earlier in ledger_of(study).elsewhere):
        other = _earlier(study, name, found)
        if other is None:
            continue
        epochs, arm = other
        both = [seed for seed in found.final.seeds if seed in arm.baseline.seeds]
        if epochs <= part.epochs or len(both) < 2 or (best and epochs <= best.epochs):
            continue
        ours, theirs = found.final.of(both), arm.baseline.of(both)
        cost = epochs * seconds[BASELINE] / (part.epochs * seconds[FINAL])
        best = Matched(name, epochs, cost, seeds_and_images(ours.less(theirs)), len(both))
    return best


def epoch_seconds(study: Study) -> dict[str, float]:
    """Return the seconds of an epoch of the baseline and of the final network, medians over trials."""
    part = next(part for part in parts(study) if part.name == FINAL)
    return {arm: float(np.median(own["seconds"])) for arm, own in part.curves.groupby("arm")}


def _earlier(study: Study, name: str, found: Tested) -> tuple[int, Tested] | None:
    """Return the epochs and the last evaluation of another final study beside this one."""
    directory = study.directory.resolve().parent / name
    try:
        record = study_record(json.loads((directory / RECORD).read_text()), directory / RECORD)
    except (OSError, ValueError, Invalid):
        return None
    epochs = getattr(record.arguments, "epochs", 0)
    book = read(directory, directory.parent / (record.search or ""))
    if book.wrong or not book.results or list(found.labels) != book.results.labels:
        return None
    other = tested(study, book.results)
    return (epochs, other) if BASELINE in other.arms else None
