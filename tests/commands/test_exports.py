"""Exports of the tracked reference studies."""

from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from analysis import boards, exports
from analysis.evidence.trials import load
from search.records.errors import Misuse

LOGS = Path(__file__).parents[2] / "tuner_logs"


@pytest.fixture(scope="module")
def study():
    return load(LOGS / "exercises")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_come_back_as_they_were(study, tmp_path, kind):
    exports.export(study, kind, tmp_path)
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet}[kind]
    trials, curves = (read(tmp_path / f"exercises-{name}.{kind}") for name in ("trials", "curves"))
    assert trials["score"].tolist() == pytest.approx(study.trials["score"].tolist(), nan_ok=True)
    assert trials["optimizer"].tolist() == study.trials["optimizer"].tolist()
    assert len(curves) == len(study.curves)
    assert curves["val_loss"].sum() == pytest.approx(study.curves["val_loss"].sum())


@pytest.mark.slow
def test_optuna_has_every_trial_with_its_curve(tmp_path):
    study = load(LOGS / "fashion-mnist")
    (path,) = exports.export(study, "optuna", tmp_path)
    theirs = optuna.load_study(study_name="fashion-mnist", storage=f"sqlite:///{path}")
    assert len(theirs.trials) == len(study.trials)
    states = [trial.state for trial in theirs.trials]
    assert states.count(TrialState.COMPLETE) == (study.trials["status"] == "COMPLETED").sum()
    assert states.count(TrialState.FAIL) == (study.trials["status"] == "FAILED").sum()
    assert theirs.best_value == study.trials["score"].max()
    one = theirs.trials[17]
    curve = study.curves[study.curves["trial"] == one.user_attrs["trial"]]
    assert list(one.intermediate_values.values()) == curve["val_accuracy"].tolist()
    assert one.params["activation"] == study.trials.loc[one.user_attrs["trial"], "activation"]
    with pytest.raises(Misuse, match="already exists"):
        exports.export(study, "optuna", tmp_path)


def test_runs_are_named_by_arm_and_seed(study, tmp_path):
    count = boards.arrange(study, "activation", tmp_path)
    # Eight arms, and three at each of five depths other than that of the eight, ten seeds.
    assert count == 10 * (8 + 3 * 5)
    run = tmp_path / "activation/sigmoid/seed_3"
    assert run.is_symlink()
    values = study.values[run.readlink().name.removeprefix("trial_")]
    assert (values["activation"], values["tuner/seed"]) == ("sigmoid", 3)
    assert (tmp_path / "depth_6/relu/seed_10/validation").is_dir()


def test_an_exercise_that_the_study_has_not_is_said(study):
    parts = tuple(part for part in study.parts if part.exercise != "regularization")
    study = replace(study, record=replace(study.record, parts=parts))
    with pytest.raises(Misuse, match="does not contain the exercise regularization"):
        boards.names(study, "regularization")
