"""Workers: processes of a dask cluster that train what they are sent and touch no study file."""

import gc
import logging
import resource
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from distributed import Worker, WorkerPlugin, get_worker

from search.data.pool import Data, Halved, Pool
from search.records.trial import WEIGHTS, EpochRow, HeldOut, epoch_row
from search.running.work import EPOCHS_TOPIC, Report, Trainer, Work, pack_state, unpack_state

if TYPE_CHECKING:
    import keras_tuner as kt
    import numpy as np

PLUGIN = "search"


class Training(WorkerPlugin):
    """Brings images and hypermodel to every worker, restarted ones too, and readies TensorFlow."""

    name = PLUGIN

    def __init__(self, pool: Pool, hypermodel: "kt.HyperModel"):
        self.pool = pool
        self.hypermodel = hypermodel

    def setup(self, worker: Worker) -> None:
        one_thread()
        self.lock = threading.Lock()
        self.models_built = 0
        self.session: TrialSession | None = None
        self.split: tuple[int, bool] | None = None
        # What is alive now stays so: leave it out of every later collection.
        gc.collect()
        gc.freeze()

    def data(self, split: int, halved: bool) -> Data:
        """The images split by this seed; the last split is kept."""
        if (split, halved) != self.split:
            from search.training.loop import forget_resident

            forget_resident()
            data = self.pool.split(split)
            self.split, self._data = (split, halved), data.halved() if halved else data
        return self._data


def one_thread() -> None:
    """One TensorFlow thread in this process, the same results every time."""
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()
        # Every model has a trace of its own: the warning about many traces is of no use.
        tf.get_logger().setLevel(logging.ERROR)


class TrialSession:
    """A trial under way in this process; a later stretch of the same trial takes it up again."""

    def __init__(
        self, work: Work, data: Data, hypermodel: "kt.HyperModel", state: bytes | None
    ) -> None:
        import keras
        import keras_tuner as kt

        from search.training.diagnostics import Probe
        from search.training.loop import EpochLoop, seed_weights

        keras.backend.clear_session()
        gc.collect()
        hp = kt.HyperParameters.from_config(work.hyperparameters)
        model = hypermodel.build(hp)
        seed_weights(model, work.seed)
        self.loop: EpochLoop = EpochLoop(model, data, hp.values["batch_size"], work.seed)
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
        return (
            (self.work.study, self.work.trial_id) == (work.study, work.trial_id)
            and self.next_epoch == work.initial_epoch
            and self.work.epochs == work.epochs
        )

    def train(self, work: Work, on_epoch: Callable[[EpochRow], None]) -> Report:
        """Epochs until the work is done, its time is up or the trial diverges."""
        from search.training.loop import Diverged, fit, scored

        report = Report()
        model = self.loop.model
        if work.initial_epoch == 0:
            report.at_start = self.probe.look(model)
        watch = _watch(self, work, report, on_epoch)
        try:
            fit(self.loop, work.epochs, work.initial_epoch, [watch])
        except Diverged as reason:
            report.rows.append(
                epoch_row({"epoch": reason.epoch, **reason.logs, "time": time.time()})
            )
            report.failure = str(reason)
            return report
        self.next_epoch = report.rows[-1].epoch + 1
        report.finished = self.next_epoch == work.epochs or watch.out_of_patience
        report.state = pack_state([*self.loop.state(), *self.best_weights])
        if report.finished:
            model.set_weights(self.best_weights)
            report.weights_file = _weights_file(model)
            report.build_config = model.get_build_config()
            if isinstance(self.data, Halved):
                x, y = self.data.x_held_out, self.data.y_held_out
                judged = scored(model, x, y, self.data.levels)
                report.held_out = HeldOut(watch.best_epoch, **judged)
        return report


def _watch(
    session: TrialSession, work: Work, report: Report, on_epoch: Callable[[EpochRow], None]
) -> Any:
    """The callback that looks at each epoch's end and says when the time is up."""
    import keras

    class Watch(keras.callbacks.Callback):
        best, best_epoch = work.best or (-1.0, work.counted_from)
        out_of_patience = False
        deadline = time.monotonic() + work.seconds

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            started = time.perf_counter()
            looked = session.probe.look(self.model)
            row = epoch_row(
                {
                    "epoch": epoch,
                    **logs,
                    **looked,
                    "diagnostics_seconds": time.perf_counter() - started,
                    "time": time.time(),
                }
            )
            report.rows.append(row)
            if epoch >= work.counted_from and logs["val_accuracy"] > self.best:
                self.best, self.best_epoch = logs["val_accuracy"], epoch
                session.best_weights = self.model.get_weights()
            on_epoch(row)
            if work.patience:
                self.out_of_patience = epoch - self.best_epoch >= work.patience
            if self.out_of_patience or time.monotonic() >= self.deadline:
                self.model.stop_training = True

    return Watch()


def _weights_file(model: Any) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / WEIGHTS
        model.save_weights(path)
        return path.read_bytes()


def evaluate(work: Work, before: "Report | bytes | None" = None) -> Report:
    """Does a piece of work in a worker, from the state `before` it; the task that dask runs."""
    worker = get_worker()
    plugin = cast(Training, worker.plugins[PLUGIN])
    with plugin.lock:
        cpu = time.process_time()
        session = plugin.session
        if session is None or not session.continues_with(work):
            plugin.session = None
            state = before.state if isinstance(before, Report) else before
            session = TrialSession(
                work, plugin.data(work.split, work.patience is not None), plugin.hypermodel, state
            )
            plugin.session = session
            plugin.models_built += 1

        def on_epoch(row: EpochRow) -> None:
            event = {"study": work.study, "trial_id": work.trial_id, "worker": worker.address}
            worker.log_event(EPOCHS_TOPIC, {**event, "row": row.to_file()})

        report = session.train(work, on_epoch)
        if report.finished or report.failure:
            plugin.session = None
        report.worker = worker.address
        report.models_built = plugin.models_built
        report.cpu_seconds = time.process_time() - cpu
        report.peak_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return report


KERAS = Trainer(
    evaluate,
    Training,
    ("search.running.forked",),
)
"""Trains the networks of a hypermodel by Keras."""
