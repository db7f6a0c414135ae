"""On the real data: nothing reads the test files before the final network's models are declared."""

from pathlib import Path

import numpy as np
import pytest

from search.data.fashion_mnist import TEST_FILES, TRAIN_FILES
from search.data.load import load_test_pool
from search.opening.opening import open_test_set
from search.records.arguments import ExerciseArguments
from search.records.errors import Failure
from search.records.folder import StudyFolder
from search.records.trial import COMPLETED
from search.studies.arguments import final_arguments
from tests.called import search
from tests.opening.files import trials

CHEAP = ["layers=1", "units_1=32", "batch_size=512", "optimizer=adam", "schedule=constant"]


@pytest.mark.slow
def test_neither_run_nor_exercises_nor_final_training_read_the_test_files(
    fashion_dir, tmp_path, simulate
):
    """With the training files alone all goes well, but for the opening of the test set."""
    only = tmp_path / "data"
    only.mkdir()
    for name in TRAIN_FILES:
        (only / name).symlink_to(Path(fashion_dir).resolve() / name)
    fixes = [word for fix in CHEAP for word in ("--fix", fix)]
    where = ["--logs", tmp_path, "--data-dir", only]
    run = search("run", "--study", "s", "--max-epochs", 2, "--factor", 2, *fixes, *where)
    assert run.returncode == 0, run.stderr
    exercises = StudyFolder(tmp_path, "exercises")
    simulate(exercises, ExerciseArguments(seeds=2, exercises=("initializer",)), only)
    assert exercises.record().finished
    searched = StudyFolder(tmp_path, "s")
    arguments = final_arguments(searched, {"top": 1, "seeds": 2})
    simulate(searched.final, arguments, only)
    assert {trial["status"] for trial in trials(searched.final.directory).values()} == {COMPLETED}
    with pytest.raises(Failure, match=f"cannot read {only / TEST_FILES[0]}"):
        open_test_set(searched.final, searched, arguments, only, None)
    assert not (searched.final.directory / "ledger.jsonl").exists()
    labels = load_test_pool("fashion-mnist", None, fashion_dir).labels
    assert np.bincount(labels).tolist() == [1000] * 10
