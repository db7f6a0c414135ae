"""The content of `study.json`: the study's definition, and every run that worked on it."""

import math
from dataclasses import asdict, dataclass, field, replace
from dataclasses import fields as fields_of
from pathlib import Path

from search.records.arguments import KINDS, Arguments, HyperbandArguments, ProgramArguments
from search.records.datasets import DATASETS, Dataset
from search.records.errors import Failure
from search.records.ledger import Witness
from search.records.objective import VAL_ACCURACY, Objective
from search.records.parts import PlannedPart
from search.records.reading import Invalid, Json, typed

FORMAT = 3
"""The version of `study.json` that is written. Versions 1 and 2 are read too. In version 1, the
command `ablation` was called `exercises path`. Before version 3, every search drew at random, and
its learning rates fell over its longest budget."""

FORMER_SEARCHES = {"draws": "random", "rates": "search"}

FORMER_COMMANDS = {"exercises path": "ablation"}


@dataclass(frozen=True)
class SessionRecord:
    """One run of the command that works on a study."""

    started: float
    """Seconds since 1970."""
    workers: int
    commit: str | None
    """Commit of this project's code, with `-dirty` if the code was changed. None outside git."""
    versions: dict[str, str]
    processor: str
    seconds: float = 0.0
    """Wall time."""
    cpu_seconds: float = 0.0
    """CPU time of the driver and its workers."""
    peak_memory: int = 0
    """Bytes: the peak of the driver plus the peaks of its largest workers."""


@dataclass(frozen=True)
class Planned:
    """The size of the whole study, as far as it is known."""

    trials: int
    epochs: int


@dataclass(frozen=True)
class StudyRecord:
    """The content of `study.json`."""

    study: str
    """Name of the study and of its folder."""
    command: str
    """The command that started the study."""
    arguments: Arguments
    data: dict[str, str]
    """SHA-256 of the data files by name. Empty for the arrays of a Python program."""
    sessions: tuple[SessionRecord, ...] = ()
    finished: bool = False
    planned: Planned | None = None
    """None until the first run has planned the study."""
    parts: tuple[PlannedPart, ...] = ()
    """Parts of a controlled study. A trial belongs to the arm whose values it has."""
    patience: int | None = None
    """Epochs without improvement that stop a trial, in a study that stops trials early."""
    watched_from: int | None = None
    """The first epoch, from 0, that may stop a trial or be restored."""
    ledger: Witness | None = None
    """State of the final study's ledger, in a search whose final models were declared."""
    source: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the source of an own hypermodel, by file. Empty for the built-in networks."""
    facts: Dataset | None = None
    """Facts of the data. None for the arrays of a Python program."""
    objective: Objective = VAL_ACCURACY
    reached: str | None = None
    """The trial whose objective reached the target, which ended the study."""
    format: int = FORMAT

    @property
    def search(self) -> str | None:
        """Name of the search that a final study or an ablation belongs to, None for other kinds."""
        return getattr(self.arguments, "search", None)

    @property
    def target(self) -> float | None:
        """Value of the objective that ends a search."""
        searches = HyperbandArguments | ProgramArguments
        return self.arguments.target if isinstance(self.arguments, searches) else None

    def worked_until(self, moment: float) -> float:
        """Return how long the study had worked at a moment, in seconds, without pauses.

        moment: seconds since 1970. The result is NaN before the first run.
        """
        begun = [session for session in self.sessions if session.started <= moment]
        if not begun:
            return math.nan
        return sum(session.seconds for session in begun[:-1]) + moment - begun[-1].started

    def to_file(self) -> Json:
        """Return the record as `study.json` holds it."""
        content = {f.name: getattr(self, f.name) for f in fields_of(self)}
        content["arguments"] = asdict(self.arguments)  # type: ignore[call-overload]
        for name in ("planned", "ledger", "facts", "objective"):
            content[name] = content[name] and asdict(content[name])
        for name in ("sessions", "parts"):
            content[name] = [asdict(item) for item in content[name]]
        return {k: v for k, v in content.items() if v not in (None, [], {}) or k == "data"}


def study_record(content: Json, path: Path) -> StudyRecord:
    """Return the record of a `study.json`.

    path: path of the file, for messages.
    Raises Failure if its format is unknown, or if a field is missing or has the wrong type.
    """
    version = content.get("format")
    if version not in (1, 2, FORMAT):
        raise Failure(
            f"{path}: format {version!r} is unknown to this version, which reads 1 to {FORMAT}: "
            "use the version of keras-study that wrote the file, or a later version"
        )
    command = str(content.get("command"))
    command = FORMER_COMMANDS.get(command, command)
    if command not in KINDS:
        raise Failure(f"{path}: command: {command!r} is not one of {', '.join(KINDS)}")
    given = content.get("arguments")
    if version != FORMAT and isinstance(given, dict):
        if command == HyperbandArguments.COMMAND:
            given = {**FORMER_SEARCHES, **given}
        elif given.get("tuner") == "Hyperband":
            given = {"draws": FORMER_SEARCHES["draws"], **given}
    try:
        arguments = typed(given, KINDS[command], at="arguments")
        whole = {**content, "command": command, "arguments": arguments}
        record = typed(whole, StudyRecord)
    except Invalid as error:
        raise Failure(f"{path}: {error}") from None
    # Records of version 0.2 and before name the data set and leave its facts out.
    known = DATASETS.get(content["arguments"].get("dataset"))
    return record if record.facts or not known else replace(record, facts=known)
