"""Spaces of own hypermodels: what is complete, what changes together, what a fix leaves."""

import keras_tuner as kt
import pytest

from search.networks import narrowing
from search.networks.spaces import Space
from search.records.errors import Misuse


def own():
    hp = kt.HyperParameters()
    hp.Int("filters", 16, 64, step=16, default=32)
    hp.Choice("optimizer", ["sgd", "adam"], default="adam")
    with hp.conditional_scope("optimizer", ["adam"]):
        hp.Float("rate", 1e-4, 1e-1, step=10, sampling="log", default=1e-3)
    with hp.conditional_scope("optimizer", ["sgd"]):
        hp.Float("rate", 0.1, 0.5, step=0.1, default=0.1)
        hp.Boolean("nesterov")
    hp.Fixed("epochs", 5)
    return Space(hp)


DEFAULTS = {"filters": 32, "optimizer": "adam", "rate": 1e-3, "epochs": 5}


def test_the_baseline_is_the_defaults_and_what_depends_on_a_change_follows_it():
    space = own()
    assert space.baseline == space.complete({}) == DEFAULTS
    sgd = {"filters": 32, "optimizer": "sgd", "rate": 0.1, "nesterov": False, "epochs": 5}
    assert space.complete({"optimizer": "sgd"}) == sgd
    assert list(space.complete({"optimizer": "sgd"})) == list(sgd)
    assert space.complete({"nesterov": True}) == DEFAULTS, "adam has no use for it"
    assert space.complete({"late": 1})["late"] == 1, "only a trial has found it"


def test_what_depends_on_a_choice_changes_with_it():
    space = own()
    assert space.choice_of("rate") == space.choice_of("nesterov") == "optimizer"
    assert (space.choice_of("filters"), space.choice_of("late")) == ("filters", "late")
    other = space.complete({"optimizer": "sgd", "rate": 0.3, "filters": 64, "late": 2})
    assert space.differing(DEFAULTS, other) == ["filters", "optimizer", "late"]
    changed = space.with_choice(DEFAULTS, "optimizer", other)
    assert changed == space.complete({"optimizer": "sgd", "rate": 0.3})
    assert space.with_choice(changed, "optimizer", DEFAULTS) == DEFAULTS


def test_choices_that_something_depends_on_together_are_one():
    hp = kt.HyperParameters()
    hp.Boolean("a")
    hp.Boolean("other")
    with hp.conditional_scope("a", [False]):
        hp.Boolean("b")
        with hp.conditional_scope("b", [True]):
            hp.Boolean("c")
    space = Space(hp)
    assert [space.choice_of(name) for name in ("a", "b", "c", "other")] == ["a", "a", "a", "other"]


def configs(space, name):
    return [hp.get_config() for hp in space.space if hp.name == name]


def test_a_fix_narrows_an_own_space():
    space = narrowing.narrowed(["filters=16,64", "rate=0.01:0.1", "optimizer=adam"], own())
    assert configs(space, "filters")[0]["values"] == [16, 64]
    # The other rate, of sgd, has no value in the fix and stays as it is.
    assert [c["max_value"] for c in configs(space, "rate")] == [0.1, 0.5]
    assert [c["min_value"] for c in configs(space, "rate")] == [0.01, 0.1]
    assert configs(space, "optimizer")[0]["value"] == "adam"


@pytest.mark.parametrize(
    ("fix", "said"),
    [
        ("filters=20", "20 is not among the values of filters: 16 to 64 in steps of 16"),
        ("rate=0.02", "0.02 is not among the values of rate: 0.0001 to 0.1 in factors of 10"),
        ("epochs=6", "6 is not among the values of epochs: 5"),
        ("filter=16", "there is no hyperparameter filter; did you mean filters?"),
    ],
)
def test_a_value_off_the_steps_is_refused(fix, said):
    with pytest.raises(Misuse, match=said):
        narrowing.narrowed([fix], own())


def test_a_fix_that_another_leaves_without_effect_is_refused():
    with pytest.raises(Misuse, match="nesterov is only used if optimizer is sgd"):
        narrowing.narrowed(["optimizer=adam", "nesterov=true"], own())
    narrowing.narrowed(["optimizer=sgd", "rate=0.2"], own())
