"""Reading logs: of stock KerasTuner, as `tests/stock/data` keeps them, and what is torn in them."""

import shutil
from collections import Counter

import pytest

from analysis.evidence import trials
from analysis.report.files import write
from analysis.words.language import Language
from search.records.errors import Misuse
from tests.stock.kept import FINISHED, KILLED


@pytest.fixture
def study():
    """A finished study of 23 trials at 9 epochs by 3: brackets of 9 + 3 + 1, 5 + 2 and 3."""
    return trials.load(FINISHED / "stock", FINISHED / "board")


def test_rungs_of_a_stock_study_are_collapsed(study):
    """17 configurations; the promoted are the best of their rung, as successive halving has it."""
    assert len(study.trials) == 23
    assert len(study.chains) == 9 + 5 + 3
    assert Counter(study.chains["bracket"]) == {2: 9, 1: 5, 0: 3}
    assert sorted(study.chains["rungs"]) == [1] * 12 + [2] * 4 + [3]
    by_rung = {
        key: rung.sort_values("score", ascending=False)
        for key, rung in study.trials.groupby(["bracket", "rung"])
    }
    for (bracket, rung), winners in {(2, 1): 3, (2, 2): 1, (1, 1): 2}.items():
        own = study.chains[(study.chains["bracket"] == bracket) & (study.chains["rungs"] > rung)]
        assert {path[rung] for path in own["trials"]} == set(by_rung[bracket, rung].index)
        best = by_rung[bracket, rung - 1].index[:winners]
        assert {path[rung - 1] for path in own["trials"]} == set(best)


def test_curves_of_a_stock_study_are_by_absolute_epoch(study):
    """A promoted trial goes on where its parent ended, and its best epoch is its curve's best."""
    for trial, row in study.trials[study.trials["status"] == "COMPLETED"].iterrows():
        curve = study.curves[study.curves["trial"] == trial]
        assert list(curve["epoch"]) == list(range(row["initial_epoch"] + 1, row["epochs"] + 1))
        assert curve["val_accuracy"].max() == pytest.approx(row["score"])
        assert curve.loc[curve["val_accuracy"].idxmax(), "epoch"] == row["best_epoch"]
    for _, row in study.chains[study.chains["status"] == "COMPLETED"].iterrows():
        own = study.chain_curves[study.chain_curves["chain"] == row.name]
        assert list(own["epoch"]) == list(range(1, int(row["epochs"]) + 1))


def test_a_failed_trial_has_its_reason_and_no_curve(study):
    failed = study.trials[study.trials["status"] == "FAILED"]
    assert len(failed) == 1
    assert "three layers" in failed["message"].iloc[0]
    assert study.notes == [f"no curves (no event files): {failed.index[0]}"]


def test_inactive_hyperparameters_are_blank(study):
    """KerasTuner leaves values of inactive ones behind; a layer's units go with the layer."""
    for _, row in study.trials.iterrows():
        active = [name for name in ("units_0", "units_1", "units_2") if row[name] == row[name]]
        assert len(active) == row["layers"]
        other = {"sgd": "adam_lr", "adam": "sgd_lr"}[row["optimizer"]]
        assert row[other] != row[other]


def test_a_stock_study_without_event_files_is_read_too():
    study = trials.load(FINISHED / "stock")
    assert study.curves.empty
    assert len(study.chains) == 17
    assert study.notes[0].startswith("no curves (no event files): 0000, 0001")


def test_a_stock_study_is_reported(study, tmp_path):
    write([study], Language("en"), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "23 trials (22 COMPLETED and 1 FAILED) of 17 configurations" in text
    assert "FAIL SECTION" not in text


def test_a_stock_study_killed_in_a_trial_is_read(tmp_path):
    """Half of it there, a trial running."""
    study = trials.load(KILLED / "stock", KILLED / "board")
    assert Counter(study.trials["status"]) == {"COMPLETED": 11, "RUNNING": 1}
    assert study.notes == ["no curves (no event files): 0011", "not finished: 0011"]
    write([study], Language("es"), tmp_path)
    assert "FAIL SECTION" not in (tmp_path / "report.md").read_text()


def test_torn_and_missing_files_are_said(tmp_path):
    shutil.copytree(FINISHED / "stock", tmp_path / "s")
    (tmp_path / "s/trial_0003/trial.json").write_text('{"trial_id": "0003", "hyper')
    (tmp_path / "s/trial_0004/trial.json").unlink()
    study = trials.load(tmp_path / "s", FINISHED / "board")
    assert "trial_0003/trial.json is torn: left out" in study.notes
    assert "trial_0004: no trial.json" in study.notes
    assert len(study.trials) == 21


def test_an_event_file_that_ends_in_a_record_gives_what_is_whole(tmp_path):
    shutil.copytree(FINISHED / "board", tmp_path / "board")
    whole = trials.load(FINISHED / "stock", FINISHED / "board")
    trial = whole.trials.index[(whole.trials["epochs"] == 9) & whole.trials["score"].notna()][0]
    (path,) = (tmp_path / "board" / trial / "execution0/validation").glob("events*")
    path.write_bytes(path.read_bytes()[:-20])
    study = trials.load(FINISHED / "stock", tmp_path / "board")
    assert f"trial {trial}: {path.name} ends in the middle of a record" in study.notes
    lost = study.curves[study.curves["trial"] == trial]
    kept = whole.curves[whole.curves["trial"] == trial]
    assert lost["val_accuracy"].tolist()[:-1] == kept["val_accuracy"].tolist()[:-1]


def test_a_folder_that_is_no_study_is_said(tmp_path):
    with pytest.raises(Misuse, match="there is no folder"):
        trials.load(tmp_path / "none")
    with pytest.raises(Misuse, match="holds no trial_"):
        trials.load(tmp_path)
