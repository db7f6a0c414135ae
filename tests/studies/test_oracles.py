"""Hyperband on KerasTuner's schedule; each fault of the stock oracle shown, then its correction.

No network is trained: a trial's score is a fixed function of its configuration and epochs.
"""

import random
import warnings
from collections import Counter

import keras_tuner as kt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.networks import narrowing
from search.records.errors import Failure
from search.records.folder import Study
from search.records.trial import configuration
from search.studies.hyperband import HyperbandOracle
from search.studies.oracles import Entry, ListOracle, Trial

OBJECTIVE = kt.Objective("val_accuracy", "max")


def score(values, levels=10**6):
    """Any fixed function of configuration and rung; few levels make ties."""
    text = f"{sorted(configuration(values).items())} {values['tuner/epochs']}"
    return random.Random(text).randrange(levels) / levels


def small_space(size):
    space = kt.HyperParameters()
    space.Choice("a", list(range(size)))
    return space


def play(oracle, workers=1, seed=0, fails=lambda values: False, levels=10**6, stop_after=None):
    """Runs a search whose trials end in random order; returns the trials."""
    choose = random.Random(seed)
    slots, active, ended = [f"w{n}" for n in range(workers)], {}, 0
    while stop_after is None or ended < stop_after:
        idle = True
        for slot in slots:
            if slot not in active:
                trial = oracle.create_trial(slot)
                if trial.status == "RUNNING":
                    active[slot] = trial
                    idle = False
        if not active:
            break
        if idle or choose.random() < 0.5 or len(active) == workers:
            trial = active.pop(choose.choice(sorted(active)))
            end(oracle, trial, fails(trial.hyperparameters.values), levels)
            ended += 1
    return list(oracle.trials.values())


def end(oracle, trial, failed, levels):
    if failed:
        trial.status = "FAILED"
    else:
        trial.status = "COMPLETED"
        value = score(trial.hyperparameters.values, levels)
        oracle.trials[trial.trial_id].metrics.register("val_accuracy", "max")
        oracle.trials[trial.trial_id].metrics.update("val_accuracy", value)
    oracle.end_trial(trial)


def stock(tmp_path, space, max_epochs=9, **options):
    oracle = kt.oracles.HyperbandOracle(
        OBJECTIVE, max_epochs=max_epochs, factor=3, hyperparameters=space, **options
    )
    oracle._set_project_dir(str(tmp_path), "stock")
    oracle.verbose = 0
    return oracle


@pytest.fixture
def ours(tmp_path):
    def make(space=None, max_epochs=9, name="ours", **options):
        (tmp_path / name).mkdir(exist_ok=True)
        return HyperbandOracle(
            Study(tmp_path, name), space or narrowing.narrowed([]), max_epochs, **options
        )

    return make


def rungs(trials):
    """How many trials each (bracket, round) has."""
    values = [t.hyperparameters.values for t in trials]
    return dict(Counter((v["tuner/bracket"], v["tuner/round"]) for v in values))


def outcome(trials):
    """The set that must not depend on who trained what when."""
    return sorted(
        (
            sorted(configuration(t.hyperparameters.values).items()),
            t.hyperparameters.values["tuner/bracket"],
            t.hyperparameters.values["tuner/round"],
            t.score,
        )
        for t in trials
    )


@pytest.mark.parametrize(
    ("max_epochs", "trials", "epochs"), [(9, 23, 75), (27, 70, 375), (81, 211, 1767)]
)
def test_schedule_is_kerastuners(ours, max_epochs, trials, epochs):
    oracle = ours(max_epochs=max_epochs)
    assert oracle.planned() == (trials, epochs)
    played = play(oracle, workers=3)
    assert len(played) == trials
    spans = [t.hyperparameters.values for t in played]
    assert sum(v["tuner/epochs"] - v["tuner/initial_epoch"] for v in spans) == epochs


def test_brackets_that_begin_with_fewer_epochs_are_left_out(ours):
    """At 27 by 3 from 9 on: 6 by 9, of which 2 go on to 27, and 4 by 27."""
    oracle = ours(max_epochs=27, min_epochs=9)
    found = [(rung, trials, epochs) for _, rung, trials, epochs in oracle.sizes()]
    assert found == [(0, 6, 9), (1, 2, 18), (0, 4, 27)]
    assert oracle.planned() == (12, 6 * 9 + 2 * 18 + 4 * 27)


