"""Practical equivalence, by hand and on planted differences."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.evidence.equivalence import equivalent, p_within
from analysis.simulations import false_equals


def test_p_by_hand():
    """Pairs 0, 1 and 2 have mean 1 and standard error 1/√3. The margin 3 is 2√3 errors away."""
    expected = stats.t.sf(2 * math.sqrt(3), 2)
    assert p_within(np.array([0.0, 1, 2]), 3) == pytest.approx(expected)
    assert p_within(np.array([0.0, -1, -2]), 3) == pytest.approx(expected)
    assert p_within(np.array([0.0, 1, 2]), 1) == pytest.approx(0.5)
    assert math.isnan(p_within(np.array([1.0]), 3))


def test_holm_covers_the_arms():
    rng = np.random.default_rng(2)
    table = pd.DataFrame({name: rng.normal(0, 1e-4, 10) for name in "abc"})
    table["far"] = table["a"] + 0.01 + rng.normal(0, 1e-4, 10)
    found = equivalent(table, "a", 0.005)
    assert found["equivalent"].to_dict() == {"b": True, "c": True, "far": False}
    assert (found["p_holm"] >= found["p"]).all()


def test_arms_that_differ_by_the_margin_are_called_equal_in_at_most_one_study_of_twenty():
    """400 studies: binomial standard error of 1.1 points."""
    assert false_equals(400, 10) <= 0.08
