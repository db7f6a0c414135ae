"""The power of the whole rule, by independent methods."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.evidence import power
from analysis.evidence.paired import compare
from analysis.simulations import found_of_detectable


def test_the_rule_is_that_of_the_comparison():
    """The same studies, once by the fast rule and once by `compare`, with one arm beside the reference."""
    pairs = np.random.default_rng(1).normal(0.9, 1, (200, 8))
    slow = [
        compare(pd.DataFrame({"a": np.zeros(8), "b": row}), "a").loc["b", "detected"]
        for row in pairs
    ]
    assert power.detected(pairs, 1).tolist() == slow


def test_a_detectable_difference_is_detected_four_times_in_five():
    """1,500 studies: the standard error is one point. The t-test alone would promise too much."""
    assert found_of_detectable(1500, 10) == pytest.approx(0.8, abs=0.03)
    t_test = stats.nct.sf(stats.t.ppf(1 - 0.025 / 7, 9), 9, power.effect(10, 7) * math.sqrt(10))
    assert t_test > 0.8


def test_many_seeds_have_the_power_of_a_t_test():
    effect = power.effect(30, 1)
    found = stats.nct.sf(stats.t.ppf(0.975, 29), 29, effect * math.sqrt(30))
    assert found == pytest.approx(0.8, abs=0.01)


def test_seeds_for_a_size_are_the_fewest_that_detect_it():
    pairs = np.array([-1.0, 0, 1, 2, 3])
    spread = pairs.std(ddof=1)
    needed = power.seeds_for(1.0, pairs, 2)
    assert power.effect(int(needed), 2) * spread <= 1.0 < power.effect(int(needed) - 1, 2) * spread


def test_too_few_seeds_detect_nothing():
    assert math.isnan(power.effect(5, 1))
    assert math.isnan(power.detectable(np.array([1.0, 2, 3]), 1))
    assert math.isnan(power.seeds_for(0.01, np.array([1.0]), 1))
