"""The answers that a report begins with: one for each question of the assignment, or on a search.

An answer is a value. Its verdict says whether the evidence agrees with what the assignment supposes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.evidence import observed, paired
from analysis.evidence.arms import Endpoint, Part, parts
from analysis.evidence.equivalence import MARGINS, equivalent
from analysis.evidence.finals import chosen_values
from analysis.evidence.importance import importance
from analysis.evidence.intervals import seeds_and_images
from analysis.evidence.ledger import ledger_of
from analysis.evidence.optimizers import OWN, own_optimizers
from analysis.evidence.spread import spread
from analysis.evidence.study import Study
from analysis.evidence.tested import Tested, tested
from search.records.parts import FINAL
from search.records.trial import Values

GOAL = 0.9
"""The validation accuracy that the assignment asks for."""

NEAR = 0.01
"""Test accuracy is near validation accuracy if it differs by less than a point."""


class Verdict(StrEnum):
    """Whether the evidence agrees with a claim of the assignment."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Difference:
    """A mean difference, paired by seed, as a share: arm less reference.

    p: corrected over the arms of its comparison (Holm). detected: by the rule of `paired.compare`.
    negligible: within half a point, by two one-sided tests.
    """

    arm: str
    reference: str
    mean: float
    low: float
    high: float
    p: float
    n: int
    detected: bool
    negligible: bool = False

    @property
    def sign(self) -> int:
        """+1 or −1 if the difference is detected, else 0."""
        return int(np.sign(self.mean)) if self.detected else 0


def difference(part: Part, arm: str, endpoint: Endpoint = Endpoint.LEVEL) -> Difference:
    """Return an arm's difference from the reference of its part."""
    table = part.table(endpoint=endpoint)
    equal = equivalent(table, part.reference, MARGINS[0])
    return _difference(part.compared(endpoint), arm, part.reference, equal)


def _difference(
    compared: pd.DataFrame, arm: str, reference: str, equal: pd.DataFrame | None = None
) -> Difference:
    row = compared.loc[arm]
    negligible = equal is not None and bool(equal.loc[arm, "equivalent"])
    ends = (float(row["difference"]), float(row["low"]), float(row["high"]))
    found, n = bool(row["detected"]), int(row["n"])
    return Difference(arm, reference, *ends, float(row["p_holm"]), n, found, negligible)


def claimed(sign: int, differences: Iterable[Difference]) -> Verdict:
    """Judge the claim that an arm is better (+1) or worse (−1) than another, by several endpoints."""
    found = list(differences)
    if any(one.sign == -sign for one in found) or all(one.negligible for one in found):
        return Verdict.DISAGREES
    return Verdict.AGREES if any(one.sign == sign for one in found) else Verdict.CANNOT_TELL


def joined(verdicts: Iterable[Verdict]) -> Verdict:
    """Judge a claim of several claims: it holds if all of them do."""
    found = set(verdicts)
    if Verdict.DISAGREES in found:
        return Verdict.DISAGREES
    return Verdict.CANNOT_TELL if Verdict.CANNOT_TELL in found else Verdict.AGREES


@dataclass(frozen=True)
class Activation:
    """Exercise 1. The assignment supposes that ReLU is better than the sigmoid.

    better, worse: other activations, by the level at the end. equal: within half a point of ReLU, and no
    difference is detected.
    """

    part: Part
    speed: Difference
    level: Difference
    better: list[str]
    worse: list[str]
    equal: list[str]

    @property
    def verdict(self) -> Verdict:
        return claimed(-1, [self.speed, self.level])


def activation(part: Part) -> Activation:
    """Answer exercise 1."""
    compared = part.compared()
    others = compared.drop(index="sigmoid")
    equal = equivalent(part.table(), part.reference, MARGINS[0])
    hits = others[others["detected"]]
    return Activation(
        part,
        difference(part, "sigmoid", Endpoint.MEAN),
        difference(part, "sigmoid"),
        [str(arm) for arm in hits.index[hits["difference"] > 0]],
        [str(arm) for arm in hits.index[hits["difference"] < 0]],
        [str(arm) for arm in equal.index[equal["equivalent"]] if not compared.loc[arm, "detected"]],
    )


