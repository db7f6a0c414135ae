"""The studies that the tests run, and what is compared of them."""

import math

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from search.records.folder import StudyFolder
from search.records.trial import configuration

SMALL = ("--dataset", "digits", "--max-epochs", 9, "--seed", 7)
"""Three brackets: 23 trials, 75 epochs."""


def finished(drivers, folder, *options, real=False):
    """Run a study `s` in a folder to its end, with one worker, and keep `summary.json` beside it."""
    options = ("--logs", folder, *options, "--workers", 1, "--json")
    done = drivers.run("run", "--study", "s", *options, real=real)
    assert done.returncode == 0, done.stderr
    (folder / "summary.json").write_text(done.stdout)


def outcome(logs, study="s"):
    """(configuration, rung, status, curve) of each trial, bit for bit."""
    trials, torn = StudyFolder(logs, study).read_trials()
    assert not torn
    result = []
    for trial in trials.values():
        own = str(sorted(configuration(trial.values).items()))
        place = (trial.values["tuner/bracket"], trial.values["tuner/round"])
        # As text, since a diverged loss, NaN, is not equal to itself.
        curve = str([(row.val_loss, row.val_accuracy) for row in trial.run.epochs])
        result.append((own, place, trial.status, curve))
    return sorted(result)


def check_events(logs, study="s"):
    """Every epoch of every trial stands once in its event files, as in the trial file."""
    folder = StudyFolder(logs, study)
    for trial_id, trial in folder.read_trials()[0].items():
        # TensorBoard is not given what is not finite: the epoch of a divergence.
        rows = [row for row in trial.run.epochs if math.isfinite(row.val_accuracy)]
        directory = folder.trial_directory(trial_id) / "validation"
        events = EventAccumulator(str(directory), {"scalars": 0}).Reload()
        assert ("epoch_accuracy" in events.Tags()["scalars"]) == bool(rows)
        points = events.Scalars("epoch_accuracy") if rows else []
        assert [point.step for point in points] == [row.epoch for row in rows]
        assert [point.value for point in points] == pytest.approx(
            [row.val_accuracy for row in rows]
        )
