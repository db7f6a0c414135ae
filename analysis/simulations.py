"""Check the statistics on simulated studies: true effects are found, absent effects are not.

Every row calls the functions that the report calls.
"""

import concurrent.futures
import multiprocessing
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.evidence import power
from analysis.evidence.depth import slopes_of
from analysis.evidence.equivalence import equivalent
from analysis.evidence.importance import against_chance
from analysis.evidence.intervals import new_images, seeds_and_images
from analysis.evidence.paired import compare
from analysis.evidence.path import corrected, t_test
from analysis.evidence.spread import spread
from analysis.evidence.study import Study

ARMS = 8
EFFECT = 0.004
"""Planted effect: 0.4 points."""

ARM_SPREAD, SEED_SPREAD = 0.003, 0.004
"""Standard deviations of the noise of an arm and of the noise that arms of a seed share."""

PAIR_SPREAD = ARM_SPREAD * np.sqrt(2)
"""Standard deviation of a difference between two arms."""

RANKED = 8
"""Number of simulated searches in which fANOVA should find the planted parameter."""

SEARCHES = 10
"""One simulated search without effects for so many simulated studies: each takes seconds."""

FEW = 5
"""Seeds of an ablation path."""


def simulated(studies: int, seeds: int) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield "| simulated | wanted | found |"
    yield "| --- | --- | --- |"
    own = f"{studies} studies, {seeds} seeds"
    few = f"{studies} studies, {FEW} seeds"
    effect = f"a planted effect of {100 * EFFECT:g} points"
    shares: list[tuple[str, str, Callable[[], float]]] = [
        (
            f"95 % intervals that contain {effect} ({own})",
            "93–97 %",
            partial(coverage, studies, seeds),
        ),
        (f"the same with {FEW} seeds", "93–97 %", partial(coverage, studies, FEW)),
        (
            "the same, if the noise of one arm is four times that of the other",
            "93–97 %",
            partial(coverage, studies, seeds, 4.0),
        ),
        (
            f"studies of {ARMS} equal arms in which a difference is declared ({own})",
            "at most 5 %",
            partial(false_positives, studies, seeds),
        ),
        (
            f"studies without slopes in which a slope over depth is declared ({own})",
            "at most 5 %",
            partial(false_slopes, studies, seeds),
        ),
        (
            f"paths of 11 steps without effects in which a step is declared ({few})",
            "at most 5 %",
            partial(false_steps, studies),
        ),
        (
            f"differences of the size that is printed as detectable with 80 % power ({own})",
            "78–82 %",
            partial(found_of_detectable, studies, seeds),
        ),
        (
            f"arms declared equal within half a point although they differ by half a point ({own})",
            "at most 5 %",
            partial(false_equals, studies, seeds),
        ),
        (
            f"intervals of best less worst that contain the truth, if all arms are equal ({own})",
            "at least 95 %",
            partial(ranges, studies, seeds, 0.0),
        ),
        (
            "the same, if one arm is better by 1 point",
            "at least 95 %",
            partial(ranges, studies, seeds, 0.01),
        ),
        (
            f"test intervals, for new seeds and images, that contain the truth ({studies} studies)",
            "93–97 %",
            partial(intervals_of_tests, studies, False),
        ),
        (
            "intervals of test less validation that contain the truth",
            "93–97 %",
            partial(intervals_of_tests, studies, True),
        ),
    ]
    for what, wanted, share in shares:
        yield f"| {what} | {wanted} | {share():.1%} |"
    searches = max(1, studies // SEARCHES)
    yield (
        f"| searches without effects in which a hyperparameter is said to matter ({searches} searches) "
        f"| at most 5 % | {false_importances(searches):.1%} |"
    )
    yield (
        f"| searches in which the planted hyperparameter is found | {RANKED} of {RANKED} "
        f"| {ranked(RANKED)} of {RANKED} |"
    )


def planted(
    rng: np.random.Generator, seeds: int, effect: float, arms: int = ARMS, times: float = 1.0
) -> pd.DataFrame:
    """Return accuracies by seed and arm; arm 1 has the effect, and arms of a seed share noise.

    times: the noise of arm 1 as a multiple of that of the others.
    """
    shared = rng.normal(0, SEED_SPREAD, (seeds, 1))
    own = rng.normal(0, ARM_SPREAD, (seeds, arms))
    own[:, 1] *= times
    table = pd.DataFrame(0.88 + shared + own, columns=[f"arm {n}" for n in range(arms)])
    table["arm 1"] += effect
    return table


def coverage(studies: int, seeds: int, times: float = 1.0) -> float:
    """Return the share of studies whose interval includes the planted effect."""
    rng = np.random.default_rng(1)
    held = []
    for _ in range(studies):
        table = planted(rng, seeds, EFFECT, 2, times)
        row = compare(table, "arm 0").loc["arm 1"]
        held.append(row["low"] <= EFFECT <= row["high"])
    return float(np.mean(held))


def false_positives(studies: int, seeds: int) -> float:
    """Return the share of studies without effects in which a difference is declared."""
    rng = np.random.default_rng(2)
    return float(
        np.mean(
            [compare(planted(rng, seeds, 0), "arm 0")["detected"].any() for _ in range(studies)]
        )
    )


def false_slopes(studies: int, seeds: int) -> float:
    """Return the share of studies of six depths without slopes in which a slope is declared."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(studies):
        tables = {depth: planted(rng, seeds, 0, 3) for depth in range(1, 7)}
        found.append(slopes_of(tables, "arm 0")["detected"].any())
    return float(np.mean(found))


def false_steps(studies: int, steps: int = 11) -> float:
    """Return the share of paths without effects in which a step is declared."""
    rng = np.random.default_rng(4)
    found = []
    for _ in range(studies):
        table = planted(rng, FEW, 0, steps + 1).to_numpy()
        p = [t_test(table[:, n + 1] - table[:, n]) for n in range(steps)]
        found.append(corrected(pd.DataFrame({"p": p}))["detected"].any())
    return float(np.mean(found))


def found_of_detectable(studies: int, seeds: int) -> float:
    """Return how often a difference is found that is printed as detectable."""
    rng = np.random.default_rng(5)
    size = power.effect(seeds, ARMS - 1) * PAIR_SPREAD
    found = [
        compare(planted(rng, seeds, size), "arm 0").loc["arm 1", "detected"] for _ in range(studies)
    ]
    return float(np.mean(found))


def false_equals(studies: int, seeds: int, margin: float = 0.005) -> float:
    """Return how often an arm is declared equal that differs by exactly the margin."""
    rng = np.random.default_rng(6)
    found = [
        equivalent(planted(rng, seeds, margin, 2), "arm 0", margin).loc["arm 1", "equivalent"]
        for _ in range(studies)
    ]
    return float(np.mean(found))


def ranges(studies: int, seeds: int, effect: float) -> float:
    """Return the share of intervals of best less worst that contain the true difference."""
    rng = np.random.default_rng(7)
    ends = np.array([spread(planted(rng, seeds, effect, 6))[1:] for _ in range(studies)])
    return float(np.mean((ends[:, 0] <= effect) & (effect <= ends[:, 1])))


def intervals_of_tests(studies: int, less_validation: bool) -> float:
    """Return the share of intervals of test accuracy, or of test less validation, with the truth."""
    rng = np.random.default_rng(8)
    held = []
    for _ in range(studies):
        skill = 0.9 + rng.normal(0, 0.004, (6, 1))
        correct = rng.random(2000) < skill
        own = (rng.random((6, 600)) < skill).mean(axis=1)
        _, low, high = new_images(own, correct) if less_validation else seeds_and_images(correct)
        held.append(low <= (0 if less_validation else 0.9) <= high)
    return float(np.mean(held))


def false_importances(searches: int) -> float:
    """Return the share of searches without effects in which a hyperparameter is said to matter."""
    with concurrent.futures.ProcessPoolExecutor(
        mp_context=multiprocessing.get_context("forkserver")
    ) as pool:
        return float(np.mean(list(pool.map(_names_any, range(searches), chunksize=4))))


def _names_any(seed: int) -> bool:
    study, found = planted_search(seed, 25, effects=False)
    return bool(against_chance(study, found, study.hyperparameters)["clear"].any())


def ranked(searches: int) -> int:
    """Return the number of searches in which the planted hyperparameter, and it first, is found."""
    return sum(_first(seed) == "planted" for seed in range(searches))


def _first(seed: int) -> str:
    study, found = planted_search(seed, 60, effects=True)
    table = against_chance(study, found, study.hyperparameters)
    return str(table.index[0]) if table["clear"].iloc[0] else ""


def planted_search(seed: int, configurations: int, effects: bool) -> tuple[Study, pd.DataFrame]:
    """Return a search of random configurations, with two effects or with none."""
    rng = np.random.default_rng(seed)
    names = ["planted", "weaker", "idle 1", "idle 2", "idle 3"]
    found = pd.DataFrame({name: rng.uniform(0, 1, configurations) for name in names})
    found["score"] = 0.8 + rng.normal(0, 0.005, configurations)
    if effects:
        found["score"] += 0.08 * found["planted"] - 0.03 * found["weaker"]
    nothing = pd.DataFrame()
    bounds: dict[str, list[Any] | tuple[float, float]] = dict.fromkeys(names, (0.0, 1.0))
    study = Study("planted", Path(), found, nothing, nothing, {}, names, bounds, set(), None)
    return study, found
