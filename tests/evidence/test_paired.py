import gc
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.evidence import intervals, observed, paired, power
from analysis.simulations import coverage, false_positives


def table(**arms):
    return pd.DataFrame(arms, index=pd.RangeIndex(1, 1 + len(next(iter(arms.values())))))


def test_differences_by_hand():
    """Pairs 1, 2, 3: mean 2, standard error 1/√3, t(0.975, 2) = 4.3027; 2 of 8 sign changes."""
    found = paired.compare(table(a=[10.0, 20, 30], b=[11.0, 22, 33]), "a").loc["b"]
    assert found["n"] == 3
    assert found["difference"] == pytest.approx(2)
    assert found["low"] == pytest.approx(2 - 4.302653 / math.sqrt(3))
    assert found["high"] == pytest.approx(2 + 4.302653 / math.sqrt(3))
    assert found["p"] == pytest.approx(2 / 8)
    assert found["superiority"] == 1
    assert not found["detected"]


def test_p_is_the_share_of_sign_changes_as_extreme():
    pairs = np.random.default_rng(3).normal(0.5, 1, 9)
    means = [np.mean(pairs * signs) for signs in itertools.product((-1, 1), repeat=9)]
    expected = np.mean(np.abs(means) >= abs(np.mean(pairs)) - 1e-12)
    assert paired.sign_change_p(pairs) == pytest.approx(expected)


def test_holm_by_hand():
    """With p = 0.25, 0.25 and 1: three times the smallest, then running maxima."""
    frame = table(a=[0.0, 0, 0], b=[1.0, 2, 3], c=[-1.0, -2, -3], d=[0.0, 0, 0])
    found = paired.compare(frame, "a")
    assert found["p"].tolist() == pytest.approx([0.25, 0.25, 1])
    assert found["p_holm"].tolist() == pytest.approx([0.75, 0.75, 1])
    assert found.loc["d", "superiority"] == 0.5


def test_holm_leaves_the_garbage_collector_as_it_was():
    gc.unfreeze()
    for freeze in (lambda: None, gc.freeze):
        freeze()
        before = gc.get_freeze_count()
        paired.holm(pd.Series([0.01, 0.2]))
        assert gc.get_freeze_count() == before


def test_a_seed_that_one_arm_lacks_is_no_pair():
    found = paired.compare(table(a=[1.0, 2, 3, 9], b=[2.0, 3, 4, np.nan]), "a").loc["b"]
    assert (found["n"], found["difference"]) == (3, 1)


def test_one_seed_has_no_interval_and_detects_nothing():
    found = paired.compare(table(a=[1.0], b=[2.0]), "a").loc["b"]
    assert math.isnan(found["low"])
    assert math.isnan(found["p"])
    assert not found["detected"]


def test_a_reference_alone_is_compared_with_nothing():
    found = paired.compare(table(reference=np.zeros(3)), "reference")
    assert found.empty
    assert {"difference", "low", "high", "p_holm", "detected"} <= set(found)


def test_factorial_by_hand():
    """None 1, A 3, B 2, A + B 8: A is (2 + 6) / 2 = 4, B (1 + 5) / 2 = 3, A × B (6 − 2) / 2."""
    seeds = np.array([0.0, 1, 2])
    frame = table(**{"none": 1 + seeds, "A": 3 + seeds, "B": 2 + seeds, "A + B": 8 + seeds})
    found = paired.factorial(frame, ["A", "B"])["difference"]
    assert found.to_dict() == pytest.approx({"A": 4, "B": 3, "A × B": 2})


def test_runs_that_never_got_there_are_censored():
    curve = pd.Series([0.5, 0.8, 0.7, 0.9], index=[1, 2, 3, 4])
    assert paired.epochs_to(curve, 0.8) == 2
    assert paired.epochs_to(curve, 0.95) == math.inf
    assert paired.middle([2, math.inf, 3, math.inf, 1]) == 3
    assert paired.middle([1, 2, math.inf, math.inf]) == 2
    assert paired.middle([2, math.inf, math.inf]) == math.inf


def test_early_stopping_by_hand():
    """Best at 3; 4 and 5 are no better: with patience 2 it stops at 5, before the later best."""
    curve = pd.Series([1, 2, 5, 4, 5, 6], index=range(1, 7))
    assert paired.early_stop(curve, 2) == (5, 3)
    assert paired.early_stop(curve, 3) == (6, 6)


