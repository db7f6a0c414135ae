"""Check the statistics on simulated studies: true effects are found, absent effects are not."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.evidence.importance import as_optuna, shares
from analysis.evidence.paired import compare
from analysis.evidence.study import Study

ARMS = 8
EFFECT = 0.004
"""Planted effect: 0.4 points."""

ARM_SPREAD, SEED_SPREAD = 0.003, 0.004
"""Standard deviations of the noise of an arm and of the noise that arms of a seed share."""

RANKED = 8
"""Number of simulated searches in which fANOVA should rank the planted parameter first."""


def simulated(studies: int, seeds: int) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    inside, declared = coverage(studies, seeds), false_positives(studies, seeds)
    first = ranked(RANKED)
    yield "| simulated | expected | found |"
    yield "| --- | --- | --- |"
    yield (
        f"| 95 % intervals that include a planted effect of {100 * EFFECT:g} points "
        f"({studies} studies, {seeds} seeds) | 93–97 % | {inside:.1%} |"
    )
    yield (
        f"| studies of {ARMS} equal arms in which a difference is declared ({studies} studies) "
        f"| at most 5 % | {declared:.1%} |"
    )
    yield f"| searches in which fANOVA ranks the planted parameter first | {RANKED} of {RANKED} | {first} of {RANKED} |"


def planted(rng: np.random.Generator, seeds: int, effect: float) -> pd.DataFrame:
    """Return accuracies by seed and arm; arm 1 has the effect, and arms of a seed share noise."""
    shared = rng.normal(0, SEED_SPREAD, (seeds, 1))
    own = rng.normal(0, ARM_SPREAD, (seeds, ARMS))
    table = pd.DataFrame(0.88 + shared + own, columns=[f"arm {n}" for n in range(ARMS)])
    table["arm 1"] += effect
    return table


def coverage(studies: int, seeds: int) -> float:
    """Return the share of studies whose interval includes the planted effect."""
    rng = np.random.default_rng(1)
    held = []
    for _ in range(studies):
        row = compare(planted(rng, seeds, EFFECT)[["arm 0", "arm 1"]], "arm 0").loc["arm 1"]
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


def ranked(searches: int) -> int:
    """Return the number of searches in which fANOVA ranks the planted parameter first."""
    return sum(_first(seed) == "planted" for seed in range(searches))


def _first(seed: int) -> str:
    rng = np.random.default_rng(seed)
    names = ["planted", "weaker", "idle 1", "idle 2", "idle 3"]
    found = pd.DataFrame({name: rng.uniform(0, 1, 60) for name in names})
    found["score"] = (
        0.8 + 0.08 * found["planted"] - 0.03 * found["weaker"] + rng.normal(0, 0.005, 60)
    )
    nothing = pd.DataFrame()
    study = Study(
        "planted",
        Path(),
        found,
        nothing,
        nothing,
        {},
        names,
        dict.fromkeys(names, (0.0, 1.0)),
        set(),
        None,
    )
    return str(shares(as_optuna(study, found, names), names, seed=0).idxmax())
