"""All findings of some studies as a list, each with the trials and seeds behind it."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import pandas as pd

from analysis.evidence import answers, equivalence, intervals, paired
from analysis.evidence.arms import COMPARE, Endpoint, Part, parts
from analysis.evidence.depth import ITSELF, slopes
from analysis.evidence.importance import importance
from analysis.evidence.ledger import ledger_of
from analysis.evidence.path import reverted, steps
from analysis.evidence.spread import spread
from analysis.evidence.study import Study
from analysis.evidence.tested import Tested, tested

FORMAT = 1


class Kind(StrEnum):
    """What a finding is about."""

    MEAN = "mean"
    """The mean of an arm over seeds."""
    DIFFERENCE = "difference"
    """An arm less the reference, paired by seed."""
    EQUIVALENCE = "equivalence"
    """Whether that difference is within half a point, which is then `detected`."""
    EFFECT = "effect"
    """A main effect or an interaction of a factorial."""
    SLOPE = "slope"
    """Change of a difference per hidden layer."""
    RANGE = "range"
    """The best arm less the worst."""
    STEP = "step"
    """What a choice on the way to the final network gained."""
    REVERSAL = "reversal"
    """The final network with one choice reverted, less the final network."""
    IMPORTANCE = "importance"
    """A hyperparameter's share of the variance in a search."""
    BEST = "best"
    """The best value of a search."""
    TEST = "test"
    """Test accuracy."""
    GAP = "gap"
    """Test less validation accuracy, of all networks together."""


@dataclass(frozen=True)
class Finding:
    """One number that a report states.

    part: of the study; empty for a search. subject: the arm, hyperparameter or trial. value: in the unit
    of the objective, accuracies and their differences as shares. low, high: 95 % interval. p: corrected
    for the family of the finding. detected: by the rule of the kind, None if nothing is tested. n: of
    seeds, or of configurations for a search. Missing numbers are None.
    """

    study: str
    part: str
    kind: Kind
    subject: str
    reference: str | None
    endpoint: str | None
    objective: str
    value: float | None
    low: float | None
    high: float | None
    p: float | None
    detected: bool | None
    n: int
    seeds: tuple[int, ...]
    trials: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON has it. Numbers that are not finite are None."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


def findings(*studies: Study) -> list[Finding]:
    """Return the findings of some studies, in the order of their parts."""
    return [one for study in studies for one in _of(study)]


def document(found: Iterable[Finding]) -> dict[str, Any]:
    """Return findings as the content of a JSON file, described by docs/findings.schema.json."""
    return {"format": FORMAT, "findings": [one.to_json() for one in found]}


def _of(study: Study) -> Iterator[Finding]:
    own = parts(study)
    if not own:
        yield from _of_search(study)
        return
    for part in own:
        if not part.curves.empty:
            yield from _of_part(part)
    depths = [part for part in own if part.name == "depth" and not part.curves.empty]
    if len(depths) > 1:
        yield from _rows(depths[-1], Kind.SLOPE, slopes(depths), depths[0].reference)
    if study.kind == "final":
        results = ledger_of(study).results
        if results and results.labels:
            yield from _of_test(study, tested(study, results))


def _of_part(part: Part) -> Iterator[Finding]:
    """Yield means, differences and what else the name of a part asks for."""
    endpoints = [Endpoint.LEVEL] if part.stops else list(Endpoint)
    for endpoint in endpoints:
        table = part.table(endpoint=endpoint)
        for arm in part.arms:
            values = table[arm].dropna().to_numpy()
            ends = paired.interval(values)
            yield _finding(part, Kind.MEAN, arm, None, ends, None, None, len(values), endpoint)
        if part.reference and len(part.arms) > 1 and part.name not in ("path", "leave-one-out"):
            compared = part.compared(endpoint)
            yield from _rows(part, Kind.DIFFERENCE, compared, part.reference, endpoint)
    if part.name == "path":
        gains = steps(part)
        if len(gains):
            yield from _rows(part, Kind.STEP, gains.rename(columns={"gain": "difference"}), None)
    elif part.name == "leave-one-out":
        yield from _rows(part, Kind.REVERSAL, reverted(part), part.reference)
    elif part.reference and len(part.arms) > 1 and part.objective.is_accuracy:
        equal = equivalence.equivalent(part.table(), part.reference, equivalence.MARGINS[0])
        for arm, row in equal.iterrows():
            own = part.compared().loc[arm]
            ends, n = (own["difference"], own["low"], own["high"]), int(own["n"])
            found = bool(row["equivalent"])
            yield _finding(
                part, Kind.EQUIVALENCE, str(arm), part.reference, ends, row["p_holm"], found, n
            )
    if part.exercise in ("optimizer", COMPARE) and part.reference and len(part.arms) > 1:
        seeds = len(part.table().dropna())
        yield _finding(part, Kind.RANGE, "", None, spread(part.table()), None, None, seeds)
    if part.exercise == "regularization":
        combined = {f for arm in part.arms if " + " in arm for f in arm.split(" + ")}
        factors = [arm for arm in part.arms if arm in combined]
        crossed = paired.factorial(part.table(), factors)
        yield from _rows(part, Kind.EFFECT, crossed, None)


