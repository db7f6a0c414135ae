"""The content of a trial file, above all the record of how the trial was trained.

`trial.json` is KerasTuner's file with one more key, `run`. Stock KerasTuner ignores this key.
"""

import math
import random
import re
from dataclasses import dataclass, field, replace
from dataclasses import fields as fields_of
from typing import Any

from search.records.reading import Invalid, Json, typed

RUNNING, COMPLETED, FAILED = "RUNNING", "COMPLETED", "FAILED"

GIVEN, RANDOM, PRIOR, MODEL = "given", "random", "prior", "model"
"""What drew a configuration: a person, chance, textbook values, or a model of the trials before."""

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
    diagnostics = {key: numbers.pop(key) for key in content if "/" in key}
    if "metrics" in numbers:
        numbers["metrics"] = _numbers(content["metrics"])
    return typed({**numbers, "diagnostics": diagnostics}, EpochRow, at=at)


@dataclass(frozen=True)
class HeldOut:
    """Results of the restored weights on the validation examples that chose no epoch.

    A model that does not tell classes apart has no accuracy, labels and predictions.
    """

    epoch: int
    """The epoch whose weights were restored, counted from 0."""
    accuracy: float = math.nan
    loss: float = math.nan
    """Of a classifier, the mean of −log of the label's probability, without smoothing or penalties.
    Otherwise the model's loss."""
    labels: list[int] = field(default_factory=list)
    """Classes, in the order of the examples."""
    predicted: list[int] = field(default_factory=list)
    value: float | None = None
    """The objective on these examples, None if it is the accuracy."""


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
    executed: int = 0
    """Number of executions that have ended."""
    retries: int = 0
    """How often the trial was begun again, on another seed, because the hypermodel raised."""
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
    fresh: dict[str, float] = field(default_factory=dict)
    """Validation metrics after the last epoch with fresh statistics of batch normalisation
    (`search.training.statistics`). Empty if they were not measured."""
    learned_from: tuple[str, ...] = ()
    """The trials that the draw of the configuration has learned from."""
    cut_short: str = ""
    """Why the trial ended before its last epoch. Empty if it did not, or if its study stops early."""

    def to_file(self) -> Json:
        """Return the run as `trial.json` holds it."""
        content = {f.name: getattr(self, f.name) for f in fields_of(self)}
        content["epochs"] = [row.to_file() for row in self.epochs]
        if self.held_out:
            held_out = {k: v for k, v in vars(self.held_out).items() if v != []}
            absent = {None} if not math.isnan(self.held_out.accuracy) else {None, "accuracy"}
            content["held_out"] = {
                k: v for k, v in held_out.items() if v is not None and k not in absent
            }
        kept = {key: value for key, value in content.items() if value not in (None, "", ())}
        return {k: v for k, v in kept.items() if v or k not in ("executed", "retries", "fresh")}

    def execution(self, number: int) -> tuple[EpochRow, ...]:
        """Return the epochs of one execution, in order."""
        return tuple(row for row in self.epochs if row.execution == number)

    @property
    def executions(self) -> int:
        """Number of executions that have begun."""
        return 1 + max((row.execution for row in self.epochs), default=0)

    def seed_of(self, execution: int) -> int:
        """Return the seed of an execution. The first execution has the trial's own seed."""
        if not execution and not self.retries:
            return self.seed
        return random.Random(f"{self.seed} {execution} {self.retries}").getrandbits(31)


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
    finite = {k: _numbers(content[k]) for k in ("at_start", "held_out", "fresh") if content.get(k)}
    whole = typed({**content, "epochs": [], **finite}, TrialRun, at="run")
    epochs = tuple(epoch_row(row, f"run.epochs[{n}]") for n, row in enumerate(rows))
    return replace(whole, epochs=epochs)


LONGEST_LINE = 160
"""Characters up to which the lines of an error are joined."""


def failure_line(message: str | None) -> str:
    """Return why a trial failed on one line: of a traceback, the error at its end."""
    # Keras colours its messages.
    plain = re.sub(r"\x1b\[[0-9;]*m", "", message or "")
    lines = [line for line in plain.splitlines() if line.strip()] or [""]
    begun = [n for n, line in enumerate(lines) if line.startswith("Traceback (most recent")]
    if begun:
        after = [n for n, line in enumerate(lines) if n > begun[-1] and not line[0].isspace()]
        lines = lines[after[0] :] if after else lines[-1:]
    kind = lines[0].partition(":")[0]
    if "Exception encountered when calling" in lines[0] and len(lines) > 1:
        return f"{kind}: {lines[1].strip()}"
    if lines[0].endswith("Graph execution error:"):
        # TensorFlow says where first. The cause stands above the node's name.
        nodes = [n for n, line in enumerate(lines) if "[[{{node" in line]
        return f"{kind}: {lines[nodes[0] - 1].strip()}" if nodes else lines[0]
    line = lines[0]
    for more in lines[1:]:
        if more.startswith("Arguments received") or len(line) + len(more) >= LONGEST_LINE:
            break
        line = f"{line} {more.strip()}"
    return line


def configuration(values: Values) -> Values:
    """Return the values without KerasTuner's labels. All rungs of a chain share these values."""
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def key_of(values: Values) -> str:
    """Return a text that is equal for equal values, in any order."""
    return repr(sorted(values.items()))


def trained_from_scratch(values: Values, epochs: int, seed: int) -> Values:
    """Return the values of a trial that trains a configuration from its first epoch on a seed."""
    return {**values, "tuner/epochs": epochs, "tuner/initial_epoch": 0, "tuner/seed": seed}
