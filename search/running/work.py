"""The work that a worker receives, and the report that it returns."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from search.records.objective import VAL_ACCURACY, Objective
from search.records.trial import EpochRow, HeldOut

if TYPE_CHECKING:
    from distributed import WorkerPlugin

    from search.running.subject import Packed

EPOCHS_TOPIC = "search-epochs"


@dataclass(frozen=True)
class Work:
    """A stretch of one trial, from `initial_epoch` to `epochs`, or until `seconds` have passed."""

    study: str
    trial_id: str
    hyperparameters: dict[str, Any]
    """KerasTuner's config of the space and its values."""
    seed: int
    """Seed of the weights, the order of the examples and the dropout masks."""
    split: int
    """Seed of the split into training and validation examples."""
    initial_epoch: int
    counted_from: int
    """The first epoch that may be the best: the first epoch of the trial's own rung, or the first
    epoch that early stopping watches. A chain that is trained again has earlier epochs too."""
    epochs: int
    seconds: float
    goal: Objective = VAL_ACCURACY
    execution: int = 0
    """Number of the execution of the trial."""
    target: float | None = None
    """Value of the objective that ends the trial."""
    patience: int | None = None
    """Epochs without improvement of the objective that end the trial. Half of the validation
    examples then choose the epoch, and the other half judge its weights. None: the trial trains all
    its epochs, and all validation examples validate it."""
    best: tuple[float, int] | None = None
    """The trial's best value of the objective so far and its epoch. The state before this stretch
    holds the weights of this epoch. None if the trial begins, even if it was promoted."""
    skips_idle: bool = False
    """Whether the trial ends before its first epoch if no weight matrix has a gradient."""
    refreshes: bool = False
    """Whether the trained model is validated with fresh statistics of batch normalisation as well."""
    draws: bool = True
    """KerasTuner's `tune_new_entries`: whether hyperparameters that the build declares for the first
    time are drawn. Otherwise they have their defaults."""
    admits: bool = True
    """KerasTuner's `allow_new_entries`: whether there may be such hyperparameters."""
    subject: str = ""
    """Name of the worker plugin that holds the hypermodel and the data."""


@dataclass
class Report:
    """The result of a piece of work."""

    rows: list[EpochRow] = field(default_factory=list)
    at_start: dict[str, float] = field(default_factory=dict)
    """Diagnostics before the first epoch of the chain."""
    finished: bool = False
    failure: str = ""
    """Why the trial failed, on one line."""
    traceback: str = ""
    """Present if the hypermodel raised an exception, which may be tried again."""
    fatal: bool = False
    """The failure concerns every trial, so the study ends."""
    lost: bool = False
    """The worker no longer has the trial, which continues from its last checkpoint."""
    state: bytes = b""
    """`State` after the last epoch. Empty if the trial cannot be continued in another process."""
    weights_file: bytes = b""
    """Weights of the best epoch as Keras saves them, if `finished`."""
    build_config: dict[str, Any] = field(default_factory=dict)
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    """KerasTuner's config of the space and its values after the build, if `finished`."""
    keras_fit: str = ""
    """Why Keras' own `fit` trained the model. Empty if the compiled loop did."""
    cut_short: str = ""
    """Why the trial ended before its last epoch, if it could not learn."""
    held_out: HeldOut | None = None
    """Results of the best epoch's weights on the held-out examples, if examples were held out."""
    fresh: dict[str, float] = field(default_factory=dict)
    """Validation metrics with fresh statistics of batch normalisation, if they were asked for."""
    worker: str = ""
    memory: int = 0
    """Bytes of memory that the worker process uses now."""
    grown: bool = False
    """The process holds so much memory of earlier models that it should be replaced."""
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
    plugin: Callable[[str, "Packed", tuple[str, ...] | None], "WorkerPlugin"] | None = None
    """Makes the plugin that every worker receives before its first task, from its name, the packed
    pair of hypermodel and source, and `Execution.devices`."""
    preload: tuple[str, ...] = ()
    """Modules that the parent process of local workers imports before it forks them."""


@dataclass(frozen=True)
class State:
    """What a trial needs to continue in another process."""

    trained: Sequence[np.ndarray]
    """All weights, then all optimizer variables, in Keras' order."""
    best: Sequence[np.ndarray] = ()
    """Weights of the best epoch so far. Empty if there is none."""
    callbacks: bytes = b""
    """State of the user's callbacks. Empty if there are none."""

    def packed(self) -> bytes:
        """Return the state as the bytes of an npz file."""
        arrays: dict[str, np.ndarray] = {}
        types: dict[str, str] = {}
        for group in ("trained", "best"):
            for n, array in enumerate(getattr(self, group)):
                name = f"{group}_{n}"
                arrays[name] = array
                # NumPy's files do not know the types of ml_dtypes, such as bfloat16.
                if array.dtype.isbuiltin != 1:
                    types[name] = array.dtype.name
                    arrays[name] = array.view(f"u{array.dtype.itemsize}")
        arrays["types"] = np.frombuffer(json.dumps(types).encode(), np.uint8)
        arrays["callbacks"] = np.frombuffer(self.callbacks, np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def unpacked(cls, content: bytes) -> "State":
        """Return the state in the bytes of an npz file.

        Raises ValueError or zipfile.BadZipFile if it is torn.
        """
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            if "types" not in file.files:
                raise ValueError("it was written by another version")
            types = json.loads(file["types"].tobytes())
            groups: dict[str, list[np.ndarray]] = {"trained": [], "best": []}
            for name in file.files:
                group = name.partition("_")[0]
                if group in groups:
                    array = file[name]
                    groups[group].append(array.view(types[name]) if name in types else array)
            return cls(groups["trained"], groups["best"], file["callbacks"].tobytes())
