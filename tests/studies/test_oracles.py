"""Hyperband on KerasTuner's schedule; each fault of the stock oracle shown, then its correction.

No network is trained and no file written: a trial's score is a fixed function of its configuration
and epochs.
"""

import json
import random
import threading
import warnings
from collections import Counter

import keras_tuner as kt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.networks import narrowing
from search.records.errors import Failure
from search.records.folder import StudyFolder
from search.records.parts import PlannedPart
from search.records.trial import configuration, trial_file
from search.studies.hyperband import HyperbandOracle
from search.studies.oracles import ListOracle, Trial

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
    """Run a search whose trials end in random order, and return the trials."""
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


def ours(space=None, max_epochs=9, **options):
    return HyperbandOracle(space or narrowing.narrowed([]), max_epochs, **options)


def written(oracle):
    """The trials of an oracle as their files tell them later, by identifier."""
    files = {i: json.loads(json.dumps(t.get_state())) for i, t in oracle.trials.items()}
    return {i: Trial.of(trial_file(content)) for i, content in files.items()}


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
def test_schedule_is_kerastuners(max_epochs, trials, epochs):
    oracle = ours(max_epochs=max_epochs)
    assert oracle.planned() == (trials, epochs)
    played = play(oracle, workers=3)
    assert len(played) == trials
    spans = [t.hyperparameters.values for t in played]
    assert sum(v["tuner/epochs"] - v["tuner/initial_epoch"] for v in spans) == epochs


def test_brackets_that_begin_with_fewer_epochs_are_left_out():
    """At 27 by 3 from 9 on: 6 by 9, of which 2 go on to 27, and 4 by 27."""
    oracle = ours(max_epochs=27, min_epochs=9)
    found = [(rung, trials, epochs) for _, rung, trials, epochs in oracle.sizes()]
    assert found == [(0, 6, 9), (1, 2, 18), (0, 4, 27)]
    assert oracle.planned() == (12, 6 * 9 + 2 * 18 + 4 * 27)


def test_schedule_at_9_by_3_by_hand():
    assert rungs(play(ours())) == {(2, 0): 9, (2, 1): 3, (2, 2): 1, (1, 0): 5, (1, 1): 2, (0, 0): 3}


def test_iterations_repeat_the_brackets_with_new_configurations():
    trials = play(ours(iterations=2))
    assert len(trials) == 46
    roots = [t for t in trials if t.hyperparameters.values["tuner/round"] == 0]
    assert len({str(configuration(t.hyperparameters.values)) for t in roots}) == 34


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(workers=st.integers(1, 7), seed=st.integers(0, 99), levels=st.sampled_from([3, 10**6]))
def test_same_trials_whatever_the_workers_and_their_order(workers, seed, levels):
    """Ties included: with three score levels nearly every promotion is a tie."""
    one = outcome(play(ours(seed=4), levels=levels))
    assert outcome(play(ours(seed=4), workers, seed, levels=levels)) == one


def loser_of_round(values, places):
    return values["tuner/round"] == 0 and values["tuner/bracket"] == 2 and values["a"] in places


def test_stock_starves_after_failures_and_ours_promotes(tmp_path):
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


def test_more_failures_than_winners_needed_promotes_those_left():
    oracle = ours(small_space(100))
    survivors = {oracle.draw(n)["a"] for n in (2, 6)}
    fails = set(range(100)) - survivors
    trials = play(oracle, workers=2, fails=lambda v: loser_of_round(v, fails))
    assert rungs(trials)[2, 1] == 2
    assert rungs(trials)[2, 2] == 1


def test_bracket_whose_trials_all_fail_does_not_stop_the_others():
    trials = play(ours(small_space(100)), fails=lambda v: loser_of_round(v, range(100)))
    assert rungs(trials) == {(2, 0): 9, (1, 0): 5, (1, 1): 2, (0, 0): 3}


def test_stock_ends_an_exhausted_space_early_and_ours_promotes(tmp_path):
    theirs = rungs(play(stock(tmp_path, small_space(5), seed=1)))
    assert theirs == {(2, 0): 5}
    assert rungs(play(ours(small_space(5)))) == {(2, 0): 5, (2, 1): 3, (2, 2): 1}


def test_exhausted_in_a_later_bracket():
    expected = {(2, 0): 9, (2, 1): 3, (2, 2): 1, (1, 0): 3, (1, 1): 2}
    assert rungs(play(ours(small_space(12)), workers=4, seed=2)) == expected


def test_bracket_label_is_the_trials_own(tmp_path):
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


