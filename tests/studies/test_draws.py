"""Random search and Hyperband on any hypermodel: objectives, executions, and late entries.

No network is trained: a trial's build is played by what it asks for, and its score by a function.
"""

import json
import math
import random

import keras
import keras_tuner as kt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.networks.exploring import Drawing
from search.records.errors import Failure, Misuse
from search.records.objective import Objective
from search.records.trial import EpochRow, TrialRun, configuration, trial_file
from search.studies.hyperband import HyperbandOracle
from search.studies.objectives import goal_of, objective_of
from search.studies.oracles import Trial
from search.studies.random_search import RandomSearchOracle
from tests.planted import write_project


def space_of(size):
    space = kt.HyperParameters()
    space.Choice("a", list(range(size)))
    return space


def rows(*values, name="val_loss", execution=0, start=0):
    """One epoch for each value of an objective."""
    return tuple(
        EpochRow(start + n, 1.0, 1.0, metrics={name: value}, execution=execution)
        for n, value in enumerate(values)
    )


def ask_for_batch_size(hp):
    """A late entry, and one that only some configurations ask for."""
    hp.Choice("batch_size", [16, 32, 64])
    if hp.get("a") % 2:
        hp.Float("rate", 1e-4, 1e-1, sampling="log")


def play(oracle, ask=ask_for_batch_size, workers=1, order=0, stop_after=math.inf, fails=()):
    """Run a search whose workers ask for entries late. Trials end in random order."""
    choose, active, ended = random.Random(order), {}, 0
    while ended < stop_after:
        for slot in map(str, range(workers)):
            if slot not in active:
                trial = oracle.create_trial(slot)
                if trial.status == "RUNNING":
                    active[slot] = trial
                    seed = oracle.trial_seed(trial)
                    trial.run = trial.run or TrialRun(seed, 1, started=0.0)
        if not active:
            break
        trial = active.pop(choose.choice(sorted(active)))
        hp = Drawing.of(trial.hyperparameters.get_config(), trial.run.seed, oracle.tune_new_entries)
        ask(hp)
        oracle.learn(trial, hp.get_config())
        _, last = oracle.epochs_of(trial)
        text = f"{sorted(configuration(trial.hyperparameters.values).items())} {last}"
        value = random.Random(text).random()
        trial.run = TrialRun(trial.run.seed, 1, 0.0, rows(value, start=last - 1))
        trial.status = "FAILED" if trial.trial_id in fails else "COMPLETED"
        oracle.end_trial(trial)
        ended += 1
    return oracle


def outcome(oracle):
    return sorted(
        (sorted(t.hyperparameters.values.items(), key=str), t.run.seed, t.score)
        for t in without_parents(oracle)
    )


def without_parents(oracle):
    """The trials, without the identifiers, which follow the order in which trials began."""
    for trial in oracle.trials.values():
        values = dict(trial.hyperparameters.values)
        values.pop("tuner/trial_id", None)
        copied = Trial.of(trial_file(json.loads(json.dumps(trial.get_state()))))
        copied.hyperparameters.values = values
        yield copied


def searching(size=50, max_trials=12, **options):
    return RandomSearchOracle(space_of(size), "val_loss", max_trials, seed=3, **options)


def banding(size=50, **options):
    return HyperbandOracle(space_of(size), 9, seed=3, objective="val_loss", **options)


def test_random_search_draws_as_hyperband_does():
    assert [searching().draw(n) for n in range(12)] == [banding().draw(n) for n in range(12)]
    oracle = play(searching())
    assert len(oracle.trials) == 12
    assert len({t.hyperparameters.values["a"] for t in oracle.trials.values()}) == 12


@settings(max_examples=10, deadline=None)
@given(workers=st.integers(1, 4), order=st.integers(0, 99), size=st.sampled_from([4, 50]))
@pytest.mark.parametrize("make", [searching, banding])
def test_late_entries_do_not_depend_on_who_finds_them_when(make, workers, order, size):
    """A space of four is exhausted: further trials differ in what was found late."""
    assert outcome(play(make(size), workers=workers, order=order)) == outcome(play(make(size)))


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(0, 22), workers=st.integers(1, 3), size=st.sampled_from([4, 50]))
@pytest.mark.parametrize("make", [searching, banding])
def test_restored_from_any_moment_with_late_entries_it_ends_the_same(make, cut, workers, size):
    whole = outcome(play(make(size)))
    stopped = play(make(size), workers=workers, order=cut, stop_after=cut)
    files = [json.loads(json.dumps(t.get_state())) for t in stopped.trials.values()]
    again = make(size)
    again.restore([Trial.of(trial_file(content)) for content in files])
    assert outcome(play(again, workers=workers)) == whole


def test_an_exhausted_space_goes_on_with_what_was_found_late():
    """Four configurations of the build; two of them with three batch sizes, two with a rate too."""
    trials = play(searching(4)).trials.values()
    found = [tuple(sorted(configuration(t.hyperparameters.values).items())) for t in trials]
    assert len(set(found)) == len(found) == 12
    assert {t.hyperparameters.values["a"] for t in list(trials)[:4]} == {0, 1, 2, 3}
    only = play(searching(4), ask=lambda hp: None)
    assert only.planned()[0] == len(only.trials) == 4
    waiting = searching(1)
    assert waiting.create_trial("one").status == "RUNNING"
    assert waiting.create_trial("two").status == "IDLE", "the first may find more"


