"""What stock KerasTuner's files do after a crash; tests/running has ours after the same."""

import json

import keras_tuner as kt
import pytest

OBJECTIVE = kt.Objective("val_accuracy", "max")


def oracle(directory, project="stock", **options):
    space = kt.HyperParameters()
    space.Choice("a", list(range(1000)))
    settings = {"max_epochs": 9, "factor": 3, "hyperparameters": space} | options
    made = kt.oracles.HyperbandOracle(OBJECTIVE, **settings)
    made._set_project_dir(str(directory), project)
    made.verbose = 0
    return made


def play(made, trials=None):
    """Ends trials one after another, as many as asked for or all."""
    while trials is None or trials > 0:
        trial = made.create_trial("w")
        if trial.status != "RUNNING":
            break
        made.update_trial(trial.trial_id, {"val_accuracy": trial.hyperparameters.values["a"]})
        trial.status = "COMPLETED"
        made.end_trial(trial)
        trials = None if trials is None else trials - 1


@pytest.mark.parametrize("name", ["oracle.json", "trial_0002/trial.json"])
def test_a_torn_file_stops_stock(tmp_path, name):
    play(oracle(tmp_path), 5)
    path = tmp_path / "stock" / name
    path.write_text(path.read_text()[:100])
    with pytest.raises(json.JSONDecodeError):
        oracle(tmp_path).reload()


def test_a_kill_in_create_trial_leaves_stock_a_trial_that_runs_for_ever(tmp_path):
    """Between its two saves: the trial's file is there, oracle.json does not know of it."""
    play(made := oracle(tmp_path), 3)
    before = (tmp_path / "stock/oracle.json").read_text()
    made.create_trial("w")
    (tmp_path / "stock/oracle.json").write_text(before)
    again = oracle(tmp_path)
    again.reload()
    play(again)
    assert [t.status for t in again.trials.values()].count("RUNNING") == 1


def test_a_kill_in_end_trial_has_stock_run_a_completed_trial_again(tmp_path):
    play(made := oracle(tmp_path), 3)
    trial = made.create_trial("w")
    before = (tmp_path / "stock/oracle.json").read_text()
    made.update_trial(trial.trial_id, {"val_accuracy": 1.0})
    trial.status = "COMPLETED"
    made.end_trial(trial)
    (tmp_path / "stock/oracle.json").write_text(before)
    again = oracle(tmp_path)
    again.reload()
    assert again.trials[trial.trial_id].status == "COMPLETED"
    assert again.create_trial("w").trial_id == trial.trial_id


def test_stock_begins_a_study_anew_where_it_was_killed_in_its_first_trial(tmp_path):
    """No tuner0.json yet: nothing is reloaded, and trial 0000 is written over."""

    class Networks(kt.HyperModel):
        def build(self, hp):
            hp.Choice("a", list(range(1000)))

    options = {"max_epochs": 9, "directory": str(tmp_path), "project_name": "s"}
    tuner = kt.Hyperband(Networks(), OBJECTIVE, **options)
    tuner.oracle.create_trial("tuner0")
    assert (tmp_path / "s/oracle.json").exists()
    again = kt.Hyperband(Networks(), OBJECTIVE, **options, seed=3)
    assert not again.oracle.trials
    second = again.oracle.create_trial("tuner0")
    assert second.trial_id == "0000"
    written = json.loads((tmp_path / "s/trial_0000/trial.json").read_text())
    assert written["hyperparameters"]["values"]["a"] == second.hyperparameters.values["a"]


def test_stock_takes_other_arguments_back_without_a_word(tmp_path):
    play(oracle(tmp_path), 2)
    other = oracle(tmp_path, max_epochs=81)
    other.reload()
    assert other.max_epochs == 9


def test_stock_cannot_reload_a_folder_with_glob_characters(tmp_path):
    play(oracle(tmp_path, "run[1]"), 2)
    again = oracle(tmp_path, "run[1]")
    with pytest.raises(RuntimeError, match="Error reloading"):
        again.reload()
    assert not again.trials


def test_two_stock_processes_write_into_one_folder(tmp_path):
    one, two = oracle(tmp_path, seed=1), oracle(tmp_path, seed=2)
    first, second = one.create_trial("w"), two.create_trial("w")
    assert first.trial_id == second.trial_id
    assert first.hyperparameters.values["a"] != second.hyperparameters.values["a"]
