"""The benchmarks of time to target: what they compute from curves, and planted spaces."""

import numpy as np
import pytest

from benchmarks import planted_spaces, time_to_target


def test_improvements_are_the_best_so_far_in_seconds_since_the_start():
    epochs = [(103.0, 0.5), (104.5, 0.4), (105.0, 0.7), (107.0, 0.7)]
    assert time_to_target.improvements(epochs, 100.0) == [[3.0, 0.5], [5.0, 0.7]]


def test_the_median_of_censored_runs_is_infinite_if_most_are():
    assert time_to_target.interval(np.array([10.0, 20.0, 30.0]))[0] == 20.0
    median, low, high = time_to_target.interval(np.array([10.0, 20.0, np.inf, np.inf, np.inf]))
    assert np.isinf(median)
    assert low == 10.0
    assert np.isinf(high)
    assert time_to_target.cell(np.array([np.inf, 20.0, 10.0])) == "20 s [10; ∞]"


def test_a_planted_space_has_its_optimum_where_it_says():
    for number in range(10):
        space = planted_spaces.planted(number)
        best = {
            hp.name: place
            if isinstance(place := space.best[hp.name], str)
            else hp.prob_to_value(place)
            for hp in space.space.space
        }
        assert space.loss(best) == pytest.approx(0, abs=1e-9)
        assert 0 < space.loss({hp.name: hp.random_sample(3) for hp in space.space.space}) <= 1
        assert space.kind == planted_spaces.KINDS[number % 5]
        reached = planted_spaces.target_of(space)
        assert space.accuracy(best, 27) > reached - 4 * space.noise


@pytest.mark.slow
def test_draws_that_learn_reach_targets_sooner_near_an_optimum_and_not_much_later_far_from_it():
    """A few spaces of each kind; benchmarks.planted_spaces tries 200."""
    ratios = {kind: [] for kind in planted_spaces.KINDS}
    for number in range(15):
        kind, value = planted_spaces.ratio(number, seeds=5)
        if not np.isnan(value):  # random draws reach the target on most seeds
            ratios[kind].append(value)
    assert np.median(ratios["near"]) < 1
    assert np.median([value for own in ratios.values() for value in own]) < 1
