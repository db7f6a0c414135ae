"""The command line: help at once, one clear line for misuse, the right exit codes."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from search.data.fashion_mnist import TRAIN_FILES


def search(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "search", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


@pytest.mark.parametrize(
    "command", [[], ["plan"], ["run"], ["exercises"], ["final"], ["predict"], ["status"]]
)
def test_help_has_examples_and_does_not_wait_for_tensorflow(command):
    shown = search(*command, "--help")
    assert shown.returncode == 0
    if command:
        assert f"python -m search {command[0]} " in shown.stdout
    code = (
        "import sys; from search.__main__ import main\n"
        f"sys.argv[1:] = {[*command, '--help']!r}\n"
        "main(); assert not {'tensorflow', 'keras', 'distributed'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "--study"),
        (["dance"], "dance"),
        (["run", "--study", "s", "--max-epochs", "many"], "--max-epochs"),
        (["run", "--study", "s", "--dataset", "mnist"], "digits"),
        (["run", "--study", "s", "--max-epochs", "0"], "at least the factor"),
        (["run", "--study", "s", "--max-epochs", "2"], "at least the factor"),
        (["run", "--study", "s", "--min-epochs", "0"], "from 1 to a factor under --max-epochs, 9"),
        (["run", "--study", "s", "--min-epochs", "10"], "or there is nothing to promote"),
        (
            ["run", "--study", "s", "--dataset", "digits", "--fix", "augmentation=crop"],
            "none, flip, flip_shift",
        ),
        (["run", "--study", "s", "--factor", "1"], "--factor 1"),
        (["run", "--study", "s", "--iterations", "0"], "--iterations 0"),
        (["run", "--study", "s", "--workers", "0"], "--workers 0"),
        (["run", "--study", "s", "--time-budget", "soon"], "--time-budget soon"),
        (["run", "--study", "s", "--checkpoint-every", "-1"], "--checkpoint-every"),
        (["run", "--study", "../s"], "study name"),
        (["run", "--study", "s*"], "study name"),
        (["run", "--study", ""], "study name"),
        (["run", "--study", "s", "--dataset", "digits", "--fix", "activaton=relu"], "activation"),
        (
            [
                "run",
                "--study",
                "s",
                "--dataset",
                "digits",
                "--fix",
                "layers=1",
                "--fix",
                "layers=2",
            ],
            "fixed twice",
        ),
        (["plan", "--max-epochs", "0"], "at least the factor"),
        (["plan", "--fix", "optimizer=adam", "--fix", "sgd_lr=0.1"], "contradicts"),
        (["status", "--study", "s"], "there is no study s"),
    ],
)
def test_misuse_is_one_line_and_exit_2(tmp_path, arguments, said):
    logs = [] if arguments[0] in ("plan", "dance") else ["--logs", tmp_path]
    result = search(*arguments, *logs)
    assert result.returncode == 2, result.stderr
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""
    assert not list(tmp_path.rglob("study.json"))


def test_missing_data_is_one_line_with_three_ways_out_and_exit_1(tmp_path):
    result = search("run", "--study", "s", "--logs", tmp_path, "--data-dir", tmp_path / "none")
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert TRAIN_FILES[0] in result.stderr
    assert "--dataset digits" in result.stderr


def test_swapped_data_files_are_one_line_and_exit_1(fashion_dir, tmp_path):
    for name, other in zip(TRAIN_FILES, reversed(TRAIN_FILES), strict=True):
        shutil.copy(fashion_dir / other, tmp_path / name)
    result = search("run", "--study", "s", "--logs", tmp_path / "logs", "--data-dir", tmp_path)
    assert result.returncode == 1
    assert "swapped" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_folder_without_write_permission_is_one_line_and_exit_1(tmp_path):
    (tmp_path / "file").write_text("")
    result = search(
        "run", "--study", "s", "--dataset", "digits", "--logs", tmp_path / "file" / "logs"
    )
    assert result.returncode == 1
    assert "cannot write" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_folder_that_is_no_study_of_this_project_is_left_alone(tmp_path):
    folder = tmp_path / "s" / "trial_0000"
    folder.mkdir(parents=True)
    trial = {"trial_id": "0000", "hyperparameters": {"space": [], "values": {"x": 1}}}
    trial |= {"metrics": {"metrics": {}}, "score": 1, "best_step": 0, "status": "COMPLETED"}
    (folder / "trial.json").write_text(json.dumps(trial | {"message": None}))
    result = search("run", "--study", "s", "--dataset", "digits", "--logs", tmp_path)
    assert result.returncode == 1
    assert "not of this search space" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_plan_prints_hyperbands_schedule_and_seconds():
    result = search("plan", "--dataset", "digits", "--workers", "2", "--json")
    assert result.returncode == 0, result.stderr
    plan = json.loads(result.stdout)
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
    assert search("plan", "--dataset", "digits").stdout.count("\n") > 10
