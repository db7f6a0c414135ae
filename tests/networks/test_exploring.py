"""The hyperparameters that builds of a hypermodel ask for."""

import keras
import keras_tuner as kt
import pytest
from keras_tuner.src import errors as kt_errors
from keras_tuner.src.engine.hypermodel import get_hypermodel

from search.networks.exploring import Drawing, explored
from search.records.errors import Misuse
from search.records.objective import Objective
from search.running.program import ProgramModel


def hypermodel(ask):
    """A hypermodel whose build asks what a function asks."""

    class Asking(kt.HyperModel):
        def build(self, hp):
            ask(hp)
            model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
            model.compile("sgd", "mse", metrics=["mae"])
            return model

    return Asking()


def names(space):
    return [hp.name for hp in space.space]


def nested(hp):
    if hp.Boolean("deep"):
        for i in range(hp.Int("layers", 1, 3)):
            hp.Int(f"units_{i}", 4, 16, step=4)
    hp.Choice("optimizer", ["sgd", "adam"])
    with hp.conditional_scope("optimizer", ["adam"]):
        hp.Boolean("amsgrad")
        with hp.conditional_scope("amsgrad", [True]):
            hp.Float("epsilon", 1e-8, 1e-3, sampling="log")


def test_scopes_and_what_an_if_hides_are_found_and_the_same_every_time():
    space = explored(hypermodel(nested))
    expected = "deep layers units_0 units_1 units_2 optimizer amsgrad epsilon"
    assert sorted(names(space)) == sorted(expected.split())
    assert explored(hypermodel(nested)).get_config() == space.get_config()
    # The defaults' values, as KerasTuner's own space has them.
    assert space.values["deep"] is False
    assert "amsgrad" not in space.values


def test_kerastuner_finds_no_more_than_the_scopes(tmp_path):
    def ask(hp):
        hp.Choice("optimizer", ["sgd", "adam"])
        with hp.conditional_scope("optimizer", ["adam"]):
            hp.Float("rate", 1e-4, 1e-2)

    stock = kt.RandomSearch(hypermodel(ask), "val_loss", directory=tmp_path)
    assert names(stock.oracle.hyperparameters) == names(explored(hypermodel(ask)))


def test_a_scope_that_nothing_activates_is_no_endless_loop():
    def ask(hp):
        hp.Choice("kind", ["a", "b"])
        with hp.conditional_scope("kind", ["c"]):
            hp.Boolean("never")

    assert names(explored(hypermodel(ask))) == ["kind", "never"]


def test_what_is_declared_in_advance_stays_and_new_entries_are_refused_or_left_out():
    given = kt.HyperParameters()
    given.Boolean("deep", default=True)
    given.Int("layers", 2, 2)
    space = explored(hypermodel(nested), given)
    assert next(hp for hp in space.space if hp.name == "layers").min_value == 2
    assert names(given) == ["deep", "layers"]
    assert names(explored(hypermodel(nested), given, tune_new=False)) == ["deep", "layers"]
    with pytest.raises(RuntimeError, match="allow_new_entries"):
        explored(hypermodel(nested), given, allow_new=False)


def test_only_the_defaults_must_build():
    """A conditional scope and random draws that do not build still show what they ask for."""

    def ask(hp):
        if hp.Int("layers", 1, 3) > 1:
            hp.Int("width", 1, 9)
            raise ValueError("too deep")
        kind = hp.Choice("kind", ["a", "b"])
        with hp.conditional_scope("kind", ["b"]):
            if kind == "b":
                hp.Float("rate", 0, 1)
                raise SystemExit("no")

    assert names(explored(hypermodel(ask))) == ["layers", "kind", "rate", "width"]

    def says_so(hp):
        hp.Int("layers", 1, 3)
        raise kt_errors.FailedTrialError("too large")

    assert names(explored(hypermodel(says_so))) == ["layers"]


def test_a_tuners_limits_and_declarations_belong_to_the_space():
    class Declares(kt.HyperModel):
        def declare_hyperparameters(self, hp):
            hp.Int("units", 4, 64)

        def build(self, hp):
            model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(hp.get("units"))])
            model.compile("sgd", "mse")
            return model

    # The smallest model has 44 parameters, so every model is too large to be trained.
    limited = ProgramModel(Declares(), max_model_size=40)
    assert names(explored(limited)) == ["units"]


def test_a_build_that_fails_is_refused_with_its_place_and_cause():
    def ask(hp):
        if hp.Int("layers", 1, 3) < 2:
            raise ValueError("too deep\nfor me")

    line = ask.__code__.co_firstlineno + 2
    with pytest.raises(Misuse) as refused:
        explored(hypermodel(ask))
    said = str(refused.value)
    assert f"test_exploring.py, line {line}: " in said
    assert said.endswith("the hypermodel does not build: ValueError: too deep")


def nothing(hp):
    return None


class Returns(kt.HyperModel):
    def build(self, hp):
        return 3


def test_a_build_that_returns_no_model_is_refused_with_its_place():
    line = nothing.__code__.co_firstlineno
    with pytest.raises(
        Misuse, match=f"test_exploring.py, line {line}: the hypermodel returns None"
    ):
        explored(ProgramModel(get_hypermodel(nothing)))
    with pytest.raises(Misuse, match=f"line {line}: the hypermodel returns NoneType, not a Keras"):
        explored(get_hypermodel(nothing))
    line = Returns.build.__code__.co_firstlineno
    with pytest.raises(Misuse, match=f"line {line}: the hypermodel returns int, not a Keras"):
        explored(Returns())


@pytest.mark.parametrize("name", ["val_auc", "val_accuracy", "mse"])
def test_an_objective_that_no_epoch_reports_is_refused(name):
    reported = "the model reports loss, mae, val_loss, val_mae"
    with pytest.raises(Misuse, match=f"--objective {name}: no epoch reports it; {reported}"):
        explored(hypermodel(nested), objective=Objective(name))


def test_an_objective_that_may_be_reported_is_not_judged():
    for name in ("loss", "val_loss", "mae", "val_mae"):
        explored(hypermodel(lambda hp: None), objective=Objective(name, "min"))

    class OwnFit(kt.HyperModel):
        def build(self, hp):
            return hypermodel(nested).build(hp)

        def fit(self, hp, model, *args, **kwargs):
            return {"val_auc": 0.5}

    explored(OwnFit(), objective=Objective("val_auc"))


def test_a_late_entry_is_drawn_from_seed_and_name_and_does_not_move_the_others():
    space = explored(hypermodel(nested))

    def late(seed, *asked, **options):
        hp = Drawing.of(space.get_config(), seed, **options)
        return {name: hp.Float(name, 0, 1, default=0.5) for name in asked}

    one = late(7, "a", "b")
    assert one == {**late(7, "b"), **late(7, "a")}
    assert one["a"] != one["b"]
    assert late(8, "a") != late(7, "a")
    assert late(7, "a", tune_new=False) == {"a": 0.5}
    with pytest.raises(RuntimeError, match="allow_new_entries"):
        late(7, "a", allow_new=False)


def test_a_late_entry_that_has_a_value_keeps_it_and_an_inactive_one_has_none():
    hp = Drawing.of(explored(hypermodel(nested)).get_config(), 7)
    hp.values["batch_size"] = 64
    assert hp.Choice("batch_size", [16, 32, 64]) == 64
    with hp.conditional_scope("optimizer", ["adam"]):
        assert hp.Float("beta", 0, 1) is None
    assert "beta" not in hp.values
