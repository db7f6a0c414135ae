"""A trial under way in a worker: its model, its data and its best weights so far."""

import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import numpy as np

from search.data.pool import Data, Halved
from search.records.trial import WEIGHTS, EpochRow, HeldOut, epoch_row
from search.running.work import Report, Work, pack_state, unpack_state
from search.training.diagnostics import Probe
from search.training.loop import Diverged, EpochLoop, fit, scored, seed_weights


class TrialSession:
    """A trial in this process. A later stretch of the same trial continues it.

    state: packed state after the epoch before the work. None if the trial begins.
    """

    def __init__(self, work: Work, data: Data, hypermodel: kt.HyperModel, state: bytes | None):
        keras.backend.clear_session()
        gc.collect()
        hp = kt.HyperParameters.from_config(work.hyperparameters)
        model = hypermodel.build(hp)
        seed_weights(model, work.seed)
        self.loop = EpochLoop(model, data, hp.values["batch_size"], work.seed)
        self.probe = Probe.of(data)
        self.data = data
        self.work = work
        self.next_epoch = work.initial_epoch
        self.best_weights: list[np.ndarray] = []
        if state:
            arrays = unpack_state(state)
            own = len(self.loop.state())
            self.loop.restore(arrays[:own])
            if work.best is not None:
                self.best_weights = arrays[own:]

    def continues_with(self, work: Work) -> bool:
        """Return whether the work is the next stretch of this trial."""
        return (
            (self.work.study, self.work.trial_id) == (work.study, work.trial_id)
            and self.next_epoch == work.initial_epoch
            and self.work.epochs == work.epochs
        )

    def train(self, work: Work, on_epoch: Callable[[EpochRow], None]) -> Report:
        """Train epochs until the work is done, its time is up or the trial diverges."""
        report = Report()
        model = self.loop.model
        if work.initial_epoch == 0:
            report.at_start = self.probe.look(model)
        watch = Watch(self, work, report, on_epoch)
        try:
            fit(self.loop, work.epochs, work.initial_epoch, [watch])
        except Diverged as reason:
            row = {"epoch": reason.epoch, **reason.logs, "time": time.time()}
            report.rows.append(epoch_row(row))
            report.failure = str(reason)
            return report
        self.next_epoch = report.rows[-1].epoch + 1
        report.finished = self.next_epoch == work.epochs or watch.out_of_patience
        report.state = pack_state([*self.loop.state(), *self.best_weights])
        if report.finished:
            model.set_weights(self.best_weights)
            report.weights_file = weights_file(model)
            report.build_config = model.get_build_config()
            if isinstance(self.data, Halved):
                x, y = self.data.x_held_out, self.data.y_held_out
                report.held_out = HeldOut(watch.best_epoch, **scored(model, x, y, self.data.levels))
        return report


class Watch(keras.callbacks.Callback):
    """A callback that reports epochs, keeps the best weights, and stops when time is up."""

    def __init__(
        self,
        session: TrialSession,
        work: Work,
        report: Report,
        on_epoch: Callable[[EpochRow], None],
    ):
        super().__init__()
        self.session = session
        self.work = work
        self.report = report
        self.on_epoch = on_epoch
        self.best, self.best_epoch = work.best or (-1.0, work.counted_from)
        self.out_of_patience = False
        self.deadline = time.monotonic() + work.seconds

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report an epoch. logs: Keras' logs of the epoch."""
        started = time.perf_counter()
        diagnostics = self.session.probe.look(self.model)
        row = epoch_row(
            {
                "epoch": epoch,
                **logs,
                **diagnostics,
                "diagnostics_seconds": time.perf_counter() - started,
                "time": time.time(),
            }
        )
        self.report.rows.append(row)
        if epoch >= self.work.counted_from and row.val_accuracy > self.best:
            self.best, self.best_epoch = row.val_accuracy, epoch
            self.session.best_weights = self.model.get_weights()
        self.on_epoch(row)
        if self.work.patience:
            self.out_of_patience = epoch - self.best_epoch >= self.work.patience
        if self.out_of_patience or time.monotonic() >= self.deadline:
            self.model.stop_training = True


def weights_file(model: keras.Model) -> bytes:
    """Return the content of the file that Keras saves a model's weights in."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / WEIGHTS
        model.save_weights(path)
        return path.read_bytes()
