"""Workers: processes of a dask cluster that train trials and never touch a study's files."""

import gc
import logging
import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from distributed import Worker, WorkerPlugin, get_worker

from search.running.subject import Packed
from search.running.work import EPOCHS_TOPIC, Report, Trainer, Work

if TYPE_CHECKING:
    from search.records.trial import EpochRow
    from search.running.trial_session import TrialSession

GROWTH = 0.25
"""Share by which a process may grow after its first trial before it is replaced. Keras and
TensorFlow leak up to 4.5 MB with every model."""


class Training(WorkerPlugin):
    """A plugin that gives every worker, restarted workers too, the hypermodel and the data.

    packed: a pair of a `kt.HyperModel` and a `Source`.
    devices: GPUs to share among the workers, one each. None: the workers' own choice.
    """

    def __init__(self, name: str, packed: Packed, devices: tuple[str, ...] | None = None):
        self.name = name
        self.packed = packed
        self.devices = devices

    def setup(self, worker: Worker) -> None:
        """Prepare TensorFlow and the memory of a new worker."""
        self.show_device(worker)
        configure()
        self.lock = threading.Lock()
        self.session: TrialSession | None = None
        self.subject: tuple[Any, Any] | None = None
        self.settled_memory = 0
        # Objects that are alive now stay alive, so later garbage collections can skip them.
        gc.collect()
        gc.freeze()

    def show_device(self, worker: Worker) -> None:
        """Show a local worker its own device, before TensorFlow looks for devices."""
        if self.devices:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.devices[int(worker.name) % len(self.devices)]

    def unpacked(self) -> tuple[Any, Any]:
        """Return the hypermodel and the source of the data, unpacked once in a process."""
        if self.subject is None:
            self.subject = self.packed.unpacked()
        return self.subject

    def session_for(self, work: Work, before: "Report | bytes | None") -> "TrialSession | None":
        """Return the session that the work continues, or a new session.

        None if the work continues a trial that this process does not have and cannot restore.
        """
        from search.running.trial_session import TrialSession

        if self.session and self.session.continues_with(work):
            return self.session
        self.close()
        state = before.state if isinstance(before, Report) else before
        if isinstance(before, Report) and not state:
            return None
        hypermodel, source = self.unpacked()
        given = source.arguments(work.split, work.patience is not None)
        self.session = TrialSession(work, hypermodel, given, state)
        return self.session

    def close(self) -> None:
        """Forget the trial under way."""
        if self.session:
            self.session.close()
            self.session = None


def configure() -> None:
    """Give TensorFlow one thread in this process, memory as it needs it, and equal results always."""
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        # Every model has its own trace, so TensorFlow's warning about many traces is useless.
        tf.get_logger().setLevel(logging.ERROR)


def evaluate(work: Work, before: "Report | bytes | None" = None) -> Report:
    """Do a piece of work in a worker, starting from the state `before` it.

    This is the task that dask runs.
    """
    worker = get_worker()
    plugin = cast(Training, worker.plugins[work.subject])
    with plugin.lock:
        cpu = time.process_time()

        def on_epoch(row: "EpochRow") -> None:
            event = {"study": work.study, "trial_id": work.trial_id, "worker": worker.address}
            worker.log_event(EPOCHS_TOPIC, {**event, "row": row.to_file()})

        session = plugin.session_for(work, before)
        report = session.train(work, on_epoch) if session else Report(lost=True)
        if report.finished or report.failure:
            plugin.close()
        report.worker = worker.address
        report.memory = memory()
        if report.finished:
            plugin.settled_memory = plugin.settled_memory or report.memory
            report.grown = report.memory > (1 + GROWTH) * plugin.settled_memory
        report.cpu_seconds = time.process_time() - cpu
        report.peak_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return report


def memory() -> int:
    """Return the bytes of memory that this process alone holds. Maps of shared files do not count."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pages = Path("/proc/self/statm").read_text().split()
    return (int(pages[1]) - int(pages[2])) * resource.getpagesize()


KERAS = Trainer(evaluate, Training, preload=("search.running.forked",))
"""Trains the models of a hypermodel with Keras."""
