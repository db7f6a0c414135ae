"""What is recorded is read strictly: a wrong field is one line that names it, and the exit code 1."""

import json
import math
import sys

import pytest

from search.__main__ import main
from search.records.arguments import HyperbandArguments
from search.records.datasets import DATASETS
from search.records.errors import Misuse
from search.records.folder import StudyFolder
from search.records.study import FORMAT, SessionRecord, StudyRecord
from search.records.trial import EpochRow, TrialRun, epoch_row, trial_run

ROW = EpochRow(
    epoch=0,
    seconds=2.0,
    time=3.0,
    loss=math.nan,
    accuracy=0.5,
    val_loss=1.5,
    val_accuracy=0.25,
    learning_rate=0.1,
    metrics={"val_f1": math.nan, "f1/macro": 0.5},
    diagnostics_seconds=0.5,
    diagnostics={"dead/hidden_1": 0.5},
)
RUN = TrialRun(seed=1, split=2, started=3.0, epochs=(ROW,), attempts=1)
SESSION = SessionRecord(1.0, 2, None, {"python": "3.11"}, "a processor")
RECORD = StudyRecord(
    "s",
    "run",
    HyperbandArguments(dataset="digits"),
    {"file": "hash"},
    (SESSION,),
    finished=True,
    facts=DATASETS["digits"],
)


@pytest.fixture
def folder(tmp_path):
    """A study of one trial."""
    folder = StudyFolder(tmp_path, "s")
    folder.directory.mkdir()
    folder.write_record(RECORD)
    trial = {"trial_id": "0000", "hyperparameters": {"space": [], "values": {}}, "metrics": {}}
    folder.write_trial("0000", {**trial, "status": "FAILED", "run": RUN.to_file()})
    return folder


@pytest.fixture
def status(folder, monkeypatch, capsys):
    """Ask for the study's state; return the exit code and the lines of stderr."""

    def status():
        arguments = ["search", "status", "--study", "s", "--logs", str(folder.logs), "--json"]
        monkeypatch.setattr(sys, "argv", arguments)
        code = main()
        said = capsys.readouterr()
        return code, said.out, said.err.splitlines()

    return status


def change(path, keys, value):
    """Put another value under the last of the keys, or take the key away if the value is None."""
    content = json.loads(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    path.write_text(json.dumps(content))


def test_what_is_written_is_read_again(folder, status):
    assert folder.record() == RECORD
    (trial,) = folder.read_trials()[0].values()
    # NaN, the loss of an epoch that diverged, is null in the file.
    assert repr(trial.run) == repr(RUN)
    code, shown, _ = status()
    assert code == 0
    assert json.loads(shown)["failed"] == 1


def test_a_row_keeps_its_diagnostics_beside_the_other_fields():
    assert ROW.to_file()["dead/hidden_1"] == 0.5
    assert epoch_row(ROW.to_file()).diagnostics == {"dead/hidden_1": 0.5}
    assert repr(trial_run(RUN.to_file())) == repr(RUN)


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (["format"], 4, f"format 4 is unknown to this version, which reads 1 to {FORMAT}"),
        (["format"], None, "format None is unknown"),
        (
            ["command"],
            "dance",
            "command: 'dance' is not one of run, program, compare, exercises, final, ablation",
        ),
        (["data"], None, "there is no field data"),
        (["finished"], "yes", "finished: expected bool, got str"),
        (["arguments", "max_epochs"], "27", "arguments.max_epochs: expected int, got str"),
        (["arguments", "dataset"], "mnist", "arguments.dataset: invalid enum value 'mnist'"),
        (["sessions", 0, "workers"], 1.5, "sessions[0].workers: expected int, got float"),
        (["sessions", 0, "started"], None, "sessions[0]: there is no field started"),
    ],
)
def test_a_wrong_field_of_a_study_is_named(folder, status, keys, value, said):
    path = folder.directory / "study.json"
    change(path, keys, value)
    code, shown, lines = status()
    assert (code, shown) == (1, "")
    (line,) = lines
    assert line.startswith(f"search: {path}: {said}")


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (["trial_id"], 0, "trial_id: expected str, got int"),
        (["status"], 1, "status: expected str, got int"),
        (["run", "seed"], None, "run: there is no field seed"),
        (["run", "split"], "2", "run.split: expected int, got str"),
        (["run", "epochs"], {}, "run.epochs: expected array"),
        (
            ["run", "epochs", 0, "val_loss"],
            "low",
            "run.epochs[0].val_loss: expected float, got str",
        ),
        (["run", "epochs", 0, "epoch"], None, "run.epochs[0]: there is no field epoch"),
    ],
)
def test_a_wrong_field_of_a_trial_is_named(folder, status, keys, value, said):
    path = folder.trial_directory("0000") / "trial.json"
    change(path, keys, value)
    code, shown, lines = status()
    assert (code, shown) == (1, "")
    assert lines == [f"search: {path}: {said}"]


def test_a_torn_study_file_is_named(folder, status):
    path = folder.directory / "study.json"
    path.write_text(path.read_text()[:50])
    code, shown, (line,) = status()
    assert (code, shown) == (1, "")
    assert line.startswith(f"search: {path} is torn (")


def test_a_search_of_an_earlier_format_goes_on_as_it_began(folder):
    """Its draws are random, and its rates fall over its longest budget."""
    path = folder.directory / "study.json"
    change(path, ["format"], 2)
    for name in ("draws", "rates"):
        content = json.loads(path.read_text())
        del content["arguments"][name]
        path.write_text(json.dumps(content))
    arguments = folder.record().arguments
    assert (arguments.draws, arguments.rates) == ("random", "search")
    assert folder.settled(HyperbandArguments, {"iterations": 2}).draws == "random"
    with pytest.raises(Misuse, match="started with --draws random, not learned"):
        folder.settled(HyperbandArguments, {"draws": "learned"})


def test_the_first_format_is_read_and_its_command_renamed(folder):
    path = folder.directory / "study.json"
    change(path, ["format"], 1)
    change(path, ["command"], "exercises path")
    target = {"search": "first", "search_seed": 1, "dataset": "digits", "target": {"layers": 1}}
    change(path, ["arguments"], target)
    assert folder.record().command == "ablation"
    assert folder.record().search == "first"
