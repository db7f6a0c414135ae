"""What a trial file holds beside KerasTuner's own fields: how the trial was trained.

`trial.json` is KerasTuner's, with one more key, `run`. Stock KerasTuner passes over it.
"""

import math
from dataclasses import dataclass, field, replace
from dataclasses import fields as fields_of
from typing import Any

from search.records.reading import Invalid, Json, typed

RUNNING, COMPLETED, FAILED = "RUNNING", "COMPLETED", "FAILED"

ENDED = (COMPLETED, FAILED)

WEIGHTS = "checkpoint.weights.h5"
"""Weights of the best epoch, under the name that KerasTuner looks for."""

Values = dict[str, Any]
"""Hyperparameter to value."""


@dataclass(frozen=True)
class EpochRow:
    """One epoch of a trial. In the file, the diagnostics stand beside the other fields.

    A number that is not finite is null in the file and NaN here.
    """

    epoch: int
    """Counted from 0 at the start of the chain, not of the rung."""
    loss: float
    """On the training images, penalties included, measured while training."""
    accuracy: float
    """On the training images, measured while training."""
    val_loss: float
    """On the validation images, penalties included."""
    val_accuracy: float
    learning_rate: float
    """At the end of the epoch."""
    seconds: float
    """Training and validation."""
    time: float
    """End of the epoch, in seconds since 1970."""
    diagnostics_seconds: float = 0.0
    diagnostics: dict[str, float] = field(default_factory=dict)
    """By `quantity/layer`, as in `search.training.diagnostics`."""

    def to_file(self) -> Json:
        """Return the row as it stands in `trial.json`."""
        own = {key: getattr(self, key) for key in _ROW_FIELDS}
        return {**own, **self.diagnostics}


_ROW_FIELDS = tuple(f.name for f in fields_of(EpochRow) if f.name != "diagnostics")


def epoch_row(content: Json, at: str = "") -> EpochRow:
    """Return a row of `trial.json`, or what Keras logged, as a record. Raises Invalid."""
    if not isinstance(content, dict):
        raise Invalid(f"{at}: expected object")
    numbers = {key: math.nan if value is None else value for key, value in content.items()}
    diagnostics = {key: numbers.pop(key) for key in content if "/" in key}
    return typed({**numbers, "diagnostics": diagnostics}, EpochRow, at=at)


@dataclass(frozen=True)
class HeldOut:
    """What the restored weights say of the validation images that chose no epoch."""

    epoch: int
    """The epoch whose weights were restored, counted from 0."""
    accuracy: float
    loss: float
    """Mean of −log of the label's probability, without smoothing or penalties."""
    labels: list[int]
    """Classes, in the order of the images."""
    predicted: list[int]


@dataclass(frozen=True)
class TrialRun:
    """How a trial was trained."""

    seed: int
    """Of the initial weights, the order of the images and the dropout masks."""
    split: int
    """Seed of the split into training and validation images."""
    started: float
    """Seconds since 1970."""
    epochs: tuple[EpochRow, ...] = ()
    """The epochs of this rung, in order."""
    attempts: int = 0
    """How often the trial was handed to a worker."""
    at_start: dict[str, float] = field(default_factory=dict)
    """Diagnostics before the first epoch of the chain."""
    ended: float | None = None
    """Seconds since 1970."""
    seconds: float | None = None
    """Sum over the epochs, once the trial has ended."""
    held_out: HeldOut | None = None
    """Present if half of the validation images chose the epoch and the other half judged it."""

    def to_file(self) -> Json:
        """Return the run as it stands in `trial.json`."""
        content = {f.name: getattr(self, f.name) for f in fields_of(self)}
        content["epochs"] = [row.to_file() for row in self.epochs]
        if self.held_out:
            content["held_out"] = vars(self.held_out)
        return {key: value for key, value in content.items() if value is not None}


@dataclass(frozen=True)
class TrialFile:
    """The content of a `trial.json`, as KerasTuner has it, and `run`."""

    trial_id: str
    hyperparameters: Json
    """KerasTuner's: `space`, a list of declarations, and `values`."""
    metrics: Json
    """KerasTuner's observations by metric."""
    status: str
    score: float | None = None
    best_step: int | None = None
    """The epoch of the best score, counted from 0."""
    message: str | None = None
    run: TrialRun | None = None
    """None if another program wrote the file, or no worker has had the trial yet."""

    @property
    def values(self) -> Values:
        """Hyperparameter to value, KerasTuner's labels included."""
        values: Values = self.hyperparameters.get("values") or {}
        return values


def trial_file(content: Json) -> TrialFile:
    """Return the content of a `trial.json`. Raises Invalid if a field is missing or mistyped."""
    run = content.get("run")
    whole = typed({**content, "run": None}, TrialFile)
    return replace(whole, run=trial_run(run) if run else None)


def trial_run(content: object) -> TrialRun:
    """Return the `run` of a trial file. Raises Invalid if a field is missing or mistyped."""
    if not isinstance(content, dict):
        raise Invalid("run: expected object")
    rows = content.get("epochs", [])
    if not isinstance(rows, list):
        raise Invalid("run.epochs: expected array")
    start = {k: math.nan if v is None else v for k, v in content.get("at_start", {}).items()}
    whole = typed({**content, "epochs": [], "at_start": start}, TrialRun, at="run")
    epochs = tuple(epoch_row(row, f"run.epochs[{n}]") for n, row in enumerate(rows))
    return replace(whole, epochs=epochs)


def configuration(values: Values) -> Values:
    """Return the values that all rungs of a chain share: those without KerasTuner's labels."""
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def key_of(values: Values) -> str:
    """Return a text that is the same for the same values in any order."""
    return repr(sorted(values.items()))


def trained_from_scratch(values: Values, epochs: int, seed: int) -> Values:
    """Return the values of the trial that trains a configuration for so many epochs on a seed."""
    return {**values, "tuner/epochs": epochs, "tuner/initial_epoch": 0, "tuner/seed": seed}
