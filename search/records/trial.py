"""The content of a trial file, above all the record of how the trial was trained.

`trial.json` is KerasTuner's file with one more key, `run`. Stock KerasTuner ignores this key.
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
"""Values by name of the hyperparameter."""


@dataclass(frozen=True)
class EpochRow:
    """One epoch of a trial.

    In the file, the diagnostics stand beside the other fields. A number that is not finite is null
    in the file and NaN here. A quantity that the model does not report is NaN here and absent there.
    """

    epoch: int
    """Counted from 0 at the start of the chain, not of the rung."""
    seconds: float
    """Duration of training and validation."""
    time: float
    """End of the epoch, in seconds since 1970."""
    loss: float = math.nan
    """Loss on the training data, penalties included, measured while training."""
    accuracy: float = math.nan
    """Accuracy on the training data, measured while training."""
    val_loss: float = math.nan
    """Loss on the validation data, penalties included."""
    val_accuracy: float = math.nan
    learning_rate: float = math.nan
    """Learning rate at the end of the epoch."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Everything else that Keras or a callback logged, by name."""
    execution: int = 0
    """Number of the execution, if a trial trains its configuration on several seeds."""
    diagnostics_seconds: float | None = None
    """None for an epoch in which the trial diverged, and for a model that is not measured."""
    diagnostics: dict[str, float] = field(default_factory=dict)
    """Values by `quantity/layer`: see `search.training.diagnostics`."""

    @property
    def logs(self) -> dict[str, float]:
        """All quantities of the epoch that can be an objective, by name."""
        own = {name: getattr(self, name) for name in LOGGED}
        return {name: v for name, v in own.items() if not math.isnan(v)} | self.metrics

    def to_file(self) -> Json:
        """Return the row as `trial.json` holds it."""
        own = {key: getattr(self, key) for key in _ROW_FIELDS}
        absent = [key for key in OPTIONAL if math.isnan(own[key])]
        absent += [key for key in ("metrics", "execution") if not own[key]]
        kept = {k: v for k, v in own.items() if v is not None and k not in absent}
        return kept | self.diagnostics


LOGGED = ("loss", "accuracy", "val_loss", "val_accuracy")
"""The quantities that have a field of their own in an `EpochRow`."""

OPTIONAL = ("accuracy", "val_loss", "val_accuracy", "learning_rate")

_ROW_FIELDS = tuple(f.name for f in fields_of(EpochRow) if f.name != "diagnostics")


def epoch_row(content: Json, at: str = "") -> EpochRow:
    """Return the record of a row of `trial.json`.

    at: where in the file the row stands, for messages.
    Raises Invalid if a field is missing or has the wrong type.
    """
    if not isinstance(content, dict):
        raise Invalid(f"{at}: expected object")
    numbers = _numbers(content)
    numbers["metrics"] = _numbers(numbers.get("metrics", {}))
    diagnostics = {key: numbers.pop(key) for key in content if "/" in key}
    return typed({**numbers, "diagnostics": diagnostics}, EpochRow, at=at)


@dataclass(frozen=True)
class HeldOut:
    """Results of the restored weights on the validation images that chose no epoch."""

    epoch: int
    """The epoch whose weights were restored, counted from 0."""
    accuracy: float
    loss: float
    """Mean of −log of the label's probability, without smoothing or penalties."""
    labels: list[int]
    """Classes, in the order of the images."""
    predicted: list[int]
    value: float | None = None
    """The study's objective on these images, None if it is the accuracy."""


@dataclass(frozen=True)
class TrialRun:
    """How a trial was trained."""

    seed: int
    """Seed of the initial weights, the order of the images and the dropout masks."""
    split: int
    """Seed of the split into training and validation images."""
    started: float
    """Seconds since 1970."""
    epochs: tuple[EpochRow, ...] = ()
    """The epochs of this rung, in order, one execution after another."""
    attempts: int = 0
    """How often the trial was sent to a worker."""
    at_start: dict[str, float] = field(default_factory=dict)
    """Diagnostics before the first epoch of the chain."""
    ended: float | None = None
    """Seconds since 1970."""
    seconds: float | None = None
    """Sum over the epochs, once the trial has ended."""
    keras_fit: str = ""
    """Why Keras' own `fit` trained the trial. Empty if the compiled loop did."""
    held_out: HeldOut | None = None
    """Present if half of the validation images chose the epoch and the other half judged it."""

    def to_file(self) -> Json:
        """Return the run as `trial.json` holds it."""
        content = {f.name: getattr(self, f.name) for f in fields_of(self)}
        content["epochs"] = [row.to_file() for row in self.epochs]
        if self.held_out:
            held_out = vars(self.held_out).items()
            content["held_out"] = {key: value for key, value in held_out if value is not None}
        return {key: value for key, value in content.items() if value not in (None, "")}

    def execution(self, number: int) -> tuple[EpochRow, ...]:
        """Return the epochs of one execution, in order."""
        return tuple(row for row in self.epochs if row.execution == number)

    @property
    def executions(self) -> int:
        """Number of executions that have begun."""
        return 1 + max((row.execution for row in self.epochs), default=0)


def _numbers(content: Any) -> Any:
    """Return an object with NaN for null, and anything else as it is."""
    if not isinstance(content, dict):
        return content
    return {key: math.nan if value is None else value for key, value in content.items()}


@dataclass(frozen=True)
class TrialFile:
    """The content of a `trial.json`: KerasTuner's fields, and `run`."""

    trial_id: str
    hyperparameters: Json
    """KerasTuner's `space`, a list of declarations, and `values`."""
    metrics: Json
    """KerasTuner's observations by metric."""
    status: str
    score: float | None = None
    best_step: int | None = None
    """The epoch of the best score, counted from 0."""
    message: str | None = None
    run: TrialRun | None = None
    """None if another program wrote the file, or if no worker has received the trial yet."""

    @property
    def values(self) -> Values:
        """Values by name of the hyperparameter, KerasTuner's labels included."""
        values: Values = self.hyperparameters.get("values") or {}
        return values


def trial_file(content: Json) -> TrialFile:
    """Return the record of a `trial.json`.

    Raises Invalid if a field is missing or has the wrong type.
    """
    run = content.get("run")
    whole = typed({**content, "run": None}, TrialFile)
    return replace(whole, run=trial_run(run) if run else None)


def trial_run(content: object) -> TrialRun:
    """Return the record of the `run` of a trial file.

    Raises Invalid if a field is missing or has the wrong type.
    """
    if not isinstance(content, dict):
        raise Invalid("run: expected object")
    rows = content.get("epochs", [])
    if not isinstance(rows, list):
        raise Invalid("run.epochs: expected array")
    # Numbers that are not finite are null in the file.
    finite = {k: _numbers(content[k]) for k in ("at_start", "held_out") if content.get(k)}
    whole = typed({**content, "epochs": [], **finite}, TrialRun, at="run")
    epochs = tuple(epoch_row(row, f"run.epochs[{n}]") for n, row in enumerate(rows))
    return replace(whole, epochs=epochs)


def configuration(values: Values) -> Values:
    """Return the values without KerasTuner's labels. All rungs of a chain share these values."""
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def key_of(values: Values) -> str:
    """Return a text that is equal for equal values, in any order."""
    return repr(sorted(values.items()))


def trained_from_scratch(values: Values, epochs: int, seed: int) -> Values:
    """Return the values of a trial that trains a configuration from its first epoch on a seed."""
    return {**values, "tuner/epochs": epochs, "tuner/initial_epoch": 0, "tuner/seed": seed}