def _rows(
    part: Part,
    kind: Kind,
    frame: pd.DataFrame,
    reference: str | None,
    endpoint: Endpoint = Endpoint.LEVEL,
) -> Iterator[Finding]:
    """Yield a finding for each row of a frame like that of `paired.compare`."""
    for subject, row in frame.iterrows():
        ends = (row["difference"], row["low"], row["high"])
        own = part.reference if subject == ITSELF else str(subject)
        against = None if subject == ITSELF else reference
        found, n = bool(row["detected"]), int(row["n"])
        yield _finding(part, kind, own, against, ends, row["p_holm"], found, n, endpoint)


def _finding(
    part: Part,
    kind: Kind,
    subject: str,
    reference: str | None,
    ends: tuple[float, float, float],
    p: float | None,
    detected: bool | None,
    n: int,
    endpoint: Endpoint = Endpoint.LEVEL,
) -> Finding:
    arms = [arm for arm in (subject, reference) if arm in part.arms] or part.arms
    runs = part.runs[part.runs["arm"].isin(arms)].dropna(subset=["trial"])
    return Finding(
        part.study.name,
        part.label,
        kind,
        subject,
        reference,
        "held out" if part.stops else str(endpoint),
        part.objective.name,
        float(ends[0]),
        float(ends[1]),
        float(ends[2]),
        None if p is None else float(p),
        detected,
        n,
        tuple(sorted({int(seed) for seed in runs["seed"]})),
        tuple(runs["trial"]),
    )


def _of_search(study: Study) -> Iterator[Finding]:
    """Yield the best value of a search and the importances."""
    best = answers.searched(study)
    if best is None:
        return
    whole = Finding(
        study.name,
        "",
        Kind.BEST,
        best.trial,
        None,
        None,
        study.objective.name,
        best.best,
        None,
        None,
        None,
        None,
        best.configurations,
        _seeds(study, [best.trial]),
        (best.trial,),
    )
    yield whole
    found = importance(study)
    if found is None:
        return
    trials = tuple(t for chain in found.chains for t in study.chains.loc[chain, "trials"])
    for name, row in found.table.iterrows():
        yield replace(
            whole,
            kind=Kind.IMPORTANCE,
            subject=str(name),
            endpoint=f"{found.epochs} epochs",
            value=float(row["importance"]),
            p=float(row["p"]),
            detected=bool(row["clear"]),
            n=found.n,
            seeds=_seeds(study, trials),
            trials=trials,
        )


def _seeds(study: Study, trials: Sequence[str]) -> tuple[int, ...]:
    seeds = study.trials.loc[list(trials), "seed"].dropna()
    return tuple(sorted({int(seed) for seed in seeds}))


def _of_test(study: Study, found: Tested) -> Iterator[Finding]:
    """Yield the test accuracy of each arm, and how all differ from validation."""
    part = next(part for part in parts(study) if part.name == "final")
    for arm, own in found.arms.items():
        ends = intervals.seeds_and_images(own.correct)
        one = _finding(part, Kind.TEST, arm, None, ends, None, None, len(own.seeds))
        yield replace(one, endpoint="test", seeds=tuple(own.seeds), trials=tuple(own.trials))
    seeds = tuple(found.final.seeds)
    trials = tuple(t for arm in found.arms.values() for t in arm.trials)
    one = _finding(part, Kind.GAP, "", None, found.pooled, None, None, len(seeds))
    yield replace(one, endpoint="test − validation", seeds=seeds, trials=trials)
