"""Hyperband whose draws learn: the same study whatever the workers, their order and interruptions."""

import json
import math
import random
from collections import Counter

import keras_tuner as kt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.records.trial import GIVEN, MODEL, PRIOR, RANDOM, configuration, trial_file
from search.studies.brackets import BLOCK
from search.studies.hyperband import HyperbandOracle
from search.studies.oracles import Trial
from tests.planted import write_project

TEXTBOOK = {"kind": "b", "rate": 1e-2}


def space_of(kinds=4):
    space = kt.HyperParameters()
    space.Choice("kind", ["a", "b", "c", "d"][:kinds])
    space.Float("rate", 1e-4, 1.0, sampling="log")
    with space.conditional_scope("kind", ["c"]):
        space.Int("size", 1, 64)
    return space


def learning(space=None, textbook=TEXTBOOK, max_epochs=27, **options):
    space = space or space_of()
    return HyperbandOracle(space, max_epochs, seed=5, textbook=textbook, **options)


def score(values):
    """A fixed function of configuration and rung, with some noise."""
    own = configuration(values)
    luck = random.Random(f"{sorted(own.items())} {values['tuner/epochs']}").random()
    return round(abs(math.log10(own.get("rate", 1)) + 1.5) + (own["kind"] != "c") + luck, 6)


def play(oracle, workers=1, order=0, stop_after=math.inf, fails=lambda values: False):
    """Run a search whose trials end in random order."""
    choose, ended, oracle.workers = random.Random(order), 0, workers
    active = {}
    while ended < stop_after:
        for slot in map(str, range(workers)):
            if slot not in active:
                trial = oracle.create_trial(slot)
                if trial.status == "RUNNING":
                    known = [oracle.trials[name].status for name in oracle.learned_from(trial)]
                    assert set(known) <= {"COMPLETED", "FAILED"}
                    active[slot] = trial
        if not active:
            break
        trial = active.pop(choose.choice(sorted(active)))
        values = trial.hyperparameters.values
        trial.status = "FAILED" if fails(values) else "COMPLETED"
        if trial.status == "COMPLETED":
            trial.metrics.register("val_loss", "min")
            trial.metrics.update("val_loss", score(values))
        oracle.end_trial(trial)
        ended += 1
    return oracle


def searched(**options):
    return learning(objective="val_loss", **options)


def read(files):
    """The trials of trial files. KerasTuner takes a content apart as it reads it."""
    return [Trial.of(trial_file(json.loads(json.dumps(content)))) for content in files]


def outcome(oracle):
    """What must not depend on who trained what when: values, labels and scores."""
    found = []
    for trial in oracle.trials.values():
        values = {k: v for k, v in trial.hyperparameters.values.items() if k != "tuner/trial_id"}
        found.append((sorted(values.items(), key=str), trial.score, oracle.trial_seed(trial)))
    return sorted(found, key=str)


@pytest.fixture(scope="module")
def whole():
    return play(searched())


def labels(oracle):
    every = [t.hyperparameters.values for t in oracle.trials.values()]
    assert all("tuner/draw" in values for values in every), "promoted trials keep it"
    return {v["tuner/draw"]: v["tuner/sampler"] for v in every if v["tuner/round"] == 0}


def test_it_uses_every_way_to_draw_and_one_draw_in_three_is_random(whole):
    found = labels(whole)
    assert sorted(found) == list(range(49))
    assert found[39] == GIVEN
    assert {n for n, sampler in found.items() if sampler == RANDOM} >= set(range(0, 49, 3)) - {39}
    counts = Counter(found.values())
    assert counts[PRIOR] > 5
    assert counts[MODEL] > 2


def test_random_draws_are_those_of_a_search_that_does_not_learn(whole):
    plain = searched(textbook=None)
    for trial in whole.trials.values():
        values = trial.hyperparameters.values
        n = values["tuner/draw"]
        if n % 3 == 0 and n != 39:
            assert configuration(values) == plain.draw(n)


def test_the_textbook_comes_first_at_a_third_of_the_longest_budget(whole):
    first = whole.trials["0000"].hyperparameters.values
    assert configuration(first) == TEXTBOOK
    assert (first["tuner/bracket"], first["tuner/epochs"]) == (1, 9)
    rungs = Counter(
        (t.hyperparameters.values["tuner/bracket"], t.hyperparameters.values["tuner/round"])
        for t in whole.trials.values()
    )
    # KerasTuner's schedule at 27 by 3, as test_oracles has it.
    assert rungs == {
        (3, 0): 27, (3, 1): 9, (3, 2): 3, (3, 3): 1, (2, 0): 12, (2, 1): 4, (2, 2): 2,
        (1, 0): 6, (1, 1): 2, (0, 0): 4,
    }  # fmt: skip


