"""What each choice on the way to the final network gained, and which choices carry a learning rate.

With five seeds, no test by sign changes can detect one of several differences. Steps are therefore
tested by Student's t with Holm's correction, which supposes that the differences are about normal.
"""

import math

import numpy as np
import pandas as pd
from scipy import stats

from analysis.evidence import paired
from analysis.evidence.arms import Part

RATED = ("optimizer", "batch_size", "schedule")
"""Choices that a learning rate belongs to. One alone is changed with a rate that was tuned for its
other value, so its gain is that of the choice and of an unfit rate together."""


def steps(part: Part) -> pd.DataFrame:
    """Return one row per step of the path, indexed by choice.

    gain, low, high: mean difference from the previous step and its 95 % interval, paired by seed.
    total, total_low, total_high: the same for the difference from the start of the path.
    n: number of pairs of the gain. p_holm: of the gain, by a t-test with Holm's correction over the
    steps. detected: p_holm is at most 0.05.
    """
    table = part.table()
    rows = []
    for before, arm in zip(part.arms, part.arms[1:], strict=False):
        pairs = (table[arm] - table[before]).dropna().to_numpy()
        total = paired.interval((table[arm] - table[part.arms[0]]).dropna().to_numpy())
        names = ("gain", "low", "high", "total", "total_low", "total_high")
        values = dict(zip(names, (*paired.interval(pairs), *total), strict=True))
        rows.append({"choice": arm, **values, "n": len(pairs), "p": t_test(pairs)})
    return corrected(pd.DataFrame(rows).set_index("choice")) if rows else pd.DataFrame()


def reverted(part: Part) -> pd.DataFrame:
    """Return `Part.compared` of the final network with one choice reverted, tested as steps are."""
    table = part.table()
    found = part.compared().copy()
    found["p"] = [
        t_test((table[a] - table[part.reference]).dropna().to_numpy()) for a in found.index
    ]
    return corrected(found)


def corrected(found: pd.DataFrame) -> pd.DataFrame:
    """Correct the p-values of t-tests."""
    found["p_holm"] = paired.holm(found["p"].astype(float))
    found["detected"] = found["p_holm"] <= paired.ALPHA
    return found


def t_test(pairs: np.ndarray) -> float:
    """Return the two-sided p of a zero mean by Student's t. NaN for fewer than two pairs."""
    if len(pairs) < 2:
        return math.nan
    if not np.ptp(pairs):
        return 1.0 if not np.any(pairs) else 0.0
    return float(stats.ttest_1samp(pairs, 0.0).pvalue)
