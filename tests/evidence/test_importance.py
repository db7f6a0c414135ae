"""Importances against chance."""

import numpy as np
import pytest

from analysis.evidence.importance import against_chance, importance
from analysis.simulations import false_importances, planted_search, ranked
from tests.report.conftest import search


def test_what_is_planted_is_found():
    assert ranked(4) == 4


@pytest.mark.slow
def test_nothing_is_said_to_matter_by_chance():
    """60 searches: binomial standard error of 2.8 points."""
    assert false_importances(60) <= 0.12


def test_no_share_is_clear_if_the_largest_of_permuted_scores_is_as_large():
    study, found = planted_search(3, 25, effects=False)
    table = against_chance(study, found, study.hyperparameters)
    assert table["importance"].is_monotonic_decreasing
    assert 0 < table["importance"].sum() <= 1
    assert (table["clear"] == (table["p"] <= 0.05)).all()
    beyond = table["importance"] > table["null"]
    assert (table["clear"] <= beyond).all()


def test_configurations_that_guess_are_told_apart(tmp_path):
    """Of 24 configurations, two are at a guess among 10 classes. The rest depends on the rate."""
    rates = list(np.geomspace(0.002, 0.9, 24))
    scores = [0.1, 0.1, *(0.5 + 0.02 * n for n in range(22))]
    found = importance(search(tmp_path / "s", scores, rates, activations=("relu", "tanh")))
    assert found.stuck == ["0000", "0001"]
    assert found.n == 22
    assert found.clear == ["rate"]