def test_textbook_values_are_promoted_to_the_end_at_once_however_bad_they_are():
    worst = {"kind": "a", "rate": 1e-4}
    oracle = play(searched(textbook=worst))
    places = {
        name: (values["tuner/bracket"], values["tuner/epochs"])
        for name, trial in oracle.trials.items()
        if configuration(values := trial.hyperparameters.values) == worst
    }
    assert places == {"0000": (1, 9), "0001": (1, 27)}
    assert len(oracle.trials) == 70
    # The trial whose place they took needs no checkpoint.
    assert not [name for name in oracle.trials if oracle.can_be_promoted(name)]


def test_what_a_draw_learns_from_by_hand(whole):
    """Bracket 3 has draws 0 to 26, in blocks of six, bracket 2 has 27 to 38, bracket 1 has 39 to 44."""
    by_draw = {
        t.hyperparameters.values["tuner/draw"]: t
        for t in whole.trials.values()
        if t.hyperparameters.values["tuner/round"] == 0
    }
    names = {n: trial.trial_id for n, trial in by_draw.items()}
    assert BLOCK == 6
    assert whole.learned_from(by_draw[4]) == ()
    assert set(whole.learned_from(by_draw[7])) == {names[n] for n in range(6)}
    assert set(whole.learned_from(by_draw[25])) == {names[n] for n in range(24)}
    assert whole.learned_from(by_draw[12]) == (), "it is random"
    assert whole.learned_from(by_draw[39]) == (), "it is given"
    # Ten trials of one budget are enough for the model. The nine that bracket 3 promotes to 3 epochs
    # are too few for draws 27 to 32. With these six, which begin with 3 epochs, they are enough.
    first, second = (
        {
            t.trial_id
            for t in whole.trials.values()
            if t.hyperparameters.values["tuner/bracket"] == 3
            and t.hyperparameters.values["tuner/round"] == rung
        }
        for rung in (0, 1)
    )
    assert set(whole.learned_from(by_draw[28])) == first
    assert set(whole.learned_from(by_draw[34])) == first | second | {
        names[n] for n in range(27, 33)
    }


@settings(max_examples=8, deadline=None)
@given(workers=st.integers(2, 9), order=st.integers(0, 99))
def test_the_same_study_whatever_the_workers_and_their_order(whole, workers, order):
    assert outcome(play(searched(), workers, order)) == outcome(whole)


@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(0, 30), min_size=1, max_size=4), workers=st.integers(1, 3))
def test_interrupted_again_and_again_it_ends_the_same(whole, cuts, workers):
    files = []
    for cut in cuts:
        oracle = searched()
        oracle.restore(read(files))
        play(oracle, workers, cut, stop_after=cut)
        files = [json.loads(json.dumps(t.get_state())) for t in oracle.trials.values()]
    oracle = searched()
    oracle.restore(read(files))
    assert outcome(play(oracle, workers)) == outcome(whole)


def test_a_lost_trial_is_drawn_again_as_it_was(whole):
    """Trial files may be lost one by one: what they were follows from the others."""
    files = {i: json.loads(json.dumps(t.get_state())) for i, t in whole.trials.items()}
    promoted = {f["hyperparameters"]["values"].get("tuner/trial_id") for f in files.values()}
    lost = [i for i in files if i not in promoted][::4]
    oracle = searched()
    oracle.restore(read([f for i, f in files.items() if i not in lost]))
    assert len(oracle.trials) < len(whole.trials)
    assert outcome(play(oracle)) == outcome(whole)


def test_the_order_of_costs_changes_nothing(whole):
    """Cheap configurations first, or the longest trials: the results are the same."""
    costs = {"cost": lambda values: 1 + values["rate"] % 7e-4}
    assert outcome(play(searched(**costs), workers=2)) == outcome(whole)


@settings(max_examples=6, deadline=None)
@given(workers=st.integers(2, 6), order=st.integers(0, 99))
def test_failures_do_not_stop_it(workers, order):
    oracle = play(searched(), fails=lambda values: values["rate"] > 0.1)
    statuses = Counter(trial.status for trial in oracle.trials.values())
    assert statuses["FAILED"] > 3
    again = play(searched(), workers, order, fails=lambda values: values["rate"] > 0.1)
    assert outcome(again) == outcome(oracle)


def test_without_textbook_values_it_learns_from_trials_alone():
    found = labels(play(searched(textbook={})))
    assert set(found.values()) == {RANDOM, MODEL}