def test_schedule_at_9_by_3_by_hand(ours):
    assert rungs(play(ours())) == {(2, 0): 9, (2, 1): 3, (2, 2): 1, (1, 0): 5, (1, 1): 2, (0, 0): 3}


def test_iterations_repeat_the_brackets_with_new_configurations(ours):
    trials = play(ours(iterations=2))
    assert len(trials) == 46
    roots = [t for t in trials if t.hyperparameters.values["tuner/round"] == 0]
    assert len({str(configuration(t.hyperparameters.values)) for t in roots}) == 34


@settings(max_examples=15, deadline=None)
@given(workers=st.integers(1, 7), seed=st.integers(0, 99), levels=st.sampled_from([3, 10**6]))
def test_same_trials_whatever_the_workers_and_their_order(tmp_path_factory, workers, seed, levels):
    """Ties included: with three score levels nearly every promotion is one."""
    directory = tmp_path_factory.mktemp("orders")
    results = []
    for name, count, order in (("one", 1, 0), ("many", workers, seed)):
        (directory / name).mkdir()
        oracle = HyperbandOracle(Study(directory, name), narrowing.narrowed([]), 9, seed=4)
        results.append(outcome(play(oracle, count, order, levels=levels)))
    assert results[0] == results[1]


def loser_of_round(values, places):
    return values["tuner/round"] == 0 and values["tuner/bracket"] == 2 and values["a"] in places


def test_stock_starves_after_failures_and_ours_promotes(ours, tmp_path):
    def fails(values):
        return loser_of_round(values, range(30))

    options = {"seed": 3, "max_consecutive_failed_trials": 99}
    theirs = rungs(play(stock(tmp_path, small_space(100), **options), fails=fails))
    trials = play(ours(small_space(100), seed=3), fails=fails)
    failed = sum(t.status == "FAILED" for t in trials)
    assert 0 < failed < 7
    assert theirs.get((2, 2), 0) == 0, "the stock bracket never reaches its last round"
    assert rungs(trials)[2, 1] == 3
    assert rungs(trials)[2, 2] == 1


def test_more_failures_than_winners_needed_promotes_those_left(ours):
    oracle = ours(small_space(100))
    survivors = {oracle.draw(n)["a"] for n in (2, 6)}
    fails = set(range(100)) - survivors
    trials = play(oracle, workers=2, fails=lambda v: loser_of_round(v, fails))
    assert rungs(trials)[2, 1] == 2
    assert rungs(trials)[2, 2] == 1


def test_bracket_whose_trials_all_fail_does_not_stop_the_others(ours):
    trials = play(ours(small_space(100)), fails=lambda v: loser_of_round(v, range(100)))
    assert rungs(trials) == {(2, 0): 9, (1, 0): 5, (1, 1): 2, (0, 0): 3}


def test_stock_ends_an_exhausted_space_early_and_ours_promotes(ours, tmp_path):
    theirs = rungs(play(stock(tmp_path, small_space(5), seed=1)))
    assert theirs == {(2, 0): 5}
    assert rungs(play(ours(small_space(5)))) == {(2, 0): 5, (2, 1): 3, (2, 2): 1}


def test_exhausted_in_a_later_bracket(ours):
    expected = {(2, 0): 9, (2, 1): 3, (2, 2): 1, (1, 0): 3, (1, 1): 2}
    assert rungs(play(ours(small_space(12)), workers=4, seed=2)) == expected


def test_bracket_label_is_the_trials_own(ours, tmp_path):
    def wrong(trials):
        by_epochs = {(1, 0): 2, (3, 0): 1, (9, 0): 0}
        count = 0
        for t in trials:
            values = t.hyperparameters.values
            if values["tuner/round"] == 0:
                expected = by_epochs[values["tuner/epochs"], 0]
            else:
                parent = next(p for p in trials if p.trial_id == values["tuner/trial_id"])
                expected = parent.hyperparameters.values["tuner/bracket"]
            count += values["tuner/bracket"] != expected
        return count

    space = narrowing.narrowed([])
    assert wrong(play(stock(tmp_path, space, seed=1), workers=6, seed=5)) > 0
    assert wrong(play(ours(seed=1), workers=6, seed=5)) == 0


