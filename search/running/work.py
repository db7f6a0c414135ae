"""The work that a worker receives, and the report that it returns."""

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
    """KerasTuner's config of the space and its values."""
    seed: int
    """Seed of the weights, the order of the images and the dropout masks."""
    split: int
    """Seed of the split into training and validation images."""
    initial_epoch: int
    counted_from: int
    """The first epoch that may be the best: the first epoch of the trial's own rung, or the first
    epoch that early stopping watches. A chain that is trained again has earlier epochs too."""
    epochs: int
    seconds: float
    patience: int | None = None
    """Epochs without improvement of val_accuracy that end the trial. Half of the validation images
    then choose the epoch, and the other half judge its weights. None: the trial trains all its
    epochs, and all validation images validate it."""
    best: tuple[float, int] | None = None
    """The trial's best val_accuracy so far and its epoch. The state before this stretch holds the
    weights of this epoch. None if the trial begins, even if it was promoted."""


@dataclass
class Report:
    """The result of a piece of work."""

    rows: list[EpochRow] = field(default_factory=list)
    at_start: dict[str, float] = field(default_factory=dict)
    """Diagnostics before the first epoch of the chain."""
    finished: bool = False
    failure: str = ""
    state: bytes = b""
    """`pack_state` of weights and optimizer after the last epoch, then the best weights."""
    weights_file: bytes = b""
    """Weights of the best epoch as Keras saves them, if `finished`."""
    build_config: dict[str, Any] = field(default_factory=dict)
    held_out: HeldOut | None = None
    """Results of the best epoch's weights on the held-out images, if images were held out."""
    worker: str = ""
    models_built: int = 0
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    """Bytes."""


Task = Callable[[Work, "Report | bytes | None"], Report]
"""Does a piece of work on a worker, starting from the previous report or from a packed state."""


@dataclass(frozen=True)
class Trainer:
    """The code that trains: Keras (`search.running.worker.KERAS`), or a simulation in tests."""

    task: Task
    """Runs on a worker of a dask cluster. If a worker dies, another worker repeats the task, and
    the result must be the same."""
    plugin: Callable[["Pool", "kt.HyperModel"], "WorkerPlugin"] | None = None
    """Makes the plugin that every worker receives before its first task."""
    preload: tuple[str, ...] = ()
    """Modules that the parent process of local workers imports before it forks them."""


def pack_state(arrays: Sequence[np.ndarray]) -> bytes:
    """Return arrays as the bytes of an npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, *arrays)
    return buffer.getvalue()


def unpack_state(content: bytes) -> list[np.ndarray]:
    """Return the arrays of an npz file. Raises ValueError or zipfile.BadZipFile if it is torn."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return [arrays[name] for name in arrays.files]
