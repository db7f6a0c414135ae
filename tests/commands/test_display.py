"""What a person sees while a study runs."""

import io
import re

import pytest
from rich.console import Console

from search.cli.progress import Display
from search.networks.narrowing import narrowed
from search.records.trial import COMPLETED, EpochRow, TrialRun
from search.studies.hyperband import HyperbandOracle

WORKER = "tcp://127.0.0.1:1"


@pytest.fixture
def oracle():
    """A search whose first trial has ended and whose second trains."""
    oracle = HyperbandOracle(narrowed([]), max_epochs=9, seed=7)
    row = EpochRow(
        0, 2.0, 3.0, loss=1.0, accuracy=0.8, val_loss=1.0, val_accuracy=0.9123, learning_rate=0.1
    )
    for slot in ("slot0", "slot1"):
        trial = oracle.create_trial(slot)
        trial.run = TrialRun(seed=1, split=1, started=0.0, epochs=(row,), seconds=2.0)
        trial.metrics.register("val_accuracy", "max")
        trial.metrics.update("val_accuracy", 0.9123, step=0)
        if slot == "slot0":
            trial.status = COMPLETED
            oracle.end_trial(trial)
    return oracle


def shown(oracle, **options):
    """What is written to a terminal or a file: a trial ends and another has an epoch."""
    file = io.StringIO()
    display = Display("first", Console(file=file, width=100, **options))
    with display:
        display.oracle = oracle
        ended, running = oracle.trials.values()
        display.trial_ends(ended)
        display.epoch_ends(running, running.trained.epochs[0], WORKER)
        if display.console.is_terminal:
            display.live.refresh()
    return file.getvalue()


def test_on_a_colour_terminal_bar_best_trial_and_workers_have_a_line_each(oracle):
    text = shown(oracle, force_terminal=True, color_system="truecolor")
    frames = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "")
    last = frames.split("first  trials 1/23  epochs 2/75")[-1].splitlines()
    # A long configuration goes on in a second line.
    _, bar, best, *others = (line.rstrip() for line in last)
    assert set(bar) <= set("━╸╺ ")
    assert best.startswith("best 0.9123  trial 0000  ")
    (worker,) = (line for line in others if line.startswith("worker"))
    assert worker.startswith("worker 1: trial 0001  bracket 2 rung 0, epochs 1–1  now 1")
    # Coloured, so that the eye finds it.
    assert "\x1b[32mbest 0.9123" in text


def test_without_a_terminal_each_trial_is_one_plain_line(oracle):
    (line,) = shown(oracle).splitlines()
    assert line.startswith("[1/23] trial 0000  bracket 2 rung 0, epochs 1–1  val_accuracy 0.9123")
    assert "\x1b" not in line
