"""The kept files of stock KerasTuner are such as the installed version writes."""

import json

import pytest

from analysis.evidence import events
from search.records.trial import COMPLETED, RUNNING
from tests.stock.kept import FINISHED, KILLED
from tests.stock.stock_study import search


def keys(value):
    """What a JSON value holds, without its numbers and texts."""
    if isinstance(value, dict):
        return {key: keys(item) for key, item in value.items()}
    return sorted({str(keys(item)) for item in value}) if isinstance(value, list) else None


def shape(folder):
    """The fields of a study's files, and by number of epochs the tags and steps of its curves."""
    trial_files = [json.loads(p.read_text()) for p in folder.glob("stock/trial_*/trial.json")]
    whole = [trial for trial in trial_files if trial["status"] == COMPLETED]
    logged = set()
    for trial in whole:
        values = trial["hyperparameters"]["values"]
        for run in ("train", "validation"):
            scalars, wrong = events.scalars(
                folder / "board" / trial["trial_id"] / "execution0" / run
            )
            assert wrong == []
            epochs = range(values["tuner/initial_epoch"], values["tuner/epochs"])
            by_epoch = [steps for tag, steps in scalars.items() if tag.startswith("epoch_")]
            assert [list(steps) for steps in by_epoch] == [list(epochs)] * len(by_epoch)
            logged.add((run, *sorted(scalars)))
    return {
        "files": {path.name for path in folder.glob("stock/*.json")},
        "oracle": set(json.loads((folder / "stock/oracle.json").read_text())),
        "trial": {str(trial.keys()) for trial in trial_files},
        "metrics": {str(keys(trial["metrics"])) for trial in whole},
        "labels": {
            name
            for trial in whole
            for name in trial["hyperparameters"]["values"]
            if name.startswith("tuner/")
        },
        "tags": logged,
    }


@pytest.mark.slow
def test_stock_writes_what_is_kept(tmp_path):
    search(tmp_path, max_epochs=3)
    made = shape(tmp_path)
    assert made["tags"]
    assert made == shape(FINISHED)


def test_a_killed_study_differs_by_a_running_trial_alone():
    assert shape(KILLED) == shape(FINISHED)
    states = [json.loads(p.read_text())["status"] for p in KILLED.rglob("trial.json")]
    assert states.count(RUNNING) == 1
