"""What a worker is asked to train, and what it reports."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

Row = dict[str, Any]


EPOCHS_TOPIC = "search-epochs"


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
