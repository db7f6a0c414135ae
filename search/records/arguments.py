"""The arguments that define a study. Every run that continues the study uses the same arguments.

Each field that the command line offers has a docstring, which is the option's help text.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, TypeVar, get_args

from search.records.datasets import DatasetName
from search.records.errors import Misuse
from search.records.objective import Objective
from search.records.seeds import check_seeds
from search.records.trial import Values

Exercise = Literal["activation", "initializer", "optimizer", "regularization"]

EXERCISES: tuple[Exercise, ...] = get_args(Exercise)
"""The controlled studies, in the assignment's order."""

Augment = Literal["flip", "flip_shift"]

Draws = Literal["learned", "random"]

Rates = Literal["rung", "search"]
"""The epochs over which learning rates fall: those of each rung, or the longest of the search, as in
version 0.3 and before."""

Growth = dict[str, Callable[[Any, Any], Any]]
"""By argument: how its recorded value and a new value combine when a study is continued."""


def replaced(recorded: Any, given: Any) -> Any:
    """Return the new value: the argument may be changed when a study is continued."""
    return given


def _most(recorded: int | None, given: int | None) -> int | None:
    """Return the larger of two numbers, None if the tuner has no such argument."""
    return None if recorded is None or given is None else max(recorded, given)


class Arguments:
    """Arguments of a study of any kind, as `study.json` records them.

    Every kind is a frozen dataclass. Its defaults are the defaults of the command line.
    """

    COMMAND: ClassVar[str]
    """The command that starts and continues such a study."""
    OPTIONS: ClassVar[tuple[str, ...]]
    """The fields that the command line offers."""
    GROWS: ClassVar[Growth]
    """The arguments that may grow when a study is continued."""

    def check(self) -> None:
        """Raise Misuse if no study can be made with these arguments."""

    def started_as(self, name: str) -> str:
        """Return the value of --study that continues the study of this name."""
        return name


SUBJECT = ("dataset", "data", "hypermodel", "objective")
"""The options that say what is studied."""


@dataclass(frozen=True, kw_only=True)
class Subject(Arguments):
    """What a study from the command line trains, and on what."""

    dataset: DatasetName = "fashion-mnist"
    """Data set. The digits need no files."""
    data: str | None = None
    """Your own data: an .npz file, a folder of four IDX files as MNIST has them, or a folder of
    pictures with a folder for each class. Replaces --dataset."""
    hypermodel: str | None = None
    """Your own hypermodel, as FILE.py:NAME or MODULE:NAME: a keras_tuner.HyperModel or a function
    that builds a model. [default: dense networks]"""
    objective: str = "val_accuracy"
    """What to optimise, such as val_loss, or val_f1:max if the direction cannot be told from the
    name."""


@dataclass(frozen=True)
class HyperbandArguments(Subject):
    """Arguments of a Hyperband search."""

    max_epochs: int = 27
    """Number of epochs that the best configurations are trained for."""
    min_epochs: int = 1
    """Minimum epochs before a configuration can be eliminated."""
    factor: int = 3
    """Promote one in this many trials of each rung, and train it this many times as long."""
    iterations: int = 1
    """Number of full Hyperband passes. May be raised later."""
    seed: int = 1
    """Seed of the split, the configurations, the initial weights and the order of the images."""
    fix: tuple[str, ...] = ()
    """Narrow the space: NAME=VALUE, NAME=VALUE,VALUE or NAME=LOW:HIGH. May be repeated for other
    names."""
    seed_with: Literal["baselines"] | None = None
    """Try the assignment's own networks first."""
    executions: int = 1
    """Train each configuration this many times, on different seeds, and average the objective."""
    target: float | None = None
    """End the study if a trial's objective reaches this value. May be changed later."""
    draws: Draws = "learned"
    """Draw configurations at random, or two in three near textbook values and by a model of the
    trials so far."""
    rates: Rates = "rung"

    COMMAND: ClassVar[str] = "run"
    OPTIONS: ClassVar[tuple[str, ...]] = (
        *SUBJECT,
        "max_epochs",
        "min_epochs",
        "factor",
        "iterations",
        "seed",
        "fix",
        "seed_with",
        "executions",
        "target",
        "draws",
    )
    GROWS: ClassVar[Growth] = {"iterations": max, "data": replaced, "target": replaced}

    def check(self) -> None:
        """Raise Misuse if Hyperband has no schedule for these numbers."""
        if self.factor < 2:
            raise Misuse(f"--factor {self.factor}: must be at least 2")
        if self.max_epochs < self.factor:
            raise Misuse(
                f"--max-epochs {self.max_epochs}: must be at least the factor, {self.factor}, "
                "or there is nothing to promote"
            )
        if not 1 <= self.min_epochs <= self.max_epochs / self.factor:
            raise Misuse(
                f"--min-epochs {self.min_epochs}: must be from 1 to --max-epochs / --factor, "
                f"{self.max_epochs / self.factor:g}, or there is nothing to promote"
            )
        if self.iterations < 1:
            raise Misuse(f"--iterations {self.iterations}: must be at least 1")
        if self.executions < 1:
            raise Misuse(f"--executions {self.executions}: must be at least 1")
        if self.target is not None and not math.isfinite(self.target):
            raise Misuse(f"--target {self.target}: must be a number")
        name = self.objective.partition(":")[0]
        if self.target is not None and self.target > 1 and Objective(name).is_accuracy:
            raise Misuse(
                f"--target {self.target:g}: {name} is at most 1; did you mean "
                f"{self.target / 100:g}?"
            )


