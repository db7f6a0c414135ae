"""Show chosen runs of a study in TensorBoard, named by arm and seed or by trial."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from analysis.evidence.arms import parts
from analysis.evidence.study import Study
from search.records.errors import Failure, Misuse


def names(study: Study, exercise: str | None) -> dict[str, str]:
    """Return the run name of each trial to show, by trial.

    Raises Misuse if the study does not contain the exercise.
    """
    found: dict[str, str] = {}
    for part in parts(study):
        if exercise not in (None, part.exercise):
            continue
        for run in part.runs.dropna(subset=["trial"]).itertuples():
            # A trial that belongs to several parts keeps its first name.
            found.setdefault(run.trial, _folder(f"{part.label}/{run.arm}/seed {run.seed}"))
    if exercise and not found:
        raise Misuse(f"study {study.name} does not contain the exercise {exercise}")
    return found or {trial: f"trial_{trial}" for trial in study.trials.index}


def _folder(name: str) -> str:
    return re.sub(r"[^\w./+-]+", "_", name)


def arrange(study: Study, exercise: str | None, directory: Path) -> int:
    """Link the event files of the chosen runs into a folder, and return the number of runs."""
    chosen = names(study, exercise)
    for trial, name in chosen.items():
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(study.directory.resolve() / f"trial_{trial}")
    return len(chosen)


def show(study: Study, exercise: str | None, port: int) -> None:
    """Run TensorBoard until it is interrupted. Raises Failure if it is not installed."""
    program = shutil.which("tensorboard", path=str(Path(sys.executable).parent)) or shutil.which(
        "tensorboard"
    )
    if program is None:
        raise Failure("tensorboard is not installed: pip install tensorboard")
    with tempfile.TemporaryDirectory(prefix="runs-") as directory:
        arrange(study, exercise, Path(directory))
        command = [program, "--logdir", directory, "--port", str(port)]
        try:
            done = subprocess.run(command, check=False)
        except KeyboardInterrupt:
            return
    if done.returncode:
        raise Failure(f"tensorboard ended with exit code {done.returncode}")
