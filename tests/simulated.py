"""A trainer whose networks are simulated: studies as they run, in seconds and without TensorFlow.

Workers import this module, so it imports nothing that they do not have anyway.
"""

import resource
import time
import zlib
from typing import Any

import numpy as np
from distributed import get_worker

from search.records.trial import EpochRow, HeldOut, configuration
from search.running.work import EPOCHS_TOPIC, Report, State, Trainer, Work

EPOCH_SECONDS = 0.02
"""Long enough that a kill falls into a trial, not between two."""

WEIGHTS = 8
DECAY = 0.9
RATE = 0.05


class Network:
    """A point that rolls downhill with momentum: what it loses on the way, it never gets back.

    The hill depends on the configuration, the first place on the seed, and each epoch's step on
    the momentum of all earlier steps. Weights without their momentum go another way.
    """

    def __init__(self, values: dict[str, Any], seed: int):
        self.seed = seed
        self.kind = zlib.crc32(repr(sorted(configuration(values).items())).encode())
        self.slope = np.random.default_rng(self.kind).uniform(0.2, 2.0, WEIGHTS)
        self.weights = np.random.default_rng(seed).normal(size=WEIGHTS)
        self.momentum = np.zeros(WEIGHTS)

    @property
    def diverges_in(self) -> int | None:
        """The epoch in which one network in ten diverges."""
        return self.kind // 10 % 3 if self.kind % 10 == 0 else None

    def train(self, epoch: int) -> float:
        """Go one epoch on and return the loss."""
        noise = np.random.default_rng([self.seed, epoch]).normal(size=WEIGHTS)
        gradient = self.slope * self.weights + 0.3 * noise
        self.momentum = DECAY * self.momentum - RATE * gradient
        self.weights = self.weights + self.momentum
        return float(np.mean(self.slope * self.weights**2))


def row_of(epoch: int, loss: float) -> EpochRow:
    """Return what is recorded of an epoch with this loss."""
    accuracy = float(np.round(1 / (1 + loss), 3))
    return EpochRow(
        epoch,
        loss=loss,
        accuracy=1 / (1 + loss / 2),
        val_loss=loss,
        # Rounded, so that there are ties, as with real images.
        val_accuracy=accuracy,
        learning_rate=RATE,
        seconds=EPOCH_SECONDS,
        time=time.time(),
        diagnostics={"weight_norm/hidden_1": loss},
    )


def simulate(work: Work, before: "Report | bytes | None" = None) -> Report:
    """Do a piece of work as `search.running.worker.evaluate` does, from the state before it."""
    worker = get_worker()
    cpu = time.process_time()
    deadline = time.monotonic() + work.seconds
    network = Network(work.hyperparameters["values"], work.seed)
    best_weights = np.zeros(0)
    state = before.state if isinstance(before, Report) else before
    if state:
        before_it = State.unpacked(state)
        network.weights, network.momentum = before_it.trained
        if work.best is not None:
            (best_weights,) = before_it.best
    best, best_epoch = work.best or (-1.0, work.counted_from)
    report = Report(worker=worker.address)
    if work.initial_epoch == 0:
        report.at_start = {"weight_norm/hidden_1": 1.0}
    out_of_patience = False
    for epoch in range(work.initial_epoch, work.epochs):
        time.sleep(EPOCH_SECONDS)
        if epoch == network.diverges_in:
            report.rows.append(row_of(epoch, float("nan")))
            report.failure = f"diverged in epoch {epoch + 1}: loss is nan"
            return report
        row = row_of(epoch, network.train(epoch))
        report.rows.append(row)
        if epoch >= work.counted_from and row.val_accuracy > best:
            best, best_epoch = row.val_accuracy, epoch
            best_weights = network.weights
        event = {"study": work.study, "trial_id": work.trial_id, "worker": worker.address}
        worker.log_event(EPOCHS_TOPIC, {**event, "row": row.to_file()})
        out_of_patience = bool(work.patience) and epoch - best_epoch >= (work.patience or 0)
        if out_of_patience or time.monotonic() >= deadline:
            break
    report.finished = report.rows[-1].epoch + 1 == work.epochs or out_of_patience
    report.state = State([network.weights, network.momentum], [best_weights]).packed()
    if report.finished:
        report.weights_file = best_weights.tobytes()
        if work.patience:
            labels = list(range(10))
            wrong = round(10 * (1 - best))
            predicted = [(label + 1) % 10 if label < wrong else label for label in labels]
            accuracy = 1 - wrong / 10
            report.held_out = HeldOut(best_epoch, accuracy, 1 - best, labels, predicted)
    report.cpu_seconds = time.process_time() - cpu
    report.peak_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return report


SIMULATED = Trainer(simulate, preload=("distributed", "tests.simulated"))
"""Trains simulated networks."""
