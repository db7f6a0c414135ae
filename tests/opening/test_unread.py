"""On the real data: nothing reads the test files before the final network's models are declared."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from search.data.fashion_mnist import TEST_FILES, TRAIN_FILES


def search(*arguments):
    command = [sys.executable, "-m", "search", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_neither_run_nor_exercises_nor_final_training_read_the_test_files(fashion_dir, tmp_path):
    """With the training files alone all goes well, but for the opening of the test set."""
    only = tmp_path / "data"
    only.mkdir()
    for name in TRAIN_FILES:
        (only / name).symlink_to(Path(fashion_dir).resolve() / name)
    cheap = ["layers=1", "units_1=32", "batch_size=512", "optimizer=adam", "schedule=constant"]
    fixes = [word for fix in cheap for word in ("--fix", fix)]
    where = ["--logs", tmp_path, "--data-dir", only]
    run = search("run", "--study", "s", "--max-epochs", 2, "--factor", 2, *fixes, *where)
    assert run.returncode == 0, run.stderr
    command = [sys.executable, "-m", "search", "exercises", "initializer", *map(str, where)]
    exercises = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while "] trial " not in (line := exercises.stderr.readline()):
        assert line, "exercises ended before a trial did"
    exercises.send_signal(signal.SIGINT)
    exercises.communicate()
    assert exercises.returncode == 130
    final = search("final", "--study", "s", "--top", 1, "--seeds", 2, *where)
    assert final.returncode == 1
    assert f"cannot read {only / TEST_FILES[0]}" in final.stderr
    kept = (tmp_path / "s-final").glob("trial_*/trial.json")
    assert {json.loads(path.read_text())["status"] for path in kept} == {"COMPLETED"}
    assert not (tmp_path / "s-final" / "ledger.jsonl").exists()
    opened = search("final", "--study", "s", "--logs", tmp_path, "--data-dir", fashion_dir)
    assert opened.returncode == 0, opened.stderr
    results = json.loads((tmp_path / "s-final" / "test-1.json").read_text())
    assert len(results["labels"]) == 10_000
    assert np.bincount(results["labels"]).tolist() == [1000] * 10
