"""Draws near textbook values and by a model: worked out by hand, on planted effects and on nulls."""

import random
from collections import Counter

import keras_tuner as kt
import numpy as np
import pytest

from search.networks.baselines import TEXTBOOK, built_in
from search.networks.narrowing import narrowed
from search.networks.spaces import stated_defaults
from search.records.trial import MODEL, PRIOR, RANDOM
from search.studies import samplers
from search.studies.samplers import Seen, guided, learnable, skill


@pytest.fixture
def space():
    made = kt.HyperParameters()
    made.Choice("kind", ["a", "b", "c", "d"])
    made.Float("rate", 1e-4, 1.0, sampling="log")
    made.Int("size", 1, 64)
    return made


def seen(loss, sampler=RANDOM, bracket=0, rung=0, budget=1, **values):
    return Seen(0, values, sampler, bracket, rung, budget, loss)


def spread(space, count=600):
    """Random configurations."""
    rng = random.Random(0)
    return [samplers.from_prior(space, {}, rng) for _ in range(count)]


def test_the_centre_of_the_built_in_space_is_the_textbook_network():
    values = samplers.centre(narrowed([]), TEXTBOOK)
    expected = built_in().complete(TEXTBOOK)
    assert values == {name: expected[name] for name in values}
    assert (values["layers"], values["units_3"], values["adam_lr"]) == (3, 256, 2e-3)
    narrow = samplers.centre(narrowed(["activation=tanh,elu", "layers=1"]), TEXTBOOK)
    assert narrow["activation"] == "tanh", "the default of a space without the textbook value"
    assert [name for name in narrow if name.startswith("units")] == ["units_1"]


def test_draws_near_textbook_values_stay_in_the_space_and_near_them(space):
    rng = random.Random(1)
    textbook = {"kind": "c", "rate": 1e-2, "size": 8}
    drawn = [samplers.from_prior(space, textbook, rng) for _ in range(2000)]
    # Three draws in four take the textbook value, and a quarter of the others take it by chance.
    share = Counter(values["kind"] for values in drawn)["c"] / 2000
    assert share == pytest.approx(0.75 + 0.25 / 4, abs=0.04)
    rates = np.array([values["rate"] for values in drawn])
    assert np.mean(rates == 1e-2) == pytest.approx(0.75, abs=0.04)
    places = np.log10(rates[rates != 1e-2])
    # On a scale of 4 decades, the standard deviation is one decade, cut off at two decades.
    assert np.median(places) == pytest.approx(-2, abs=0.1)
    assert np.std(places) == pytest.approx(0.88, abs=0.05)
    assert all(1 <= values["size"] <= 64 for values in drawn)
    assert all(1e-4 <= values["rate"] <= 1 for values in drawn)


def test_a_value_outside_the_space_says_nothing(space):
    rng = random.Random(1)
    wrong = {"kind": "z", "rate": 7.0, "size": 65}
    drawn = [samplers.from_prior(space, wrong, rng) for _ in range(2000)]
    assert Counter(v["kind"] for v in drawn)["a"] / 2000 == pytest.approx(0.25, abs=0.04)
    assert np.median([v["rate"] for v in drawn]) == pytest.approx(1e-2, rel=0.3)


def test_skill_by_hand():
    """It starts as 6 of 8 pairs won, so 0.25."""
    assert skill(PRIOR, []) == 0.25
    trials = [seen(0.1, PRIOR), seen(0.2), seen(0.3), seen(None)]
    # The prior's draw is better than two random draws and a failed one: (6 + 3) / (8 + 3) − 0.5.
    assert skill(PRIOR, trials) == pytest.approx(9 / 11 - 0.5)
    worse = [seen(0.9, PRIOR), seen(None, PRIOR), *(seen(0.1 * n) for n in range(6))]
    # No pair of 12 is won: 6 / 20 − 0.5 is below 0.
    assert skill(PRIOR, worse) == 0.0
    # A tie counts half. Pairs of other brackets and later rungs do not count.
    others = [seen(0.2, PRIOR), seen(0.2), seen(0.1, bracket=1), seen(0.1, rung=1)]
    assert skill(PRIOR, others) == pytest.approx(6.5 / 9 - 0.5)


