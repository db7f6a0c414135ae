"""Families of tests hold their level, and find what is planted: depth, steps, ranges."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.evidence.depth import ITSELF, slopes_of
from analysis.evidence.path import corrected, t_test
from analysis.evidence.spread import spread
from analysis.simulations import false_slopes, false_steps, ranges


def test_slopes_by_hand():
    """Per layer, the reference loses 1, and arm b loses 3: its difference falls by 2."""
    seeds = np.arange(8.0)
    tables = {
        depth: pd.DataFrame({"a": seeds - depth, "b": seeds - 3 * depth + 0.01 * seeds})
        for depth in (1, 2, 4)
    }
    found = slopes_of(tables, "a")
    assert found.loc[ITSELF, "difference"] == pytest.approx(-1)
    assert found.loc["b", "difference"] == pytest.approx(-2)
    assert found["detected"].all()


def test_families_hold_their_level():
    """300 studies each: binomial standard error of 1.3 points."""
    assert false_slopes(300, 10) <= 0.09
    assert false_steps(300) <= 0.09


def test_steps_by_hand():
    """Two steps: Holm doubles the smaller p of the t-tests."""
    p = [t_test(np.array([1.0, 2, 3])), t_test(np.array([-1.0, 0, 1]))]
    assert p[0] == pytest.approx(2 * stats.t.sf(2 * math.sqrt(3), 2))
    assert p[1] == 1
    found = corrected(pd.DataFrame({"p": p}))
    assert found["p_holm"].tolist() == pytest.approx([2 * p[0], 1])


@pytest.mark.parametrize("effect", [0.0, 0.01])
def test_the_interval_of_a_range_contains_the_truth(effect):
    """A range of equal arms is not negative, and its lower end may be 0."""
    assert ranges(200, 10, effect) >= 0.92


def test_few_seeds_have_no_range():
    assert np.isnan(spread(pd.DataFrame({"a": [1.0, 2], "b": [1.0, 3]}))).all()
