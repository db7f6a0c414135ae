"""What makes a study the study it is: the same for every run that continues it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from search.records.datasets import DatasetName
from search.records.errors import Misuse
from search.records.folder import Json, Study, study_record

if TYPE_CHECKING:
    from search.studies.ablation import PathOracle
    from search.studies.exercises import ExercisesOracle
    from search.studies.final import FinalOracle
    from search.studies.hyperband import HyperbandOracle
    from search.studies.oracles import RecordedOracle
from search.records.seeds import MOST_SEEDS, other_seeds

EXERCISES = ("activation", "initializer", "optimizer", "regularization")
"""The controlled studies, in the assignment's order."""


Growth = dict[str, Callable[[Any, Any], Any]]
"""By argument, what it becomes when a continued study is given another: more, never less."""


@dataclass(frozen=True)
class Arguments:
    """Of a study of any kind, as `study.json` records them."""

    dataset: DatasetName = "fashion-mnist"

    COMMAND: ClassVar[str]
    GROWS: ClassVar[Growth]

    @property
    def horizon(self) -> int | None:
        """Epochs over which a cosine learning rate falls; None: those of each trial."""
        return None

    def asked_for(self, study: Study) -> str:
        """What --study names, to a command that continues the study."""
        return study.name

    def check(self) -> None:
        """Raises Misuse where no study can be made of these."""

    def oracle(self, study: Study, says: Callable[[str], None]) -> "RecordedOracle":
        """The study's oracle, before its earlier trials are taken up; `says` is told a line."""
        raise NotImplementedError


@dataclass(frozen=True)
class HyperbandArguments(Arguments):
    """Of a Hyperband search."""

    max_epochs: int = 27
    min_epochs: int = 1
    factor: int = 3
    iterations: int = 1
    seed: int = 1
    fix: tuple[str, ...] = ()
    seed_with: str | None = None

    COMMAND: ClassVar[str] = "run"
    GROWS: ClassVar[Growth] = {"iterations": max}

    @property
    def horizon(self) -> int | None:
        return self.max_epochs

    def check(self) -> None:
        if self.factor < 2:
            raise Misuse(f"--factor {self.factor}: must be at least 2")
        if self.max_epochs < self.factor:
            raise Misuse(
                f"--max-epochs {self.max_epochs}: must be at least the factor, {self.factor}, "
                "or there is nothing to promote to"
            )
        if not 1 <= self.min_epochs <= self.max_epochs / self.factor:
            raise Misuse(
                f"--min-epochs {self.min_epochs}: must be from 1 to a factor under --max-epochs, "
                f"{self.max_epochs / self.factor:g}, or there is nothing to promote"
            )
        if self.iterations < 1:
            raise Misuse(f"--iterations {self.iterations}: must be at least 1")

    def oracle(self, study: Study, says: Callable[[str], None]) -> "HyperbandOracle":
        from search.networks import baselines, narrowing
        from search.studies.hyperband import HyperbandOracle

        space = narrowing.narrowed(self.fix)
        first: list[Json] = []
        if self.seed_with:
            first, left_out = baselines.within(space)
            if left_out:
                says(f"baselines outside --fix, left out: {', '.join(left_out)}")
        return HyperbandOracle(
            study,
            space,
            self.max_epochs,
            self.factor,
            self.iterations,
            self.seed,
            first,
            min_epochs=self.min_epochs,
        )


@dataclass(frozen=True)
class ExerciseArguments(Arguments):
    """Of the exercises as controlled studies."""

    seeds: int = 10
    exercises: tuple[str, ...] = EXERCISES

    COMMAND: ClassVar[str] = "exercises"
    GROWS: ClassVar[Growth] = {
        "seeds": max,
        "exercises": lambda before, given: tuple(n for n in EXERCISES if n in {*before, *given}),
    }

    def check(self) -> None:
        at_least_two(self.seeds)

    def oracle(self, study: Study, says: Callable[[str], None]) -> "ExercisesOracle":
        from search.studies.exercises import ExercisesOracle

        return ExercisesOracle(study, self.exercises, tuple(range(1, self.seeds + 1)))


