"""Workers: processes of a dask cluster that train trials and never touch a study's files."""

import gc
import logging
import resource
import threading
import time
from typing import TYPE_CHECKING, cast

from distributed import Worker, WorkerPlugin, get_worker

from search.data.pool import Data, Pool
from search.running.work import EPOCHS_TOPIC, Report, Trainer, Work

if TYPE_CHECKING:
    import keras_tuner as kt

    from search.records.trial import EpochRow
    from search.running.trial_session import TrialSession

PLUGIN = "search"


class Training(WorkerPlugin):
    """A plugin that gives every worker, restarted workers too, the images and the hypermodel."""

    name = PLUGIN

    def __init__(self, pool: Pool, hypermodel: "kt.HyperModel"):
        self.pool = pool
        self.hypermodel = hypermodel

    def setup(self, worker: Worker) -> None:
        """Prepare TensorFlow and the memory of a new worker."""
        one_thread()
        self.lock = threading.Lock()
        self.models_built = 0
        self.session: TrialSession | None = None
        self.split: tuple[int, bool] | None = None
        # Objects that are alive now stay alive, so later garbage collections can skip them.
        gc.collect()
        gc.freeze()

    def data(self, split: int, halved: bool) -> Data:
        """Return the images, split by a seed. The last split is cached.

        halved: half of the validation images are held out.
        """
        if (split, halved) != self.split:
            from search.training.loop import forget_resident

            forget_resident()
            data = self.pool.split(split)
            self.split, self._data = (split, halved), data.halved() if halved else data
        return self._data


def one_thread() -> None:
    """Set TensorFlow to one thread in this process, and to results that are always the same."""
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()
        # Every model has its own trace, so TensorFlow's warning about many traces is useless.
        tf.get_logger().setLevel(logging.ERROR)


def evaluate(work: Work, before: "Report | bytes | None" = None) -> Report:
    """Do a piece of work in a worker, starting from the state `before` it.

    This is the task that dask runs.
    """
    worker = get_worker()
    plugin = cast(Training, worker.plugins[PLUGIN])
    with plugin.lock:
        from search.running.trial_session import TrialSession

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

        def on_epoch(row: "EpochRow") -> None:
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


KERAS = Trainer(evaluate, Training, preload=("search.running.forked",))
"""Trains the networks of a hypermodel with Keras."""