def test_zero_is_a_seed(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert {stock(tmp_path, small_space(9), seed=0).seed for _ in range(20)} != {0}
    first, second = ours(seed=0), ours(seed=0)
    assert first.seed == 0
    assert outcome(play(first)) == outcome(play(second))
    assert outcome(play(ours(seed=1))) != outcome(first.trials.values())


def test_given_configurations_come_first():
    oracle = ours(small_space(50), first=[{"a": 17}, {"a": 3}])
    roots = [t.hyperparameters.values for t in play(oracle)]
    drawn = [v["a"] for v in roots if (v["tuner/bracket"], v["tuner/round"]) == (2, 0)]
    assert drawn[:2] == [17, 3]
    assert len(set(drawn)) == 9


@settings(max_examples=25, deadline=None)
@given(
    cut=st.integers(0, 22),
    workers=st.integers(1, 3),
    lost=st.lists(st.integers(0, 22), max_size=3),
    failing=st.integers(0, 60),
)
def test_restored_from_any_moment_it_ends_the_same(cut, workers, lost, failing):
    """From the trial files alone, of which some that no other trial came from may be gone."""

    def oracle():
        return ours(small_space(200), seed=2)

    def fails(values):
        return loser_of_round(values, range(failing))

    whole = play(oracle(), fails=fails)
    stopped = oracle()
    play(stopped, workers, cut, fails, stop_after=cut)
    found = written(stopped)
    parents = {t.hyperparameters.values.get("tuner/trial_id") for t in found.values()}
    again = oracle()
    again.restore([t for i, t in found.items() if i in parents or int(i) not in lost])
    assert outcome_or_failed(play(again, workers, 1, fails)) == outcome_or_failed(whole)


def outcome_or_failed(trials):
    for t in trials:
        t.score = t.score if t.status == "COMPLETED" else -1
    return outcome(trials)


def test_trials_of_another_seed_are_refused():
    trials = play(ours(seed=1), stop_after=3)
    with pytest.raises(Failure, match="do not follow from this study's seed"):
        ours(seed=2).restore(trials)


def test_stock_reloads_what_ours_wrote(tmp_path):
    oracle = ours(small_space(100))
    play(oracle, workers=2)
    folder = StudyFolder(tmp_path, "project")
    folder.directory.mkdir()
    folder.write_json("oracle.json", oracle.get_state())
    for trial_id, trial in oracle.trials.items():
        folder.write_trial(trial_id, trial.get_state())
    theirs = kt.oracles.HyperbandOracle(OBJECTIVE, max_epochs=9, factor=3)
    theirs._set_project_dir(str(tmp_path), "project")
    theirs.reload()
    best, expected = theirs.get_best_trials(5), oracle.get_best_trials(5)
    assert [t.hyperparameters.values for t in best] == [t.hyperparameters.values for t in expected]
    assert theirs.create_trial("next").status == "STOPPED"


def test_checkpoints_are_needed_only_while_a_promotion_may_come():
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


def test_list_runs_each_configuration_once_and_resumes():
    """An arm that two parts ask for on a seed is trained once."""
    values = {f"a {n}": {"a": n} for n in (4, 2, 9)}
    parts = [
        PlannedPart("e", "one", "a 4", 5, (0, 1), {arm: values[arm] for arm in ("a 4", "a 2")}),
        PlannedPart("e", "two", "a 2", 5, (0, 1), {arm: values[arm] for arm in ("a 2", "a 9")}),
    ]

    def make():
        return ListOracle(small_space(10), lambda trials: parts)

    stopped = make()
    play(stopped, workers=2, stop_after=1)
    again = make()
    again.restore(list(written(stopped).values()))
    trials = play(again, workers=2)
    assert [(t.hyperparameters.values["a"], again.trial_seed(t)) for t in trials] == [
        (4, 0), (2, 0), (4, 1), (2, 1), (9, 0), (9, 1)
    ]  # fmt: skip
    assert {t.hyperparameters.values["tuner/epochs"] for t in trials} == {5}
    assert again.planned() == (6, 30)


def test_a_list_gives_a_hyperparameter_that_is_newer_than_a_trial_its_default():
    space = small_space(10)
    part = PlannedPart("e", "one", "4", 5, (0,), {"4": {"a": 4}, "2": {"a": 2}})
    oracle = ListOracle(space, lambda trials: [part])
    play(oracle, stop_after=1)
    newer = small_space(10)
    newer.Choice("b", ["old", "new"])
    grown = PlannedPart("e", "one", "4", 5, (0,), {n: {"a": int(n), "b": "old"} for n in "42"})
    again = ListOracle(newer, lambda trials: [grown])
    again.restore(list(written(oracle).values()))
    assert [(t.hyperparameters.values["a"], t.hyperparameters.values["b"]) for t in play(again)] == [
        (4, "old"), (2, "old")
    ]  # fmt: skip


def test_a_trial_whose_arm_is_no_longer_chosen_belongs_to_the_plan():
    """So the study ends, although it has more trials than its parts."""
    before = PlannedPart("e", "tuned", "4", 5, (0,), {"4": {"a": 4}, "2": {"a": 2}})
    oracle = ListOracle(small_space(10), lambda trials: [before])
    play(oracle)
    after = PlannedPart("e", "tuned", "4", 5, (0,), {"4": {"a": 4}, "9": {"a": 9}})
    again = ListOracle(small_space(10), lambda trials: [after])
    again.restore(list(written(oracle).values()))
    assert again.planned() == (3, 15)
    play(again)
    assert sorted(t.hyperparameters.values["a"] for t in again.trials.values()) == [2, 4, 9]
    assert again.planned() == (3, 15)


def test_a_plan_that_another_thread_began_before_a_trial_ended_is_not_kept():
    """The live display asks for the plan while the tuner ends a trial."""
    begun, ended = threading.Event(), threading.Event()

    def parts(trials):
        done = sum(trial.status == "COMPLETED" for trial in trials)
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            ended.wait(60)
        return [PlannedPart("e", "p", "", 1, (1,), {str(n): {"a": n} for n in range(1 + done)})]

    oracle = ListOracle(small_space(10), parts)
    trial = oracle.create_trial("slot")
    oracle._known = None
    display = threading.Thread(target=oracle.planned)
    display.start()
    assert begun.wait(60)
    end(oracle, trial, False, 10**6)
    ended.set()
    display.join()
    assert oracle.planned() == (2, 2)
    assert oracle.create_trial("slot").status == "RUNNING"
