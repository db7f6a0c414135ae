"""Exercise 3: the assignment's own optimizers, and what tuning the learning rate gained."""

import pandas as pd

from analysis.evidence import paired
from analysis.evidence.arms import Endpoint, Part

OWN = ("momentum", "adam", "rmsprop")
"""The assignment's optimizers, its SGD first: learning rate 0.01 and momentum 0.9."""


def own_optimizers(defaults: Part, endpoint: Endpoint = Endpoint.LEVEL) -> pd.DataFrame:
    """Compare the assignment's Adam and RMSprop with its SGD, as `paired.compare` does."""
    return paired.compare(defaults.table(endpoint=endpoint)[list(OWN)], OWN[0])


def tuning(defaults: Part, tuned: Part) -> pd.DataFrame:
    """Compare each optimizer at its tuned rate with its default, paired by seed, Holm over both.

    An optimizer whose default was chosen has a difference of exactly 0.
    """
    before, after = defaults.table(), tuned.table()
    gains = pd.DataFrame({arm: after[arm] - before[arm] for arm in tuned.arms if arm in before})
    gains["0"] = 0.0
    return paired.compare(gains, "0")