@dataclass(frozen=True)
class ProgramArguments(Arguments):
    """Arguments of a search that a Python program runs (`search.Hyperband`, `search.RandomSearch`).

    hypermodel: name of the hypermodel's class or function.
    max_epochs, factor, iterations, draws: of Hyperband only.
    max_trials: of random search only.
    """

    tuner: Literal["Hyperband", "RandomSearch"]
    hypermodel: str
    seed: int
    max_epochs: int | None = None
    factor: int | None = None
    iterations: int | None = None
    max_trials: int | None = None
    executions: int = 1
    target: float | None = None
    draws: Draws | None = None

    COMMAND: ClassVar[str] = "program"
    OPTIONS: ClassVar[tuple[str, ...]] = ()
    GROWS: ClassVar[Growth] = {
        "hypermodel": replaced,
        "iterations": _most,
        "max_trials": _most,
        "target": replaced,
    }


@dataclass(frozen=True)
class ExerciseArguments(Subject):
    """Arguments of the exercises as controlled studies."""

    seeds: int = 10
    """Number of seeds that every arm is trained on. May be raised later."""
    exercises: tuple[Exercise, ...] = EXERCISES
    """The exercises of the study. Exercises may be added later."""
    COMMAND: ClassVar[str] = "exercises"
    OPTIONS: ClassVar[tuple[str, ...]] = ("dataset", "data", "seeds")
    GROWS: ClassVar[Growth] = {
        "data": replaced,
        "seeds": max,
        "exercises": lambda before, given: tuple(n for n in EXERCISES if n in {*before, *given}),
    }

    def check(self) -> None:
        """Raise Misuse if there is no exercise, or if there are too few or too many seeds."""
        if not self.exercises:
            raise Misuse(f"no exercise is named: choose from {', '.join(EXERCISES)}")
        check_seeds(self.seeds)


@dataclass(frozen=True)
class FinalArguments(Subject):
    """Arguments of the study of a search's final network.

    search_seed: seed of the search.
    configurations: the compared configurations by name, as they were when the study was started.
    epochs: epochs of the search's longest trials.
    too_slow: by name of each configuration that is left out as too slow, its seconds per epoch.
    """

    search: str
    search_seed: int
    configurations: dict[str, Values]
    epochs: int
    too_slow: dict[str, float] = field(default_factory=dict)
    top: int = 4
    """Number of the search's best configurations to compare."""
    seeds: int = 10
    """Number of seeds that the chosen network and the baseline are trained on."""
    epoch_seconds: float | None = None
    """Leave out configurations whose epochs took longer than this in the search."""
    augment: Augment | None = None
    """Also train the chosen network on mirrored images, or on images mirrored and shifted by up to
    one pixel, for three times the epochs. Its results are reported separately."""

    COMMAND: ClassVar[str] = "final"
    OPTIONS: ClassVar[tuple[str, ...]] = ("top", "epoch_seconds", "seeds", "augment", "data")
    GROWS: ClassVar[Growth] = {"seeds": max, "data": replaced}

    def check(self) -> None:
        """Raise Misuse if a number is too small, or if there are too many seeds."""
        check_seeds(self.seeds)
        if self.top < 1:
            raise Misuse(f"--top {self.top}: must be at least 1")
        if self.epoch_seconds is not None and not self.epoch_seconds > 0:
            raise Misuse(f"--epoch-seconds {self.epoch_seconds:g}: must be above 0")

    def started_as(self, name: str) -> str:
        """Return the name of the search, which the command asks for."""
        return self.search