@dataclass(frozen=True)
class FinalArguments(Arguments):
    """Of a final network.

    search, search_seed: name and seed of the study whose best configurations it starts from.
    top, epoch_seconds: how many configurations are compared, and the longest an epoch of theirs may
    have taken; None: any time.
    configurations: those, name to values, as they were when the final study was begun.
    too_slow: those as good that were left out for the time they take, name to seconds an epoch.
    epochs: of the search's longest trials.
    augment: how images are moved about for a third arm, None: there is none.
    """

    search: str = ""
    search_seed: int = 1
    top: int = 4
    epoch_seconds: float | None = None
    configurations: Json = field(default_factory=dict)
    too_slow: Json = field(default_factory=dict)
    epochs: int = 1
    seeds: int = 10
    augment: str | None = None

    COMMAND: ClassVar[str] = "final"
    GROWS: ClassVar[Growth] = {"seeds": max}

    def asked_for(self, study: Study) -> str:
        return self.search

    def check(self) -> None:
        at_least_two(self.seeds)
        if self.top < 1:
            raise Misuse(f"--top {self.top}: must be at least 1")
        if self.epoch_seconds is not None and self.epoch_seconds <= 0:
            raise Misuse(f"--epoch-seconds {self.epoch_seconds:g}: must be above 0")

    def oracle(self, study: Study, says: Callable[[str], None]) -> "FinalOracle":
        from search.studies.final import FinalOracle

        seeds = other_seeds(self.seeds, self.search_seed)
        return FinalOracle(study, self.configurations, self.epochs, seeds, self.augment)


@dataclass(frozen=True)
class PathArguments(Arguments):
    """Of the ablation path to a final network.

    search, search_seed: name and seed of the study that the network came from. target: its values.
    """

    search: str = ""
    search_seed: int = 1
    target: Json = field(default_factory=dict)
    seeds: int = 6

    COMMAND: ClassVar[str] = "exercises path"
    GROWS: ClassVar[Growth] = {"seeds": max}

    def asked_for(self, study: Study) -> str:
        return self.search

    def check(self) -> None:
        at_least_two(self.seeds)

    def oracle(self, study: Study, says: Callable[[str], None]) -> "PathOracle":
        from search.studies.ablation import PathOracle

        return PathOracle(study, self.target, other_seeds(self.seeds, self.search_seed))


def at_least_two(seeds: int) -> None:
    """Raises Misuse where no spread can be told, or where seeds reach those of choosing."""
    if seeds < 2:
        raise Misuse(f"--seeds {seeds}: must be at least 2, or no difference has a spread")
    if seeds > MOST_SEEDS:
        raise Misuse(f"--seeds {seeds}: must be at most {MOST_SEEDS}")


A = TypeVar("A", bound=Arguments)


def settled(study: Study, kind: type[A], given: dict[str, Any]) -> A:
    """The arguments of a study: as given, where new; as recorded, where it is continued.

    given: None where the command line is silent.
    Raises Misuse where a continued study is asked to be another.
    """
    stated = {name: value for name, value in given.items() if value is not None}
    if not study.exists():
        arguments = kind(**stated)
        arguments.check()
        return arguments
    about = study_record(study)
    if about["command"] != kind.COMMAND:
        raise Misuse(
            f"study {study.name} was started by `search {about['command']}`: give another --study"
        )
    recorded: dict[str, Any] = asdict(kind()) | {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in about["arguments"].items()
    }
    for name, value in stated.items():
        grow = kind.GROWS.get(name)
        grown = grow(recorded[name], value) if grow else recorded[name]
        if grown != value and not (grow and isinstance(value, tuple)):
            raise Misuse(
                f"study {study.name} was started with --{name.replace('_', '-')} "
                f"{_as_typed(recorded[name])}, not {_as_typed(value)}: leave the option out to "
                "continue, or give another --study"
            )
        recorded[name] = grown
    arguments = kind(**recorded)
    arguments.check()
    return arguments


def _as_typed(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "nothing"
    return "nothing" if value is None else str(value)
