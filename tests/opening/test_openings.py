"""The openings of the test set: once, again for a reason, cut off, and what tampering does."""

import json
import shlex

import pytest

from search.opening.opening import open_test_set
from search.records.errors import Failure
from search.records.folder import StudyFolder
from search.studies.arguments import final_arguments
from tests.called import analysis, search
from tests.drivers import wait_until
from tests.opening.files import read, trials


@pytest.mark.slow
def test_the_test_set_is_opened_once(copy, drivers):
    ledger = copy / "s-final" / "ledger.jsonl"
    entries = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [entry["what"] for entry in entries] == ["declared", "opened", "evaluated"]
    assert len(entries[0]["models"]) == 6
    assert entries[0]["elsewhere"] == []
    before = ledger.read_bytes()
    refused = search("final", "--study", "s", "--logs", copy)
    assert refused.returncode == 2
    assert "--open-test-again REASON" in refused.stderr
    assert ledger.read_bytes() == before

    options = ("--study", "s", "--logs", copy, "--open-test-again", "it's a bug")
    final = drivers.start("final", *options, real=True)
    wait_until(lambda: ledger.read_text().count('"opened"') == 2 or final.ended())
    final.interrupt()
    ended = final.wait()
    assert ended.returncode == 130, ended.stderr
    (line,) = [line for line in ended.stderr.splitlines() if "to continue: " in line]
    _, _, printed = line.partition("to continue: python -m search ")
    done = search(*shlex.split(printed), "--json")
    assert json.loads(done.stdout)["test"]["opening"] == 2
    lines = ledger.read_bytes()
    assert lines.startswith(before)
    entries = [json.loads(line) for line in lines.splitlines()[3:]]
    # Taken up by the command that was printed, with what was declared.
    assert [entry["what"] for entry in entries] == ["declared", "opened", "opened", "evaluated"]
    assert {entry["opening"] for entry in entries} == {2}
    assert entries[0]["reason"] == "it's a bug"
    models = [read(copy / "s-final" / f"test-{number}.json")["models"] for number in (1, 2)]
    assert models[0] == models[1]
    told = " ".join(analysis("tables", "--logs", copy).stdout.split())
    assert "opened 2 times" in told
    assert ": it's a bug" in told


@pytest.mark.slow
def test_a_final_study_from_before_a_hyperparameter_was_in_the_space_goes_on(copy):
    """As written by an earlier version, whose networks had it at its default."""
    names = ("norm_first", "precision")
    directory = copy / "s-final"
    for path in directory.glob("trial_*/trial.json"):
        trial = read(path)
        for name in names:
            trial["hyperparameters"]["values"].pop(name, None)
        path.write_text(json.dumps(trial))
    about = read(directory / "study.json")
    arms = [values for part in about["parts"] for values in part["arms"].values()]
    for values in (*arms, *about["arguments"]["configurations"].values()):
        for name in names:
            values.pop(name, None)
    (directory / "study.json").write_text(json.dumps(about))
    runs = {name: trial["run"] for name, trial in trials(directory).items()}
    again = search("final", "--study", "s", "--logs", copy, "--open-test-again", "check", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["finished"]
    assert {name: trial["run"] for name, trial in trials(directory).items()} == runs
    models = [read(directory / f"test-{number}.json")["models"] for number in (1, 2)]
    assert models[0] == models[1]


@pytest.mark.slow
def test_a_changed_ledger_is_refused_and_reported(copy):
    ledger = copy / "s-final" / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace('"reason": null', '"reason": "none"'))
    refused = search("final", "--study", "s", "--logs", copy, "--open-test-again", "whim")
    assert refused.returncode == 1
    assert "was changed after it was written" in refused.stderr
    assert "FAIL  LEDGER" in analysis("tables", "--logs", copy).stdout


@pytest.mark.slow
def test_a_changed_result_is_reported(copy):
    path = copy / "s-final" / "test-1.json"
    path.write_text(path.read_text().replace('"accuracy": 0.', '"accuracy": 0.9', 1))
    shown = analysis("tables", "--exercise", "4", "--logs", copy)
    assert "test-1.json is not the file that the ledger records" in shown.stdout


@pytest.mark.slow
def test_an_opening_cut_off_is_finished_for_the_declared_models_alone(copy):
    """As after a crash between opening and evaluating: the last entry and its witness are gone."""
    directory = copy / "s-final"
    ledger = directory / "ledger.jsonl"
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text("".join(lines[:1]))
    about = read(copy / "s" / "study.json")
    del about["ledger"]
    (copy / "s" / "study.json").write_text(json.dumps(about))
    results = (directory / "test-1.json").read_bytes()
    (directory / "test-1.json").unlink()
    model = directory / "models" / "final-3.keras"
    content = model.read_bytes()
    model.write_bytes((directory / "models" / "final-2.keras").read_bytes())

    searched = StudyFolder(copy, "s")
    arguments = final_arguments(searched, {})

    def opened():
        return open_test_set(searched.final, searched, arguments, data_dir=None, reason=None)

    with pytest.raises(Failure, match=r"final-3\.keras is not the file declared"):
        opened()
    model.write_bytes(content)
    assert opened()["opening"] == 1
    assert (directory / "test-1.json").read_bytes() == results
    done = [json.loads(line)["what"] for line in ledger.read_text().splitlines()]
    assert done == ["declared", "opened", "evaluated"]
