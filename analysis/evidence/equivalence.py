"""Whether arms are practically equal to the reference: two one-sided tests (Schuirmann 1987)."""

import math

import numpy as np
import pandas as pd
from scipy import stats

from analysis.evidence.paired import ALPHA, holm

MARGINS = (0.005, 0.01)
"""Differences of accuracy that a reader may call negligible, as shares: half a point and a point."""


def equivalent(table: pd.DataFrame, reference: str, margin: float) -> pd.DataFrame:
    """Test whether the difference of every arm from the reference is within a margin.

    table: as for `paired.compare`. One row per arm except the reference. p: the larger p of the two
    one-sided t-tests, NaN for fewer than two pairs. p_holm: corrected over the arms. equivalent:
    p_holm is at most 0.05.
    """
    p = {
        arm: p_within((table[arm] - table[reference]).dropna().to_numpy(), margin)
        for arm in table.columns.drop(reference)
    }
    found = pd.DataFrame({"p": pd.Series(p, dtype=float)}).rename_axis("arm")
    found["p_holm"] = holm(found["p"])
    found["equivalent"] = found["p_holm"] <= ALPHA
    return found


def p_within(pairs: np.ndarray, margin: float) -> float:
    """Return the p of the hypothesis that the mean is beyond a margin on either side."""
    if len(pairs) < 2:
        return math.nan
    mean, error = float(np.mean(pairs)), float(stats.sem(pairs))
    if error == 0:
        return 0.0 if abs(mean) < margin else 1.0
    return float(stats.t.sf((margin - abs(mean)) / error, len(pairs) - 1))