@dataclass(frozen=True)
class Initializer:
    """Exercise 2. The assignment supposes that the starting point matters.

    zeros: accuracy at the end, mean over seeds. chance: that of a guess. differs: the arms whose
    difference from Glorot uniform is detected by either endpoint. sigmoid: random normal less Glorot under
    the sigmoid, mean over the epochs and level.
    """

    part: Part
    zeros: float
    chance: float
    zeros_level: Difference
    normal_speed: Difference
    normal_level: Difference
    differs: list[str]
    sigmoid: tuple[Difference, Difference] | None = None

    @property
    def verdict(self) -> Verdict:
        return Verdict.AGREES if self.differs else Verdict.CANNOT_TELL


def initializer(part: Part, sigmoid: Part | None = None) -> Initializer:
    """Answer exercise 2. sigmoid: the same with the sigmoid, if it was trained."""
    both = [part.compared(endpoint) for endpoint in Endpoint]
    differs = [str(arm) for arm in both[0].index if any(one.loc[arm, "detected"] for one in both)]
    chance = part.study.facts.chance if part.study.facts else float("nan")
    return Initializer(
        part,
        float(part.table()["zeros"].mean()),
        chance,
        difference(part, "zeros"),
        difference(part, "random_normal", Endpoint.MEAN),
        difference(part, "random_normal"),
        differs,
        (difference(sigmoid, "random_normal", Endpoint.MEAN), difference(sigmoid, "random_normal"))
        if sigmoid
        else None,
    )


@dataclass(frozen=True)
class Optimizers:
    """Exercise 3. The assignment supposes that Adam and RMSprop are better than its SGD.

    speed, level: Adam and RMSprop less the assignment's SGD. tuned: the difference between the best and
    the worst optimizer with tuned rates, with its interval, None if rates are not tuned yet.
    """

    part: Part
    speed: tuple[Difference, ...]
    level: tuple[Difference, ...]
    tuned: tuple[float, float, float] | None

    @property
    def each(self) -> tuple[Verdict, ...]:
        """Whether each of them is better than the assignment's SGD."""
        return tuple(claimed(1, pair) for pair in zip(self.speed, self.level, strict=True))

    @property
    def verdict(self) -> Verdict:
        return joined(self.each)


def optimizers(defaults: Part, tuned: Part | None) -> Optimizers:
    """Answer exercise 3."""
    speed, level = (
        tuple(
            _difference(
                own_optimizers(defaults, endpoint),
                arm,
                OWN[0],
                equivalent(defaults.table(endpoint=endpoint)[list(OWN)], OWN[0], MARGINS[0]),
            )
            for arm in OWN[1:]
        )
        for endpoint in (Endpoint.MEAN, Endpoint.LEVEL)
    )
    return Optimizers(defaults, speed, level, spread(tuned.table()) if tuned else None)


@dataclass(frozen=True)
class Regularisation:
    """Exercise 4.1. The assignment supposes that its regularisation improves accuracy.

    level: the assignment's network, with dropout and batch norm, less the network without. gap: how
    its training accuracy less validation accuracy differs. lagging: whether batch norm was measured
    with moving statistics under a constant rate. fresh: whether `level` has fresh statistics.
    """

    part: Part
    level: Difference
    gap: Difference
    lagging: bool
    fresh: bool = False

    @property
    def verdict(self) -> Verdict:
        """Whether accuracy rises. Lagging statistics cannot show that it does not."""
        found = claimed(1, [self.level])
        return Verdict.CANNOT_TELL if self.lagging and found is Verdict.DISAGREES else found


ASSIGNMENTS = "dropout + batch norm"
"""The arm of exercise 4.1 that is the assignment's final network."""


def lags(part: Part) -> bool:
    """Return whether batch norm is measured with moving statistics that lag behind the weights."""
    normed = any(values.get("batch_norm") for values in part.values.values())
    return normed and all(v.get("schedule") == "constant" for v in part.values.values())