def test_a_promoted_trial_has_its_parents_late_entries_and_seed():
    oracle = play(banding())
    promoted = [t for t in oracle.trials.values() if "tuner/trial_id" in t.hyperparameters.values]
    assert len(promoted) == 6
    for trial in promoted:
        parent = oracle.trials[trial.hyperparameters.values["tuner/trial_id"]]
        own, theirs = (configuration(t.hyperparameters.values) for t in (trial, parent))
        assert own == theirs
        assert "batch_size" in own
        assert trial.run.seed == parent.run.seed


def test_new_entries_that_are_not_tuned_have_their_defaults():
    oracle = play(searching(4, tune_new_entries=False))
    assert len(oracle.trials) == 4
    assert {t.hyperparameters.values["batch_size"] for t in oracle.trials.values()} == {16}
    assert [hp.name for hp in oracle.hyperparameters.space] == ["a"]


def test_new_entries_that_are_not_allowed_are_kerastuners_error():
    with pytest.raises(RuntimeError, match="allow_new_entries"):
        play(searching(4, allow_new_entries=False))


def test_trials_of_another_seed_or_space_are_refused():
    trials = list(play(searching()).trials.values())
    with pytest.raises(Failure, match="do not follow from this study's seed"):
        RandomSearchOracle(space_of(50), "val_loss", 12, seed=4).restore(trials)
    with pytest.raises(Failure, match=r"different search space .*such as a"):
        searching(51).restore(trials)


def ended(oracle, *epochs, objective_value=None):
    trial = oracle.create_trial("slot")
    trial.run = TrialRun(1, 1, 0.0, epochs)
    if objective_value is not None:
        trial.metrics.register("val_loss", "min")
        trial.metrics.update("val_loss", objective_value)
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    return trial


def test_a_score_is_the_mean_over_executions_of_the_best_epoch_of_each():
    oracle = searching(executions=2)
    first = rows(0.5, 0.3, math.nan, 0.3)
    trial = ended(oracle, *first, *rows(0.9, 0.2, execution=1))
    assert trial.score == pytest.approx((0.3 + 0.2) / 2)
    assert trial.best_step == 1
    lower, higher = ended(oracle, *rows(0.1)), ended(oracle, *rows(0.4))
    assert oracle.get_best_trials(3) == [lower, trial, higher]
    assert oracle.planned() == (12, 12 * 2)
    oracle.initial_epoch, oracle.epochs = 2, 5
    assert oracle.planned() == (12, 12 * 3 * 2)
    assert oracle.epochs_of(lower) == (2, 5)


def test_a_trial_without_epochs_on_record_has_kerastuners_score():
    """Its fit returned a number."""
    assert ended(searching(), objective_value=0.7).score == 0.7


def test_a_score_that_is_no_number_is_tried_again_as_often_as_kerastuner_says():
    oracle = searching(max_retries_per_trial=1)
    trial = ended(oracle, *rows(math.nan))
    assert trial.status == "INVALID"
    assert oracle.end_order == []
    again = ended(oracle, *rows(math.nan))
    assert again is trial
    assert trial.status == "FAILED"
    assert trial.message == "no epoch has a value of val_loss"
    assert ended(oracle, *rows(0.2)) is not trial
    half = ended(searching(executions=2), *rows(0.2), *rows(math.nan, execution=1))
    assert half.status == "FAILED"


@pytest.mark.parametrize(
    ("asked", "goal"),
    [
        ("val_accuracy", Objective("val_accuracy", "max")),
        ("val_loss", Objective("val_loss", "min")),
        ("val_auc", Objective("val_auc", "max")),
        ("val_f1", None),
        ("val_f1:max", Objective("val_f1", "max")),
        (kt.Objective("f", "min"), Objective("f", "min")),
        (Objective("f", "max"), Objective("f", "max")),
        (None, Objective("default_objective", "min")),
        (
            ["val_loss", "val_accuracy"],
            Objective("multi_objective", "min", {"val_loss": "min", "val_accuracy": "max"}),
        ),
    ],
)
def test_objectives_are_kerastuners(asked, goal):
    if goal is None:
        with pytest.raises(Misuse, match=f"write {asked}:min or {asked}:max"):
            objective_of(asked)
    else:
        assert goal_of(objective_of(asked)) == goal
        assert goal_of(objective_of(goal)) == goal
    with pytest.raises(Misuse, match="write NAME, NAME:min or NAME:max"):
        objective_of("val_f1:up")


def build(hp):
    hp.Choice("a", list(range(50)))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("make", "tuner", "options"),
    [(searching, kt.RandomSearch, {"max_trials": 12}), (banding, kt.Hyperband, {"max_epochs": 9})],
)
def test_stock_kerastuner_reloads_it(tmp_path, make, tuner, options):
    oracle = play(make(executions=2), fails=("0003",))
    write_project(tmp_path, oracle)
    stock = tuner(build, "val_loss", directory=tmp_path, project_name="project", **options)
    best = oracle.get_best_trials(5)
    assert [t.trial_id for t in stock.oracle.get_best_trials(5)] == [t.trial_id for t in best]
    assert [t.score for t in stock.oracle.get_best_trials(5)] == [t.score for t in best]
    assert stock.get_best_hyperparameters()[0].values == best[0].hyperparameters.values
    assert [hp.name for hp in stock.oracle.get_space().space] == ["a", "batch_size", "rate"]
    stock.oracle.verbose = 0
    assert stock.oracle.create_trial("next").status == "STOPPED"
