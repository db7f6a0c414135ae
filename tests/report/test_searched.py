"""A search in the report, with and without experiments beside it, planted so that the truth is known."""

import random
from dataclasses import replace

import pytest

from analysis.evidence import importance, observed
from analysis.evidence.trials import load
from analysis.report import files
from analysis.report import searched as chapter
from analysis.words.language import Language
from search.records.arguments import HyperbandArguments
from search.records.study import StudyRecord
from tests.planted import write_trial


@pytest.fixture
def search(tmp_path):
    """30 random configurations for 3 epochs, the best 5 for 9: tanh is planted 10 points above."""
    choose = random.Random(1)
    drawn = []
    for n in range(30):
        values = {"activation": choose.choice(["relu", "tanh", "sigmoid"])}
        values["rate"] = 10 ** choose.uniform(-3, 0)
        accuracy = 0.7 + 0.1 * (values["activation"] == "tanh") + choose.uniform(0, 0.01)
        labels = {"tuner/epochs": 3, "tuner/initial_epoch": 0, "tuner/bracket": 1, "tuner/round": 0}
        write_trial(
            tmp_path / "s",
            f"{n:04d}",
            values | labels,
            [accuracy - 0.03, accuracy - 0.02, accuracy],
        )
        drawn.append((accuracy, n, values))
    for place, (accuracy, n, values) in enumerate(
        sorted(drawn, reverse=True, key=lambda d: d[0])[:5]
    ):
        labels = {
            "tuner/epochs": 9, "tuner/initial_epoch": 3, "tuner/bracket": 1, "tuner/round": 1,
            "tuner/trial_id": f"{n:04d}",
        }  # fmt: skip
        write_trial(tmp_path / "s", f"{30 + place:04d}", values | labels, [accuracy + 0.05] * 6)
    return load(tmp_path / "s")


@pytest.mark.parametrize(("rate", "on_bound"), [(0.9, True), (0.5, False), (0.0011, True)])
def test_the_best_rate_is_on_a_bound_within_a_twentieth_of_the_logarithmic_range(
    tmp_path, rate, on_bound
):
    """From 0.001 to 1 there are three decades: 0.15 of one is near, from 0.71 and below 0.0014."""
    write_trial(tmp_path / "s", "0000", {"activation": "relu", "rate": rate}, [0.9])
    write_trial(tmp_path / "s", "0001", {"activation": "relu", "rate": 0.03}, [0.8])
    assert observed.on_bounds(load(tmp_path / "s")) == ({"rate": rate} if on_bound else {})


def test_isolation_compares_at_equal_budget(search):
    """At 3 epochs the promoted do not show what they reached later."""
    found = observed.isolation(search, "activation", 3)
    assert found["n"].sum() == 30
    assert found["score"].idxmax() == "tanh"
    assert found.loc["tanh", "score"] < 0.815
    bins = observed.isolation(search, "rate", 3)
    assert bins["n"].sum() == 30
    assert list(bins.index) == [
        "0.001 – 0.00562",
        "0.00562 – 0.0316",
        "0.0316 – 0.178",
        "0.178 – 1",
    ]


@pytest.mark.slow
def test_importance_is_of_unselected_configurations_and_finds_the_planted(search, monkeypatch):
    """At 9 epochs five are left, all promoted; at 3 all thirty came by a draw."""
    monkeypatch.setattr(importance, "PERMUTATIONS", 39)
    found = importance.importance(search)
    assert (found.epochs, found.n) == (3, 30)
    assert found.table.index[0] == "activation"
    assert found.clear[:1] == [found.table.index[0]]


@pytest.mark.slow
def test_what_is_fixed_is_not_said_to_be_inactive(search):
    fixed = replace(
        search,
        hyperparameters=[*search.hyperparameters, "precision"],
        trials=search.trials.assign(precision="float32"),
    )
    text, *_ = chapter.importances(fixed, Language("en"))
    assert "than chance gives: activation (" in text.text
    assert "precision" not in text.text


def test_best_and_sentences(search):
    text, table, *_ = chapter.overview(search, Language("en"))
    best = search.chains["score"].idxmax()
    shown = search.trials.loc[search.chains.loc[best, "trials"], "score"].idxmax()
    assert "35 trials (35 COMPLETED) of 30 configurations" in text.text
    assert f"(trial {shown})" in text.text
    arguments = HyperbandArguments(fix=("layers=1:3", "activation=relu"))
    narrowed = replace(search, record=StudyRecord("s", "run", arguments, {}, ()))
    text, *_ = chapter.overview(narrowed, Language("en"))
    assert "The search space was narrowed to layers=1:3, activation=relu." in text.text
    assert table.trials[0] == ", ".join(search.chains.loc[best, "trials"])


def test_a_search_by_another_objective_is_told_by_its_val_accuracy(tmp_path):
    """Its score is a loss; val_accuracy is what was recorded beside it, or blank and said."""
    recorded = {
        "val_loss": {"direction": "min", "observations": [{"value": [2.7], "step": 0}]},
        "val_accuracy": {"direction": "max", "observations": [{"value": [0.6], "step": 0}]},
    }
    values = {"activation": "relu", "rate": 0.1}
    write_trial(tmp_path / "s", "0000", values, [], metrics=recorded)
    write_trial(tmp_path / "s", "0001", values, [], metrics={"val_loss": recorded["val_loss"]})
    study = load(tmp_path / "s")
    assert study.trials.loc["0000", "score"] == 0.6
    assert study.trials["score"].isna().tolist() == [False, True]
    assert "no val_accuracy recorded, searched by something else: 0001" in study.notes
    files.write([study], Language("en"), tmp_path / "report")
    assert "FAIL SECTION" not in (tmp_path / "report/report.md").read_text()


@pytest.mark.slow
def test_two_searches_keep_their_tables_apart(search, tmp_path):
    (tmp_path / "s").rename(tmp_path / "t")
    other = load(tmp_path / "t")
    files.write([search, other], Language("en"), tmp_path / "report")
    names = {path.stem for path in (tmp_path / "report/tables").glob("*.csv")}
    assert {"s-best", "t-best", "s-isolation-activation", "t-isolation-activation"} <= names
