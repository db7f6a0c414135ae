"""How differences between arms change with depth: one planned test of a slope for each arm."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.evidence import paired
from analysis.evidence.arms import Part

ITSELF = "itself"
"""The row of the reference's own slope, which is not a difference."""


def slopes(depths: Sequence[Part]) -> pd.DataFrame:
    """Test the slopes over the number of hidden layers. depths: parts that differ in `level`."""
    tables = {part.level or 0: part.table() for part in depths}
    return slopes_of(tables, depths[0].reference)


def slopes_of(tables: dict[int, pd.DataFrame], reference: str) -> pd.DataFrame:
    """Test a slope for each arm, paired by seed.

    tables: by number of layers, a row a seed, a column an arm. One row per arm except the reference:
    the least-squares slope of its difference from the reference, per layer, as `paired.compare` gives
    differences. The row `ITSELF` is the slope of the reference's own results. Holm's correction covers
    all rows. Seeds that lack a result at any depth are left out.
    """
    levels = np.array(list(tables), float)
    weights = (levels - levels.mean()) / np.sum((levels - levels.mean()) ** 2)
    found = {}
    for arm in next(iter(tables.values())).columns:
        own = pd.concat(
            [
                table[arm] - (0 if arm == reference else table[reference])
                for table in tables.values()
            ],
            axis=1,
        ).dropna()
        name = ITSELF if arm == reference else arm
        found[name] = pd.Series(own.to_numpy() @ weights, index=own.index, dtype=float)
    rows = pd.DataFrame(found)
    rows["0"] = 0.0
    return paired.compare(rows, "0")
