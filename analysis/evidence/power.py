"""Power of the rule by which a difference is detected (`analysis.evidence.paired.compare`).

The rule asks for two things: Student's interval excludes 0, and the p-value of all sign changes, by
Holm's first step, is at most 0.05. The power of a t-test alone is higher than that of the rule, so the
whole rule is simulated.
"""

import bisect
import itertools
import math
from functools import cache

import numpy as np
from scipy import optimize, stats

from analysis.evidence.paired import ALPHA

POWER = 0.8

EXACT = 14
"""Most seeds for which the rule is simulated. Beyond, a p-value has no coarse steps any more, and a
t-test at the level of Holm's first step has about the same power."""

SAMPLES = 4000
"""Simulated studies. The standard error of a power of 80 % is then 0.6 points."""

CHUNK = 500

MOST_SEEDS = 10_000
"""Upper limit of the search for the number of seeds that a difference needs."""


SIZES = (0.01, 0.005)
"""Differences worth knowing, stated beforehand: shares of an accuracy, or of a reference's mean."""


def sizes(share: bool, mean: float) -> list[float]:
    """Return the differences worth knowing. share: whether the objective is an accuracy."""
    return [size if share else abs(size * mean) for size in SIZES]


def fewest_seeds(arms: int) -> int:
    """Return the fewest seeds that can detect any of `arms` differences, as p >= 2 / 2^seeds."""
    return math.ceil(math.log2(2 * arms / ALPHA))


def detected(pairs: np.ndarray, arms: int) -> np.ndarray:
    """Return whether the rule detects a difference in each of several studies.

    pairs: differences, shape (studies, seeds), at most `EXACT` seeds. arms: differences that are
    tested in a study.
    """
    studies, seeds = pairs.shape
    half = stats.t.ppf(1 - ALPHA / 2, seeds - 1) * stats.sem(pairs, axis=1)
    clear = np.abs(pairs.mean(axis=1)) > half
    # The first sign is always +: the other half of the sign changes has the same sizes.
    signs = np.array([(1, *rest) for rest in itertools.product((1, -1), repeat=seeds - 1)], float)
    p = np.empty(studies)
    for start in range(0, studies, CHUNK):
        some = pairs[start : start + CHUNK]
        sums = np.abs(some @ signs.T)
        p[start : start + CHUNK] = (sums >= np.abs(some.sum(axis=1))[:, None] - 1e-12).mean(axis=1)
    return np.asarray(clear & (p * arms <= ALPHA))


@cache
def effect(seeds: int, arms: int) -> float:
    """Return the true difference that is detected with 80 % power, in standard deviations of pairs.

    NaN if so few seeds detect none.
    """
    if seeds < fewest_seeds(arms):
        return math.nan
    about = of_t_test(seeds, arms)
    if seeds > EXACT:
        return about
    noise = np.random.default_rng(0).standard_normal((SAMPLES, seeds))
    low, high = 0.8 * about, 2.5 * about
    while high - low > 0.002 * about:
        middle = (low + high) / 2
        if detected(noise + middle, arms).mean() < POWER:
            low = middle
        else:
            high = middle
    return high


def of_t_test(seeds: int, arms: int) -> float:
    """Return the same for a t-test at the level of Holm's first step."""
    critical = stats.t.ppf(1 - ALPHA / arms / 2, seeds - 1)

    def short(size: float) -> float:
        return float(stats.nct.sf(critical, seeds - 1, size * math.sqrt(seeds))) - POWER

    return float(optimize.brentq(short, 1e-6, 20.0))


def detectable(pairs: np.ndarray, arms: int) -> float:
    """Return the smallest true difference that so many seeds detect with 80 % power.

    pairs: differences by seed, which tell the spread. NaN for too few.
    """
    if len(pairs) < fewest_seeds(arms):
        return math.nan
    return effect(len(pairs), arms) * float(np.std(pairs, ddof=1))


def seeds_for(size: float, pairs: np.ndarray, arms: int) -> float:
    """Return the number of seeds that detect a true difference of a size with 80 % power.

    pairs: differences by seed, which tell the spread. The size is chosen beforehand. The measured
    difference must not serve as size, because it is large where it was detected by luck. NaN if the
    spread is unknown, infinity for more than `MOST_SEEDS`.
    """
    spread = float(np.std(pairs, ddof=1)) if len(pairs) > 1 else math.nan
    if not spread > 0:
        return math.nan
    sizes = range(fewest_seeds(arms), MOST_SEEDS)
    needed = bisect.bisect_left(sizes, True, key=lambda n: effect(n, arms) * spread <= size)
    return float(sizes[needed]) if needed < len(sizes) else math.inf