def test_the_model_learns_from_the_largest_budget_that_has_ten_trials():
    few = [seen(0.1, budget=9) for _ in range(9)]
    many = [seen(0.1, budget=3) for _ in range(10)]
    assert learnable(few + many) == many
    assert learnable([*few, seen(None, budget=9), *many]) == many, "a failed trial has no value"
    assert learnable([*few, seen(0.2, budget=9), *many]) == [*few, seen(0.2, budget=9)]
    assert learnable(few) == []


def test_a_planted_effect_is_found_by_the_model_and_a_null_is_not(space):
    good = [seen((v["kind"] != "c") + abs(np.log10(v["rate"]) + 1), **v) for v in spread(space, 60)]
    found = [samplers.from_model(space, good, seed) for seed in range(60)]
    assert np.mean([v["kind"] == "c" for v in found]) > 0.8
    assert np.mean([0.01 < v["rate"] < 1 for v in found]) > 0.8
    shares = []
    for repeat in range(20):
        rng = random.Random(repeat)
        noise = [seen(rng.random(), **v) for v in spread(space, 40)]
        shares.append(
            np.mean([samplers.from_model(space, noise, s)["kind"] == "c" for s in range(5)])
        )
    assert np.mean(shares) == pytest.approx(0.25, abs=0.12)


def test_failed_trials_are_as_bad_as_the_worst(space):
    trials = [seen(None if v["kind"] == "a" else 0.5, **v) for v in spread(space, 60)]
    drawn = [samplers.from_model(space, trials, seed)["kind"] for seed in range(40)]
    assert all(v is not None for v in drawn)
    trials = [seen(None if v["kind"] != "a" else v["rate"], **v) for v in spread(space, 60)]
    drawn = [samplers.from_model(space, trials, seed)["kind"] for seed in range(40)]
    assert drawn.count("a") > 20


def kinds_of_draws(space, trials, textbook, count=300):
    drawn = [guided(space, textbook, trials, f"{n}", []) for n in range(count)]
    return Counter(draw[1] if draw else RANDOM for draw in drawn)


def test_the_priors_weight_falls_where_it_loses(space):
    textbook = {"kind": "a"}
    assert kinds_of_draws(space, [], textbook) == {PRIOR: 300}
    assert kinds_of_draws(space, [], {}) == {RANDOM: 300}, "there is nothing to learn from yet"
    random_draws = [seen(0.1 + n / 100, budget=1, **v) for n, v in enumerate(spread(space, 12))]
    losing = [seen(0.9, PRIOR, **v) for v in spread(space, 6)]
    winning = [seen(0.01, PRIOR, **v) for v in spread(space, 6)]
    lost = kinds_of_draws(space, random_draws + losing, textbook)
    assert lost[PRIOR] == 0
    assert lost[MODEL] == 300
    won = kinds_of_draws(space, random_draws + winning, textbook)
    # Skills (6 + 72) / (8 + 72) − 0.5 and 0.25, so 0.63 of the draws.
    assert won[PRIOR] / 300 == pytest.approx(0.475 / 0.725, abs=0.08)


def test_a_configuration_that_is_taken_is_not_drawn_again():
    space = kt.HyperParameters()
    space.Choice("kind", ["a", "b"])
    assert guided(space, {"kind": "a"}, [], "x", [{"kind": "a"}])[0] == {"kind": "b"}
    assert guided(space, {"kind": "a"}, [], "x", [{"kind": "a"}, {"kind": "b"}]) is None


def test_defaults_that_a_hypermodel_states_are_its_textbook_values():
    hp = kt.HyperParameters()
    hp.Int("units", 8, 64, default=32)
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    hp.Choice("kind", ["a", "b"], default="b")
    hp.Choice("other", ["a", "b"])
    hp.Boolean("norm", default=True)
    hp.Boolean("bias")
    hp.Fixed("fixed", 3)
    assert stated_defaults(hp) == {"units": 32, "kind": "b", "norm": True}
