"""Differences between arms paired by seed, their power, factorials and early stopping.

A table of arms is a frame with one row per seed and one column per arm. Accuracies are shares, not
percent.
"""

import gc
import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

LEVEL = 0.95


ALPHA = 1 - LEVEL


RESAMPLES = 2**14
"""Sign changes that the test draws. Up to 14 seeds it uses all sign changes, beyond a sample."""


def compare(table: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Compare every arm with the reference, paired by seed; one row per arm except the reference.

    n: number of seeds that both arms have. difference, low, high: mean of arm minus reference, with
    its 95 % interval by Student's t. p: two-sided, by all sign changes of the pairs (exact up to 14
    seeds). p_holm: p corrected over the arms (Holm 1979). superiority: share of seeds on which the
    arm is above the reference, ties counting half. detected: the interval excludes 0 and p_holm is
    at most 0.05.
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
    columns = ["arm", "n", "difference", "low", "high", "p", "superiority"]
    result = pd.DataFrame(rows, columns=columns).set_index("arm")
    result["p_holm"] = holm(result["p"])
    clear = (result["low"] > 0) | (result["high"] < 0)
    result["detected"] = clear & (result["p_holm"] <= ALPHA)
    return result


def holm(p: pd.Series) -> pd.Series:
    """Correct p-values by Holm's (1979) method; missing values stay missing and do not count."""
    adjusted = pd.Series(math.nan, p.index)
    tested = p.notna()
    if tested.any():
        # multipletests collects garbage at every call. Frozen objects are exempt, which makes the
        # collection fast. Objects that are frozen already stay so.
        ours = gc.get_freeze_count() == 0
        if ours:
            gc.freeze()
        try:
            adjusted[tested] = multipletests(p[tested], method="holm")[1]
        finally:
            if ours:
                gc.unfreeze()
    return adjusted


def interval(sample: np.ndarray) -> tuple[float, float, float]:
    """Return a mean and its 95 % interval by Student's t; NaN ends for fewer than two values."""
    if len(sample) == 0:
        return math.nan, math.nan, math.nan
    mean = float(np.mean(sample))
    if len(sample) < 2:
        return mean, math.nan, math.nan
    half = stats.t.ppf(1 - ALPHA / 2, len(sample) - 1) * stats.sem(sample)
    return mean, mean - half, mean + half


def sign_change_p(pairs: np.ndarray) -> float:
    """Return the two-sided p of a zero mean, by all sign changes of the differences."""
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


def factorial(table: pd.DataFrame, factors: Sequence[str], none: str = "none") -> pd.DataFrame:
    """Return main effects and interactions of a full two-level factorial, paired by seed.

    The columns of `table` are `none` and the names of the factors that are on, joined by " + " in
    order. A main effect is the mean with the factor on minus the mean with it off, over all
    settings of the other factors. An interaction of two factors is half the change in the effect of
    one when the other is switched on.
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


def epochs_to(curve: pd.Series, value: float, lower: bool = False) -> float:
    """Return the first epoch at which a curve, indexed by epoch, reaches a value, or inf.

    lower: whether lower values are better.
    """
    reached = curve.index[(curve <= value) if lower else (curve >= value)]
    return float(reached[0]) if len(reached) else math.inf


def middle(epochs: Sequence[float]) -> float:
    """Return the lower median of epochs, which is an epoch itself. NaN if there are none.

    Infinity, for a run that never got there, counts as the largest.
    """
    return float(np.quantile(epochs, 0.5, method="lower")) if len(epochs) else math.nan


def early_stop(curve: pd.Series, patience: int) -> tuple[int, int]:
    """Return the epoch at which training stops, and the epoch whose weights are restored."""
    best_epoch, best = 0, -math.inf
    for epoch, value in curve.items():
        if value > best:
            best_epoch, best = int(epoch), value
        elif epoch - best_epoch >= patience:
            return int(epoch), best_epoch
    return int(curve.index[-1]), best_epoch