@dataclass(frozen=True)
class AblationArguments(Subject):
    """Arguments of the ablation path to a search's final network.

    search_seed: seed of the search.
    target: the final network's configuration.
    """

    search: str
    search_seed: int
    target: Values
    seeds: int = 6
    """Number of seeds for every step and every reverted choice. May be raised later."""
    epochs: int = 10
    """Number of epochs of every training run. [default: those of the final network]"""

    COMMAND: ClassVar[str] = "ablation"
    OPTIONS: ClassVar[tuple[str, ...]] = ("seeds", "epochs", "data")
    GROWS: ClassVar[Growth] = {"seeds": max, "data": replaced}

    def check(self) -> None:
        """Raise Misuse if a number is too small or too large."""
        check_seeds(self.seeds)
        if self.epochs < 1:
            raise Misuse(f"--epochs {self.epochs}: must be at least 1")

    def started_as(self, name: str) -> str:
        """Return the name of the search, which the command asks for."""
        return self.search


def _varied(before: tuple[str, ...], given: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is varied in either, values of the same name together."""
    values: dict[str, list[str]] = {}
    for one in (*before, *given):
        name, _, words = one.partition("=")
        own = values.setdefault(name, [])
        own += [word for word in words.split(",") if word not in own]
    return tuple(f"{name}={','.join(words)}" for name, words in values.items())


@dataclass(frozen=True)
class CompareArguments(Subject):
    """Arguments of a comparison of a hypermodel's own hyperparameters."""

    vary: tuple[str, ...] = ()
    """Compare the values of a hyperparameter: NAME=VALUE,VALUE. May be repeated for other names.
    Names and values may be added later."""
    at: tuple[str, ...] = ()
    """Fix a hyperparameter that is not compared: NAME=VALUE. Others have their defaults."""
    factorial: bool = False
    """Cross the values of all --vary, instead of varying one hyperparameter at a time."""
    seeds: int = 10
    """Number of seeds that every configuration is trained on. May be raised later."""
    epochs: int = 10
    """Number of epochs of every training run."""

    COMMAND: ClassVar[str] = "compare"
    OPTIONS: ClassVar[tuple[str, ...]] = (
        *SUBJECT,
        "vary",
        "at",
        "factorial",
        "seeds",
        "epochs",
    )
    GROWS: ClassVar[Growth] = {"vary": _varied, "seeds": max, "data": replaced}

    def check(self) -> None:
        """Raise Misuse if nothing is compared, or if a number is too small or too large."""
        if not self.vary:
            raise Misuse("nothing is compared: give --vary NAME=VALUE,VALUE")
        for option, given in (("vary", self.vary), ("at", self.at)):
            for one in given:
                name, _, words = one.partition("=")
                if not name or not all(words.split(",")):
                    shape = "NAME=VALUE,VALUE" if option == "vary" else "NAME=VALUE"
                    raise Misuse(f"--{option} {one}: write {shape}")
        check_seeds(self.seeds)
        if self.epochs < 1:
            raise Misuse(f"--epochs {self.epochs}: must be at least 1")


A = TypeVar("A", bound=Arguments)

KINDS: dict[str, type[Arguments]] = {
    kind.COMMAND: kind
    for kind in (
        HyperbandArguments,
        ProgramArguments,
        CompareArguments,
        ExerciseArguments,
        FinalArguments,
        AblationArguments,
    )
}
"""By command: the kind of arguments of the studies that it starts."""


ON_COMMAND_LINE = (
    "--{name} {value}",
    "leave the option out to continue, or choose another --study name",
)
IN_PROGRAMS = ("{name}={value}", "choose another project_name, or give overwrite=True")
"""How a message spells an argument, and what a person can do."""


def continued(
    name: str, recorded: A, given: dict[str, Any], spelling: tuple[str, str] = ON_COMMAND_LINE
) -> A:
    """Return a study's recorded arguments, extended by the given arguments.

    Raises Misuse if a given argument would make it a different study.
    """
    values = {key: getattr(recorded, key) for key in asdict(recorded)}  # type: ignore[call-overload]
    for key, value in given.items():
        grow = recorded.GROWS.get(key)
        grown = grow(values[key], value) if grow else values[key]
        if grown != value and not (grow and isinstance(value, tuple)):
            argument, advice = spelling
            typed = key.replace("_", "-") if "--" in argument else key
            raise Misuse(
                f"study {name} was started with "
                f"{argument.format(name=typed, value=_typed(values[key]))}, not {_typed(value)}: "
                f"{advice}"
            )
        values[key] = grown
    arguments = type(recorded)(**values)
    arguments.check()
    return arguments


def _typed(value: Any) -> str:
    """Return a value as a person types it."""
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "nothing"
    return "nothing" if value is None else str(value)
