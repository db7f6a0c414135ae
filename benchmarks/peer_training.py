"""How peers and controls train the networks of this project, with a note of every epoch."""

import concurrent.futures
import json
import multiprocessing
import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt

from search.data.load import load_pool
from search.networks.dense import DenseNetworks
from search.records.trial import Values
from search.training.fit import Fit

EPOCHS = 27
"""Epochs of the longest trials, as in `search run`."""

FACTOR = 3

WORKERS = 2


@dataclass(frozen=True)
class Job:
    """One run of a tuner.

    data: `fashion-mnist`, `digits` or an .npz file.
    folder: receives a line for each epoch, in a file for each process.
    loop: whether this project's compiled loop trains.
    """

    tuner: str
    seed: int
    data: str
    folder: Path
    loop: bool


class Note(keras.callbacks.Callback):
    """Writes down each epoch's validation accuracy and its time."""

    transient = True

    def __init__(self, folder: Path):
        super().__init__()
        self.file = folder / f"epochs-{os.getpid()}.jsonl"

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        row = {"time": time.time(), "val_accuracy": float((logs or {})["val_accuracy"])}
        with self.file.open("a") as file:
            file.write(json.dumps(row) + "\n")


class Networks(DenseNetworks):
    """The dense networks, trained by the loop if asked."""

    def __init__(self, facts: Any, horizon: int | None, job: Job):
        super().__init__(facts, horizon)
        self.job = job

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        model = super().build(hp)
        if self.job.loop:
            model.fit = Fit(model, self.job.seed)
        return model


@cache
def examples(data: str, seed: int) -> tuple[Any, Any]:
    """Return the facts of a data set, and its split by a seed."""
    own = None if data in ("fashion-mnist", "digits") else data
    pool = load_pool("fashion-mnist" if own else data, own)  # type: ignore[arg-type]
    return pool.facts, pool.split(seed)


def train(
    job: Job, values: Values, epochs: int, horizon: int, *callbacks: keras.callbacks.Callback
) -> float:
    """Train a configuration from its first epoch, and return its best validation accuracy.

    horizon: the epochs in which a schedule falls.
    """
    facts, data = examples(job.data, job.seed)
    keras.backend.clear_session()
    hp = kt.HyperParameters()
    hp.values = dict(values)
    networks = Networks(facts, horizon, job)
    model = networks.build(hp)
    history = networks.fit(
        hp,
        model,
        data.x_train,
        data.y_train,
        validation_data=(data.x_validation, data.y_validation),
        epochs=epochs,
        verbose=0,
        callbacks=[Note(job.folder), *callbacks],
    )
    return float(max(history.history["val_accuracy"]))


def one_thread(job: Job) -> None:
    """Give this process one thread, which does not slow the training on two processes."""
    if job.loop:
        from search.running.worker import configure

        configure()
    else:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def processes(job: Job) -> concurrent.futures.ProcessPoolExecutor:
    """Return two processes of one thread."""
    context = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(
        WORKERS, context, initializer=one_thread, initargs=(job,)
    )
