"""Workers: processes of a dask cluster that train what they are sent and touch no study file."""

import contextlib
import gc
import logging
import multiprocessing
import multiprocessing.forkserver
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dask
from distributed import Client, LocalCluster, Worker, WorkerPlugin, get_worker

from search.data import Data, Halved, Pool
from search.errors import Failure

if TYPE_CHECKING:
    import keras_tuner as kt
    import numpy as np


Row = dict[str, Any]

FORKS = sys.platform == "linux"
"""Whether workers are forks of a process that has imported TensorFlow, and started nothing yet."""

# Dask has malloc hand freed memory back at once, and either threshold, once set, ends malloc's own
# adjusting of the other: a step's buffers would be mapped and faulted in anew each time.
ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "TF_CPP_MIN_LOG_LEVEL": "3",
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
}

EPOCHS_TOPIC = "search-epochs"
PLUGIN = "search"


@dataclass(frozen=True)
class Work:
    """A stretch of one trial, from `initial_epoch` to `epochs`, or until `seconds` have passed.

    seed, split: of the trial's weights, batches and dropout; of the images it is trained on.
    counted_from: the first epoch that may be the best: where the trial's own rung begins, a chain
    being trained again from the beginning at times, or where early stopping begins to look.

    hyperparameters: KerasTuner's config of space and values.
    patience: epochs without a better val_accuracy after which the trial ends. Half of the
    validation images then decide that, the other half judge the best epoch's weights. None: the
    trial goes on to its last epoch, validated on all of them.
    best: the best val_accuracy of this trial so far and its epoch, whose weights the state before
    it holds; None where the trial begins: one that was promoted finds its own best.
    """

    study: str
    trial_id: str
    hyperparameters: dict[str, Any]
    seed: int
    split: int
    initial_epoch: int
    counted_from: int
    epochs: int
    seconds: float
    patience: int | None = None
    best: tuple[float, int] | None = None


@dataclass
class Report:
    """What came of a piece of Work.

    rows: one an epoch: `epoch` from 0, Keras' logs, diagnostics, `seconds`, `time` at its end.
    at_start: diagnostics before the first epoch of all.
    state: npz bytes: weights and optimizer after the last epoch, then the best epoch's weights.
    weights_file, build_config: of the best epoch, as Keras saves them, when `finished`.
    held_out: the best epoch, and what its weights say of the images held out (`training.scored`).
    """

    rows: list[Row] = field(default_factory=list)
    at_start: dict[str, float] = field(default_factory=dict)
    finished: bool = False
    failure: str = ""
    state: bytes = b""
    weights_file: bytes = b""
    build_config: dict[str, Any] = field(default_factory=dict)
    held_out: dict[str, Any] = field(default_factory=dict)
    worker: str = ""
    models_built: int = 0
    cpu_seconds: float = 0.0
    peak_memory: int = 0


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
        self.session: Session | None = None
        self.split: tuple[int, bool] | None = None
        # What is alive now stays so: leave it out of every later collection.
        gc.collect()
        gc.freeze()

    def data(self, split: int, halved: bool) -> Data:
        """The images split by this seed; the last split is kept."""
        if (split, halved) != self.split:
            from search.training import forget_resident

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


