"""The command line: help at once, one clear line for misuse, the right exit codes."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from search.cli.plan import seconds_to_target, show_plan
from search.data.fashion_mnist import TRAIN_FILES
from search.records.arguments import HyperbandArguments
from search.records.commands import ended
from search.records.datasets import DATASETS
from search.records.folder import StudyFolder
from search.records.study import SessionRecord, StudyRecord
from search.records.trial import EpochRow, TrialRun
from tests import called
from tests.drivers import LIMIT, ROOT

COMMANDS = ("plan", "run", "exercises", "final", "ablation", "predict", "status")


@pytest.fixture
def search():
    """Carries out a command in this process; returns exit code, stdout and the lines of stderr."""

    def search(*arguments):
        done = called.search(*arguments)
        return done.returncode, done.stdout, done.stderr.splitlines()

    return search


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(search, command):
    code, shown, _ = search(command, "--help")
    assert code == 0
    assert f"python -m search {command} " in shown


def test_help_does_not_wait_for_tensorflow():
    code = (
        "import sys; from search.__main__ import main\n"
        f"for command in [[], *([name] for name in {COMMANDS})]:\n"
        "    sys.argv[1:] = [*command, '--help']\n"
        "    assert main() == 0\n"
        "    assert not {'tensorflow', 'keras', 'distributed'} & set(sys.modules), command\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)


def test_the_display_does_not_wait_for_tensorflow():
    """It is imported before the workers start; TensorFlow is imported while they do."""
    code = (
        "import sys, search.cli.progress, search.running.run\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)


def test_the_project_installs_a_command(tmp_path):
    script = Path(sys.executable).with_name("keras-study")
    if not script.exists():
        pytest.skip("the project is not installed in this environment")
    command = [script, "status", "--study", "s", "--logs", tmp_path]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"search: there is no study s in {tmp_path}/: python -m search run starts one\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "--study"),
        (["dance"], "dance"),
        (["run", "--study", "s", "--max-epochs", "many"], "--max-epochs"),
        (["run", "--study", "s", "--dataset", "mnist"], "digits"),
        (["run", "--study", "s", "--max-epochs", "2"], "at least the factor"),
        (["run", "--study", "s", "--min-epochs", "0"], "from 1 to --max-epochs / --factor, 9"),
        (["run", "--study", "s", "--min-epochs", "10"], "or there is nothing to promote"),
        (["run", "--study", "s", "--factor", "1"], "--factor 1"),
        (["run", "--study", "s", "--iterations", "0"], "--iterations 0"),
        (["run", "--study", "s", "--workers", "0"], "--workers 0"),
        (["run", "--study", "s", "--time-budget", "soon"], "--time-budget soon"),
        (["run", "--study", "s", "--checkpoint-every", "-1"], "--checkpoint-every"),
        (["run", "--study", "../s"], "study name"),
        (["run", "--study", ""], "study name"),
        (["exercises", "dropout"], "'dropout' is not one of activation, initializer"),
        (["exercises", "--seeds", "1"], "--seeds 1: must be at least 2"),
        (["exercises", "path"], "'path' is not one of"),
        (["plan", "--max-epochs", "0"], "at least the factor"),
        (["plan", "--workers", "0"], "--workers 0"),
        (["status", "--study", "s"], "there is no study s"),
    ],
)
def test_misuse_is_one_line_and_exit_2(search, tmp_path, arguments, said):
    logs = [] if arguments[0] in ("plan", "dance") else ["--logs", tmp_path]
    code, shown, lines = search(*arguments, *logs)
    assert (code, shown) == (2, "")
    (line,) = lines
    assert line.startswith("search: ")
    assert said in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory"),
        ("{", "Expecting property name"),
        ("[1]", "expected a JSON object of arguments"),
        (
            '{"epochs": 3}',
            "epochs is not an argument of `search run`, which takes dataset",
        ),
        ('{"max_epochs": "many"}', "max_epochs: expected int, got str"),
        ('{"arguments": {"dataset": "mnist"}}', "dataset: invalid enum value 'mnist'"),
        ('{"max_epochs": 2}', "--max-epochs 2: must be at least the factor"),
    ],
)
def test_a_config_that_cannot_be_used_is_one_line_and_exit_2(search, tmp_path, content, said):
    config = tmp_path / "config.json"
    if content is not None:
        config.write_text(content)
    logs = tmp_path / "logs"
    code, shown, lines = search("run", "--study", "s", "--logs", logs, "--config", config)
    assert (code, shown) == (2, "")
    (line,) = lines
    assert said in line
    assert not logs.exists()


def test_options_come_before_a_config(search, tmp_path):
    config = tmp_path / "config.json"
    config.write_text('{"max_epochs": 9, "factor": 1}')
    code, _, (line,) = search("run", "--study", "s", "--config", config, "--factor", "0")
    assert code == 2
    assert line == "search: --factor 0: must be at least 2"


def test_missing_data_is_one_line_with_three_remedies_and_exit_1(drivers, tmp_path):
    done = drivers.run(
        "run", "--study", "s", "--logs", tmp_path / "logs", "--data-dir", tmp_path / "none"
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert TRAIN_FILES[0] in line
    assert "--dataset digits" in line


def test_swapped_data_files_are_one_line_and_exit_1(drivers, fashion_dir, tmp_path):
    for name, other in zip(TRAIN_FILES, reversed(TRAIN_FILES), strict=True):
        shutil.copy(fashion_dir / other, tmp_path / name)
    done = drivers.run("run", "--study", "s", "--logs", tmp_path / "logs", "--data-dir", tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "swapped" in line


def test_folder_without_write_permission_is_one_line_and_exit_1(drivers, tmp_path):
    (tmp_path / "file").write_text("")
    logs = tmp_path / "file" / "logs"
    done = drivers.run("run", "--study", "s", "--dataset", "digits", "--logs", logs)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "cannot write" in line


@pytest.mark.parametrize(
    ("fix", "said"),
    [
        (["optimizer=adam", "sgd_lr=0.1"], "contradicts"),
        (["activaton=relu"], "activation"),
        (["layers=1", "layers=2"], "fixed twice"),
    ],
)
def test_a_space_that_cannot_be_narrowed_so_is_one_line_and_exit_2(search, fix, said):
    code, shown, lines = search("plan", *(word for each in fix for word in ("--fix", each)))
    assert (code, shown) == (2, "")
    (line,) = lines
    assert said in line


@pytest.mark.slow
def test_plan_prints_hyperbands_schedule_and_seconds(drivers, capsys):
    # In a process of its own: it measures on one thread.
    done = drivers.run("plan", "--dataset", "digits", "--workers", "2", "--json", real=True)
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert (plan["trials"], plan["epochs"]) == (70, 375)
    rungs = [
        [(r["trials"], r["epochs_each"]) for r in bracket["rungs"]] for bracket in plan["brackets"]
    ]
    # ceil(4/(b+1)·3^(b−r)) trials; 1, 3, 9, 27 cumulative epochs.
    assert rungs == [
        [(27, 1), (9, 2), (3, 6), (1, 18)],
        [(12, 3), (4, 6), (2, 18)],
        [(6, 9), (2, 18)],
        [(4, 27)],
    ]
    assert plan["seconds"] > 0
    show_plan(plan)
    shown = capsys.readouterr().out
    assert "70 trials, 375 epochs, about" in shown
    assert shown.count("\n") > 10


def searched(logs, name, seconds, **changes):
    """A search of the digits whose first trial reached 0.9 after some seconds, 3 s of them a pause."""
    folder = StudyFolder(logs, name)
    arguments = HyperbandArguments(dataset="digits", **changes)
    sessions = tuple(
        SessionRecord(start, 2, None, {}, "", seconds=took)
        for start, took in ((1000.0, 4.0), (1007.0, 90.0))
    )
    facts = DATASETS["digits"]
    folder.write_record(StudyRecord(name, "run", arguments, {}, sessions, facts=facts))
    rows = (
        EpochRow(0, 1.0, 1003.0, val_accuracy=0.8),
        EpochRow(1, 1.0, seconds, val_accuracy=0.91),
    )
    run = TrialRun(1, 1, 1000.0, rows)
    state = {
        "trial_id": "0000",
        "hyperparameters": {"space": [], "values": {}},
        "status": "RUNNING",
    }
    folder.write_trial("0000", {**state, "metrics": {"metrics": {}}, "run": run.to_file()})


def test_plan_says_how_long_earlier_searches_took_to_a_target(tmp_path):
    searched(tmp_path, "one", 1003.0 + 20)
    searched(tmp_path, "two", 1003.0 + 30)
    searched(tmp_path, "random", 1003.0 + 70, draws="random")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "study.json").write_text("{")
    facts = DATASETS["digits"]
    found = seconds_to_target(HyperbandArguments(dataset="digits", target=0.9), facts, tmp_path)
    assert found == {"one": 20.0, "two": 30.0}
    digits = HyperbandArguments(dataset="digits")
    higher = replace(digits, target=0.95)
    assert seconds_to_target(higher, facts, tmp_path) == {}, "none of them is finished"
    record = StudyFolder(tmp_path, "two").record()
    StudyFolder(tmp_path, "two").write_record(replace(record, finished=True))
    assert seconds_to_target(higher, facts, tmp_path) == {"two": None}
    longer = replace(digits, target=0.9, max_epochs=81)
    assert seconds_to_target(longer, facts, tmp_path) == {}
    assert seconds_to_target(digits, facts, tmp_path) == {}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (25, "target 0.9: about 25 s, because 2 of 3 earlier searches reached it: one, two"),
        (None, "the time to the target 0.9 is unknown"),
    ],
)
def test_plan_shows_the_time_to_a_target(capsys, seconds, said):
    planned = {"trials": 1, "epochs": 1, "brackets": [], "seconds": 1, "seconds_per_epoch": 1.0}
    target = {"target": 0.9, "target_seconds": seconds}
    names = {"target_reached": ["one", "two"], "target_missed": ["three"]}
    show_plan({**planned, "workers": 2, **target, **names})
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("exercises", "said"),
    [
        ([], "choose from activation, initializer, optimizer, regularization"),
        (["activation", "dropout"], "exercises[1]: invalid enum value 'dropout'"),
    ],
)
def test_a_config_names_at_least_one_exercise_and_none_that_is_not(
    tmp_path, search, exercises, said
):
    (tmp_path / "config.json").write_text(json.dumps({"exercises": exercises}))
    config = ("--config", tmp_path / "config.json")
    code, out, (line,) = search("exercises", *config, "--logs", tmp_path)
    assert (code, out) == (2, "")
    assert said in line


def test_all_beside_a_name_that_is_no_exercise_is_refused(tmp_path, search):
    code, out, (line,) = search("exercises", "all", "dropout", "--logs", tmp_path)
    assert (code, out) == (2, "")
    assert "'dropout' is not one of activation" in line


@pytest.mark.parametrize("error", [TimeoutError("no worker started"), OSError("no scheduler")])
def test_an_error_of_the_system_without_a_file_keeps_its_words(error, capsys):
    def fail():
        raise error

    assert ended(fail, "search") == 1
    assert capsys.readouterr().err == f"search: {error}\n"


def test_what_was_typed_is_printed_as_it_was_typed(tmp_path, search):
    """No :a: becomes a picture, and no [red] a colour."""
    _, _, (line,) = search("run", "--study", ":a:[red]b", "--logs", tmp_path)
    assert "study name ':a:[red]b'" in line
    _, _, (line,) = search("plan", "--fix", "layers=:a:")
    assert "--fix layers=:a:: " in line
