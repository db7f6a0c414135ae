"""What a worker is asked to train, and what it reports."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from search.records.trial import EpochRow, HeldOut

if TYPE_CHECKING:
    import keras_tuner as kt
    from distributed import WorkerPlugin

    from search.data.pool import Pool

EPOCHS_TOPIC = "search-epochs"


@dataclass(frozen=True)
class Work:
    """A stretch of one trial, from `initial_epoch` to `epochs`, or until `seconds` have passed."""

    study: str
    trial_id: str
    hyperparameters: dict[str, Any]
    """KerasTuner's config of space and values."""
    seed: int
    """Of the weights, the order of the images and the dropout masks."""
    split: int
    """Seed of the split into training and validation images."""
    initial_epoch: int
    counted_from: int
    """The first epoch that may be the best: the start of the trial's own rung, since a chain may
    be trained again from its beginning, or the first epoch that early stopping watches."""
    epochs: int
    seconds: float
    patience: int | None = None
    """Epochs without a better val_accuracy that end the trial. Half of the validation images then
    choose the epoch, and the other half judge its weights. None: the trial has all its epochs,
    validated on all validation images."""
    best: tuple[float, int] | None = None
    """The trial's best val_accuracy so far and its epoch, whose weights the state before this
    stretch holds. None if the trial begins; a promoted trial finds its own best."""


@dataclass
class Report:
    """What a worker made of a piece of Work."""

    rows: list[EpochRow] = field(default_factory=list)
    at_start: dict[str, float] = field(default_factory=dict)
    """Diagnostics before the first epoch of the chain."""
    finished: bool = False
    failure: str = ""
    state: bytes = b""
    """`pack_state` of weights and optimizer after the last epoch, then the best weights."""
    weights_file: bytes = b""
    """Of the best epoch, as Keras saves it, once `finished`."""
    build_config: dict[str, Any] = field(default_factory=dict)
    held_out: HeldOut | None = None
    """What the best epoch's weights say of the held-out images, if there are any."""
    worker: str = ""
    models_built: int = 0
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    """Bytes."""


Task = Callable[[Work, "Report | bytes | None"], Report]
"""Does a piece of work on a worker, from the report or the packed state before it."""


@dataclass(frozen=True)
class Trainer:
    """What trains on a cluster: Keras (`search.running.worker.KERAS`), or a simulation in tests."""

    task: Task
    """Runs on a worker of a dask cluster. It must do the same work again if a worker dies."""
    plugin: Callable[["Pool", "kt.HyperModel"], "WorkerPlugin"] | None = None
    """What every worker is given before its first task."""
    preload: tuple[str, ...] = ()
    """Modules that the process imports of which local workers are forks."""


def pack_state(arrays: Sequence[np.ndarray]) -> bytes:
    """Return arrays as the bytes of an npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, *arrays)
    return buffer.getvalue()


def unpack_state(content: bytes) -> list[np.ndarray]:
    """Return the arrays of an npz file. Raises ValueError or zipfile.BadZipFile if it is torn."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return [arrays[name] for name in arrays.files]