def regularisation(part: Part) -> Regularisation:
    """Answer the first part of exercise 4.1."""
    gaps = part.table("accuracy") - part.table()
    gap = _difference(paired.compare(gaps, part.reference), ASSIGNMENTS, part.reference)
    fresh = part.afresh()
    if fresh[ASSIGNMENTS].count() >= 2 and lags(part):
        equal = equivalent(fresh, part.reference, MARGINS[0])
        level = _difference(
            paired.compare(fresh, part.reference), ASSIGNMENTS, part.reference, equal
        )
        return Regularisation(part, level, gap, lagging=False, fresh=True)
    return Regularisation(part, difference(part, ASSIGNMENTS), gap, lags(part))


@dataclass(frozen=True)
class Final:
    """The rest of exercise 4: the final network, and how its test accuracy compares.

    validation, test, gap: mean and 95 % interval, shares. test and gap are None before the test set was
    opened. gap is test less validation of all networks together. values: the configuration.
    """

    study: Study
    values: Values
    n: int
    validation: tuple[float, float, float]
    test: tuple[float, float, float] | None
    gap: tuple[float, float, float] | None

    @property
    def goal(self) -> Verdict:
        """Whether validation accuracy reaches the goal."""
        _, low, high = self.validation
        if low >= GOAL:
            return Verdict.AGREES
        return Verdict.DISAGREES if high < GOAL else Verdict.CANNOT_TELL

    @property
    def near(self) -> Verdict:
        """Whether test accuracy is within a point of validation accuracy."""
        if self.gap is None or np.isnan(self.gap[1]):
            return Verdict.CANNOT_TELL
        _, low, high = self.gap
        if low > -NEAR and high < NEAR:
            return Verdict.AGREES
        return Verdict.DISAGREES if high < -NEAR or low > NEAR else Verdict.CANNOT_TELL


def final(study: Study) -> Final | None:
    """Return the answer on a final network. None before it is trained."""
    part = next((part for part in parts(study) if part.name == FINAL), None)
    if part is None or part.table()[FINAL].count() < 2:
        return None
    own = part.table()[FINAL].dropna().to_numpy()
    results = ledger_of(study).results
    found: Tested | None = tested(study, results) if results and results.labels else None
    test = seeds_and_images(found.final.correct) if found else None
    values = chosen_values(study)
    return Final(
        study, values, len(own), paired.interval(own), test, found.pooled if found else None
    )


@dataclass(frozen=True)
class Searched:
    """What a search found.

    best: the best value of the objective. trial: that reached it. values: its configuration.
    configurations: number with a score. deviation: standard deviation of one execution, NaN if each
    configuration was trained once. clear: hyperparameters that matter beyond chance; None if too few
    random configurations tell, or if only one hyperparameter varies. bounds: values of the best on a bound of their range. stuck:
    configurations that only guess. core_seconds: time of all trials.
    """

    study: Study
    best: float
    trial: str
    values: dict[str, object]
    configurations: int
    executions: int
    deviation: float
    clear: list[str] | None
    bounds: dict[str, object]
    trials: int
    epochs: int
    core_seconds: float

    @cached_property
    def ended(self) -> bool:
        """Whether a record says that the search is finished."""
        return bool(self.study.record and self.study.record.finished)


def searched(study: Study) -> Searched | None:
    """Return the answer on a search. None if no configuration has a score."""
    ranked = study.ranked(study.chains)
    if not len(ranked):
        return None
    best = ranked.iloc[0]
    found = importance(study)
    runs = study.executions.dropna(subset=["best"]).groupby("trial")["best"]
    several = runs.filter(lambda own: len(own) > 1)
    deviation = float("nan")
    if len(several):
        again = study.executions.loc[several.index].groupby("trial")["best"]
        freedom = again.size() - 1
        deviation = float(np.sqrt((again.var(ddof=1) * freedom).sum() / freedom.sum()))
    return Searched(
        study,
        float(best["score"]),
        str(study.best(study.trials.loc[best["trials"], "score"])),
        {name: best[name] for name in study.hyperparameters if not pd.isna(best[name])},
        len(ranked),
        int(study.trials["executions"].max()) if study.trials["executions"].notna().any() else 1,
        deviation,
        found.clear if found and len(found.table) > 1 else None,
        dict(observed.on_bounds(study)),
        len(study.trials),
        len(study.curves),
        float(study.trials["seconds"].sum()),
    )