def test_zero_is_a_seed(ours, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert {stock(tmp_path, small_space(9), seed=0).seed for _ in range(20)} != {0}
    first, second = (ours(seed=0, name=name) for name in ("first", "second"))
    assert first.seed == 0
    assert outcome(play(first)) == outcome(play(second))
    assert outcome(play(ours(seed=1, name="third"))) != outcome(first.trials.values())


def test_given_configurations_come_first(ours):
    oracle = ours(small_space(50), first=[{"a": 17}, {"a": 3}])
    drawn = [t.hyperparameters.values["a"] for t in play(oracle) if t.trial_id < "0009"]
    assert drawn[:2] == [17, 3]
    assert len(set(drawn)) == 9


@settings(max_examples=25, deadline=None)
@given(
    cut=st.integers(0, 22),
    workers=st.integers(1, 3),
    lost=st.lists(st.integers(0, 22), max_size=3),
    failing=st.integers(0, 60),
)
def test_restored_from_any_moment_it_ends_the_same(tmp_path_factory, cut, workers, lost, failing):
    """From the trial files alone, where some that no other trial came from may be gone."""
    directory = tmp_path_factory.mktemp("cut")

    def oracle(name):
        (directory / name).mkdir(exist_ok=True)
        return HyperbandOracle(Study(directory, name), small_space(200), 9, seed=2)

    def fails(values):
        return loser_of_round(values, range(failing))

    whole = play(oracle("whole"), fails=fails)
    play(oracle("cut"), workers, cut, fails, stop_after=cut)
    records, torn = Study(directory, "cut").read_trials()
    assert not torn
    parents = {r["hyperparameters"]["values"].get("tuner/trial_id") for r in records.values()}
    kept = [r for i, r in records.items() if i in parents or int(i) not in lost]
    again = oracle("cut")
    again.restore([Trial.from_state(record) for record in kept])
    assert outcome_or_failed(play(again, workers, 1, fails)) == outcome_or_failed(whole)


def outcome_or_failed(trials):
    for t in trials:
        t.score = t.score if t.status == "COMPLETED" else -1
    return outcome(trials)


def test_trials_of_another_seed_are_refused(ours):
    trials = play(ours(seed=1), stop_after=3)
    with pytest.raises(Failure, match="not of this study's seed"):
        ours(seed=2).restore(trials)


def test_stock_reloads_what_ours_wrote(ours, tmp_path):
    oracle = ours(small_space(100), name="project")
    play(oracle, workers=2)
    theirs = kt.oracles.HyperbandOracle(OBJECTIVE, max_epochs=9, factor=3)
    theirs._set_project_dir(str(tmp_path), "project")
    theirs.reload()
    best, expected = theirs.get_best_trials(5), oracle.get_best_trials(5)
    assert [t.hyperparameters.values for t in best] == [t.hyperparameters.values for t in expected]
    assert theirs.create_trial("next").status == "STOPPED"


def test_checkpoints_are_needed_only_while_a_promotion_may_come(ours):
    oracle = ours(seed=6)
    possible = set()
    while True:
        trial = oracle.create_trial("w")
        if trial.status != "RUNNING":
            break
        parent = trial.hyperparameters.values.get("tuner/trial_id")
        assert parent is None or parent in possible, "promoted without a checkpoint"
        end(oracle, trial, False, 10**6)
        possible = {name for name in oracle.trials if oracle.can_be_promoted(name)}
        rooms = 3 + 1 + 2
        assert len(possible) <= rooms
    assert not possible


def test_list_runs_each_configuration_once_and_resumes(tmp_path):
    entries = [Entry({"a": n}, 5, seed) for n in (4, 2, 9) for seed in (0, 1)]
    (tmp_path / "list").mkdir()

    def make():
        return ListOracle(Study(tmp_path, "list"), small_space(10), lambda trials: entries)

    play(make(), workers=2, stop_after=1)
    again = make()
    records, _ = Study(tmp_path, "list").read_trials()
    again.restore([Trial.from_state(record) for record in records.values()])
    trials = play(again, workers=2)
    assert sorted((t.hyperparameters.values["a"], again.trial_seed(t)) for t in trials) == [
        (2, 0), (2, 1), (4, 0), (4, 1), (9, 0), (9, 1)
    ]  # fmt: skip
    assert {t.hyperparameters.values["tuner/epochs"] for t in trials} == {5}
    assert again.planned() == (6, 30)