def test_fewest_seeds_are_those_whose_smallest_p_holm_lets_pass():
    """With all differences of one sign p is 2 / 2^n: with Holm over 7, 9 seeds are enough."""
    assert power.fewest_seeds(1) == 6
    assert power.fewest_seeds(7) == 9
    for seeds, detected in ((8, False), (9, True)):
        arms = {f"arm {n}": np.full(seeds, 0.5 + n) + np.arange(seeds) / 100 for n in range(7)}
        found = paired.compare(table(reference=np.zeros(seeds), **arms), "reference")
        assert found["detected"].all() == found["detected"].any() == detected


def test_bias_of_the_best_of_equals_is_the_expected_maximum():
    """The largest of 8 standard normals is 1.4236 on average; the noise is binomial."""
    bias = observed.selection_bias(np.full(8, 0.9), 6000, np.random.default_rng(1))
    assert bias == pytest.approx(1.4236 * math.sqrt(0.09 / 6000), rel=0.05)
    apart = observed.selection_bias(np.array([0.1, 0.9]), 6000, np.random.default_rng(1))
    assert abs(apart) < 3e-4


@pytest.mark.slow
def test_planted_effects_are_covered_and_nulls_are_not_found_more_often_than_stated():
    """400 studies: binomial standard errors of 1.1 points both."""
    assert 0.92 <= coverage(400, 10) <= 0.98
    assert false_positives(400, 10) <= 0.07


def test_new_images_by_hand():
    """Two models, four test images: accuracies 0.75 and 0.5, less 0.5 each: mean 0.125.

    Standard deviation of the differences 0.17678, squared 0.03125, of the mean 0.015625. Images are
    right in 1, 0.5, 1 and 0 of the models: variance 0.22917, of the mean 0.057292. Degrees of
    freedom 0.0729167² / (0.015625² / 1 + 0.0572917² / 3) = 3.9731.
    """
    correct = np.array([[1, 1, 1, 0], [1, 0, 1, 0]], bool)
    mean, low, high = intervals.new_images(np.array([0.5, 0.5]), correct)
    assert mean == pytest.approx(0.125)
    half = stats.t.ppf(0.975, 3.9731) * math.sqrt(0.015625 + 0.0572917)
    assert (low, high) == pytest.approx((0.125 - half, 0.125 + half), rel=1e-4)
    assert intervals.seeds_and_images(correct)[0] == pytest.approx(0.625)


@pytest.mark.parametrize("spread", [0.002, 0.02], ids=["of images", "of seeds"])
def test_intervals_for_new_images_hold_the_truth_as_often_as_stated(spread):
    """Planted: a model is right about images up to a difficulty, 0.9 but for its seed's luck.

    spread: standard deviation between seeds, beside one of 0.0134 from 500 images.
    """
    rng = np.random.default_rng(4)
    held = {"accuracy": [], "validation": [], "difference": []}
    for _ in range(1500):
        skill, other = 0.9 + rng.normal(0, spread, (2, 6, 1))
        images = rng.random(500)
        own = (rng.random((6, 300)) < skill).mean(axis=1)
        _, low, high = intervals.seeds_and_images(images < skill)
        held["accuracy"].append(low <= 0.9 <= high)
        _, low, high = intervals.new_images(own, images < skill)
        held["validation"].append(low <= 0 <= high)
        # The other arm errs on images of its own besides.
        wrong = rng.random(500) < 0.05
        by_image = (images < skill).astype(float) - ((images < other) & ~wrong)
        _, low, high = intervals.seeds_and_images(by_image)
        held["difference"].append(low <= 0.9 * 0.05 <= high)
    for share in map(np.mean, held.values()):
        assert 0.93 <= share <= 0.975


def test_one_more_of_a_sample_lies_within_as_often_as_stated():
    rng = np.random.default_rng(5)
    samples = rng.normal(0.9, 0.01, (2000, 7))
    ends = np.array([intervals.one_more(sample[:6]) for sample in samples])
    inside = (ends[:, 0] <= samples[:, 6]) & (samples[:, 6] <= ends[:, 1])
    assert 0.935 <= inside.mean() <= 0.965


def test_mcnemar_by_hand():
    """8 and 2 discordant images: two-sided binomial p of at most 2 heads in 10, 0.109375."""
    one = np.array([True] * 8 + [False] * 2 + [True] * 5 + [False] * 3)
    other = np.array([False] * 8 + [True] * 2 + [True] * 5 + [False] * 3)
    only_one, only_other, p = intervals.mcnemar(one, other)
    assert (only_one, only_other) == (8, 2)
    assert p == pytest.approx(0.109375)
