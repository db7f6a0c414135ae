"""Differences between arms in pairs by seed, and what a search shows at equal budget.

Tables of arms are frames with a row a seed and a column an arm. Accuracies are shares, not percent.
"""

import bisect
import gc
import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

# multipletests collects garbage at every call: what the imports left need not be looked through.
gc.freeze()


LEVEL = 0.95


ALPHA = 1 - LEVEL


POWER = 0.8


RESAMPLES = 2**14
"""Sign changes of pairs: all of them up to 14 seeds, a sample of them beyond."""


def compare(table: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Every arm less the reference, in pairs by seed; a row an arm, the reference left out.

    n: seeds that both arms have. difference, low, high: mean and its 95 % interval by Student's t.
    p: two-sided, by all sign changes of the pairs (exact up to 14 seeds). p_holm: over the arms
    (Holm 1979). superiority: share of seeds where the arm is above, ties counting half.
    detected: the interval leaves 0 out and p_holm is at most 0.05.
    """
    rows = []
    for arm in table.columns.drop(reference):
        pairs = (table[arm] - table[reference]).dropna().to_numpy()
        mean, low, high = interval(pairs)
        rows.append(
            {
                "arm": arm,
                "n": len(pairs),
                "difference": mean,
                "low": low,
                "high": high,
                "p": sign_change_p(pairs),
                "superiority": float(np.mean((pairs > 0) + 0.5 * (pairs == 0)))
                if len(pairs)
                else math.nan,
            }
        )
    result = pd.DataFrame(rows).set_index("arm")
    result["p_holm"] = holm(result["p"])
    clear = (result["low"] > 0) | (result["high"] < 0)
    result["detected"] = clear & (result["p_holm"] <= ALPHA)
    return result


def holm(p: pd.Series) -> pd.Series:
    """Holm's (1979) adjustment of p-values; blanks stay blank and do not count."""
    adjusted = pd.Series(math.nan, p.index)
    tested = p.notna()
    if tested.any():
        adjusted[tested] = multipletests(p[tested], method="holm")[1]
    return adjusted


def interval(sample: np.ndarray) -> tuple[float, float, float]:
    """Mean of a sample and its 95 % interval by Student's t; blank ends for fewer than two."""
    if len(sample) == 0:
        return math.nan, math.nan, math.nan
    mean = float(np.mean(sample))
    if len(sample) < 2:
        return mean, math.nan, math.nan
    half = stats.t.ppf(1 - ALPHA / 2, len(sample) - 1) * stats.sem(sample)
    return mean, mean - half, mean + half


def sign_change_p(pairs: np.ndarray) -> float:
    """Two-sided p of a mean of 0, where every difference is as likely with the other sign."""
    if len(pairs) < 2:
        return math.nan
    if not np.any(pairs):
        return 1.0
    test = stats.permutation_test(
        (pairs,),
        lambda sample, axis: np.mean(sample, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)


MOST_SEEDS = 10_000
"""Seeds beyond which nobody would go to show a difference."""


def fewest_seeds(arms: int) -> int:
    """Seeds below which no difference of so many can be detected: p is at least 2 / 2^seeds."""
    return math.ceil(math.log2(2 * arms / ALPHA))


def seeds_needed(pairs: np.ndarray, arms: int) -> float:
    """Seeds at which a difference as large as this is detected four times in five.

    By the paired t-test at a level of 0.05 / arms, the first step of Holm's.
    """
    spread = np.std(pairs, ddof=1) if len(pairs) > 1 else math.nan
    if not spread > 0 or not np.mean(pairs):
        return math.nan
    effect = abs(np.mean(pairs)) / spread
    test, sizes = TTestPower(), range(fewest_seeds(arms), MOST_SEEDS)
    # By bisection: the solver of statsmodels does not converge for small effects.
    needed = bisect.bisect_left(
        sizes, POWER, key=lambda n: np.nan_to_num(test.power(effect, n, ALPHA / arms), nan=1.0)
    )
    return float(sizes[needed]) if needed < len(sizes) else math.inf


def detectable(pairs: np.ndarray, arms: int) -> float:
    """The smallest difference that this many seeds detect four times in five; blank for too few."""
    if len(pairs) < fewest_seeds(arms):
        return math.nan
    effect = TTestPower().solve_power(nobs=len(pairs), alpha=ALPHA / arms, power=POWER)
    return float(effect * np.std(pairs, ddof=1))


def factorial(table: pd.DataFrame, factors: Sequence[str], none: str = "none") -> pd.DataFrame:
    """Main effects and interactions of a full two-level factorial, in pairs by seed.

    Columns of `table`: `none`, and the factors that are on, joined by " + " in order. An effect is
    the mean with the factor on less the mean with it off, over all settings of the others; an
    interaction of two is half the change of one's effect that switching the other on makes.
    """
    settings = {
        on: " + ".join(f for f in factors if f in on) or none
        for size in range(len(factors) + 1)
        for on in itertools.combinations(factors, size)
    }
    contrasts = {}
    for size in range(1, len(factors) + 1):
        for effect in itertools.combinations(factors, size):
            signs = {
                column: math.prod(1 if factor in on else -1 for factor in effect)
                for on, column in settings.items()
            }
            contrast = sum(sign * table[column] for column, sign in signs.items())
            contrasts[" × ".join(effect)] = contrast / (len(settings) / 2)
    effects = pd.DataFrame(contrasts)
    effects["0"] = 0.0
    return compare(effects, "0")


def epochs_to(curve: pd.Series, accuracy: float) -> float:
    """The first epoch of a curve (indexed by epoch) that reaches an accuracy; infinity if none."""
    reached = curve.index[curve >= accuracy]
    return float(reached[0]) if len(reached) else math.inf


def reaching(epochs: Sequence[float]) -> dict[str, float]:
    """Of runs' epochs to an accuracy, infinity where it was not reached (all cut at one budget).

    reached: how many. median: when half had reached it, infinite where they never had, which is
    Kaplan and Meier's where all are censored at one epoch.
    """
    return {
        "n": len(epochs),
        "reached": int(np.isfinite(epochs).sum()),
        "median": float(np.quantile(epochs, 0.5, method="lower")) if len(epochs) else math.nan,
    }


def early_stop(curve: pd.Series, patience: int) -> tuple[int, int]:
    """(epoch at which training would have stopped, epoch whose weights would be restored)."""
    best_epoch, best = 0, -math.inf
    for epoch, value in curve.items():
        if value > best:
            best_epoch, best = int(epoch), value
        elif epoch - best_epoch >= patience:
            return int(epoch), best_epoch
    return int(curve.index[-1]), best_epoch