class Session:
    """A trial under way in this process; a later stretch of the same trial takes it up again."""

    def __init__(
        self, work: Work, data: Data, hypermodel: "kt.HyperModel", state: bytes | None
    ) -> None:
        import keras
        import keras_tuner as kt

        from search.diagnostics import Probe
        from search.training import EpochLoop, seed_weights, unpack

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
            arrays = unpack(state)
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

    def train(self, work: Work, on_epoch: Callable[[Row], None]) -> Report:
        """Epochs until the work is done, its time is up or the trial diverges."""
        from search.training import Diverged, fit, pack, scored

        report = Report()
        model = self.loop.model
        if work.initial_epoch == 0:
            report.at_start = self.probe.look(model)
        watch = _watch(self, work, report, on_epoch)
        try:
            fit(self.loop, work.epochs, work.initial_epoch, [watch])
        except Diverged as reason:
            report.rows.append({"epoch": reason.epoch, **reason.logs, "time": time.time()})
            report.failure = str(reason)
            return report
        self.next_epoch = report.rows[-1]["epoch"] + 1
        report.finished = self.next_epoch == work.epochs or watch.out_of_patience
        report.state = pack([*self.loop.state(), *self.best_weights])
        if report.finished:
            model.set_weights(self.best_weights)
            report.weights_file = _weights_file(model)
            report.build_config = model.get_build_config()
            if isinstance(self.data, Halved):
                x, y = self.data.x_held_out, self.data.y_held_out
                judged = scored(model, x, y, self.data.levels)
                report.held_out = {"epoch": watch.best_epoch, **judged}
        return report


def _watch(session: Session, work: Work, report: Report, on_epoch: Callable[[Row], None]) -> Any:
    """The callback that looks at each epoch's end and says when the time is up."""
    import keras

    class Watch(keras.callbacks.Callback):
        best, best_epoch = work.best or (-1.0, work.counted_from)
        out_of_patience = False
        deadline = time.monotonic() + work.seconds

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            started = time.perf_counter()
            looked = session.probe.look(self.model)
            row = {
                "epoch": epoch,
                **logs,
                **looked,
                "diagnostics_seconds": time.perf_counter() - started,
                "time": time.time(),
            }
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
        path = Path(directory) / "checkpoint.weights.h5"
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
            session = Session(
                work, plugin.data(work.split, work.patience is not None), plugin.hypermodel, state
            )
            plugin.session = session
            plugin.models_built += 1

        def on_epoch(row: Row) -> None:
            event = {"study": work.study, "trial_id": work.trial_id, "worker": worker.address}
            worker.log_event(EPOCHS_TOPIC, {**event, "row": row})

        report = session.train(work, on_epoch)
        if report.finished or report.failure:
            plugin.session = None
        report.worker = worker.address
        report.models_built = plugin.models_built
        report.cpu_seconds = time.process_time() - cpu
        report.peak_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return report


@contextlib.contextmanager
def cluster(workers: int, scheduler: str | None) -> Iterator[Client]:
    """A client of the cluster at `scheduler`, or of new processes with one thread each."""
    # A checkpoint travels with its task: dask then does the work again wherever a worker dies.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
    if scheduler:
        try:
            client = Client(scheduler, timeout="20s")
        except (OSError, ValueError) as error:
            raise Failure(f"no dask scheduler answers at {scheduler}: {error}") from error
        with client:
            if not client.scheduler_info(n_workers=-1)["workers"]:
                raise Failure(f"the cluster at {scheduler} has no workers: start some first")
            yield client
        return
    fork_server()
    method = {"distributed.worker.multiprocessing-method": "forkserver"} if FORKS else {}
    with (
        tempfile.TemporaryDirectory(prefix="search-") as scratch,
        dask.config.set({"distributed.nanny.pre-spawn-environ": ENVIRONMENT, **method}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address=None,
            memory_limit=0,
            local_directory=scratch,
            silence_logs=logging.CRITICAL,
        ) as local,
        Client(local) as client,
    ):
        yield client


def fork_server() -> None:
    """Starts, where the system can, the process that workers are forked from.

    It imports TensorFlow once for all workers and all that replace them, while the caller goes on.
    """
    if not FORKS:
        return
    # Its malloc reads them as it starts; dask leaves them in this process' environment anyway.
    os.environ.update(ENVIRONMENT)
    multiprocessing.get_context("forkserver").set_forkserver_preload(["search.forked"])
    multiprocessing.forkserver.ensure_running()


def addresses(client: Client) -> Sequence[str]:
    return list(client.scheduler_info(n_workers=-1)["workers"])
