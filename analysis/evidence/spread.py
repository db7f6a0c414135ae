"""The difference between the best and the worst arm, with an interval that holds its level."""

import itertools

import numpy as np
import pandas as pd
from scipy import stats

from analysis.evidence.paired import LEVEL

STUDIES = 4000


def spread(table: pd.DataFrame) -> tuple[float, float, float]:
    """Return the best arm's mean minus the worst's, with a 95 % interval. NaN for fewer than 3 seeds.

    table: a row a seed, a column an arm. Seeds that lack an arm are left out. The ends come from
    simultaneous intervals of all differences between two arms, whose critical value is simulated from
    the covariance of the arms (Westfall and Young 1993, max-t). A bootstrap of the range itself is
    biased upwards and covers too little: noise alone makes a range.
    """
    complete = table.dropna().to_numpy()
    seeds, arms = complete.shape
    if seeds < 3 or arms < 2:
        return float("nan"), float("nan"), float("nan")
    first, second = np.array(list(itertools.combinations(range(arms), 2))).T
    pairs = complete[:, first] - complete[:, second]
    means, errors = pairs.mean(axis=0), stats.sem(pairs, axis=0)
    half = critical(np.cov(complete, rowvar=False), seeds) * errors
    best = float(np.ptp(complete.mean(axis=0)))
    low = max(0.0, float(np.max(np.abs(means) - half)))
    return best, low, float(np.max(np.abs(means) + half))


def critical(covariance: np.ndarray, seeds: int) -> float:
    """Return the 95 % quantile of the largest |t| of all pairs of arms, if no arm differs."""
    rng = np.random.default_rng(0)
    arms = len(covariance)
    drawn = rng.multivariate_normal(np.zeros(arms), covariance, (STUDIES, seeds), method="eigh")
    largest = np.zeros(STUDIES)
    for one, other in itertools.combinations(range(arms), 2):
        pairs = drawn[:, :, one] - drawn[:, :, other]
        error = stats.sem(pairs, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(pairs.mean(axis=1)) / error
        largest = np.fmax(largest, np.where(error > 0, t, 0.0))
    return float(np.quantile(largest, LEVEL))