def test_a_space_with_few_configurations_is_drawn_at_random():
    space = kt.HyperParameters()
    space.Choice("kind", ["a", "b", "c", "d"])
    space.Choice("rate", [0.01, 0.1, 1.0])
    oracle = play(searched(space=space, textbook={"kind": "b"}))
    assert set(labels(oracle).values()) == {RANDOM}
    assert len(labels(oracle)) == 12


@pytest.mark.parametrize(("max_epochs", "min_epochs"), [(3, 1), (27, 9), (9, 1)])
def test_given_configurations_and_textbook_values_are_all_tried(max_epochs, min_epochs):
    """With few brackets, the numbers of the given ones reach into the bracket of the textbook."""
    own = [{"kind": kind, "rate": 0.5} for kind in ("a", "b", "d")]
    options = {"max_epochs": max_epochs, "min_epochs": min_epochs, "first": own}
    oracle = play(searched(**options))
    found = [configuration(t.hyperparameters.values) for t in oracle.trials.values()]
    assert all(values in found for values in [*own, TEXTBOOK])
    files = [json.loads(json.dumps(t.get_state())) for t in oracle.trials.values()]
    for cut in (1, 2, 3, len(files)):
        again = searched(**options)
        again.restore(read(files[:cut]))
        assert outcome(play(again)) == outcome(oracle)


def test_one_bracket_alone_learns_too_and_goes_on():
    first = play(searched(max_epochs=2))
    files = [json.loads(json.dumps(t.get_state())) for t in first.trials.values()]
    again = searched(max_epochs=2, iterations=2)
    again.restore(read(files))
    assert outcome(play(again)) == outcome(play(searched(max_epochs=2, iterations=2)))


@pytest.mark.parametrize("sizes", [(4, 4, 4), (5, 5, 5)])
def test_in_a_small_space_no_configuration_is_drawn_twice(sizes):
    """A draw that finds nothing new is left to chance."""
    space = kt.HyperParameters()
    for name, size in zip(("kind", "rate", "third"), sizes, strict=True):
        values = ["a", "b", "c", "d", "e"] if name == "kind" else [10.0**-n for n in range(5)]
        space.Choice(name, values[:size])
    oracle = play(searched(space=space, textbook={"kind": "b", "rate": 1.0, "third": 1.0}))
    drawn = [t for t in oracle.trials.values() if t.hyperparameters.values["tuner/round"] == 0]
    own = [str(configuration(t.hyperparameters.values)) for t in drawn]
    assert len(set(own)) == len(own) == 49
    files = [json.loads(json.dumps(t.get_state())) for t in oracle.trials.values()]
    again = searched(space=space, textbook={"kind": "b", "rate": 1.0, "third": 1.0})
    again.restore(read(files[:30]))
    assert outcome(play(again)) == outcome(oracle)


def test_a_name_that_is_declared_under_several_conditions_and_wrong_defaults():
    space = kt.HyperParameters()
    space.Choice("kind", ["a", "c"])
    with space.conditional_scope("kind", ["a"]):
        space.Float("rate", 1e-3, 1.0, sampling="log")
        space.Choice("size", ["small", "large"])
    with space.conditional_scope("kind", ["c"]):
        space.Float("rate", 1e-5, 1e-2, sampling="log")
        space.Int("size", 2, 63, step=2, sampling="log", default=63)
        space.Float("other", 0.0, 1.0, default=7.0)
    textbook = {"kind": "c", "rate": 1e-2, "size": 63}
    oracle = play(searched(space=space, textbook=textbook))
    assert MODEL in labels(oracle).values()
    again = play(searched(space=space, textbook=textbook), workers=3, order=1)
    assert outcome(again) == outcome(oracle)


def test_no_draw_but_a_random_one_costs_much_more_than_textbook_values():
    oracle = play(searched(cost=lambda values: values["rate"]))
    for trial in oracle.trials.values():
        values = trial.hyperparameters.values
        if values["tuner/sampler"] in (PRIOR, MODEL):
            assert values["rate"] <= 8 * TEXTBOOK["rate"]


def test_iterations_may_be_added(whole):
    files = [json.loads(json.dumps(t.get_state())) for t in whole.trials.values()]
    oracle = searched(iterations=2)
    oracle.restore(read(files))
    assert outcome(play(oracle)) == outcome(play(searched(iterations=2), workers=2, order=1))


def test_stock_kerastuner_reloads_it(tmp_path, whole):
    write_project(tmp_path, whole)
    stock = kt.oracles.HyperbandOracle(kt.Objective("val_loss", "min"), max_epochs=27)
    stock._set_project_dir(str(tmp_path), "project")
    stock.reload()
    best = [trial.trial_id for trial in whole.get_best_trials(5)]
    assert [trial.trial_id for trial in stock.get_best_trials(5)] == best
