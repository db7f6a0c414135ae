"""The ledger records what was done with a test set. Lines are only ever added to it.

Each line of `ledger.jsonl` is an entry that holds the SHA-256 of the previous line, so an edited,
removed or inserted line breaks the chain. The search's own `study.json` holds the hash of the last
line, so a cut or replaced ledger is noticed too. If a person rewrites both files, only version
control shows it.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from search.records.reading import Invalid, Json, typed

LEDGER = "ledger.jsonl"

DECLARED, OPENED, EVALUATED = "declared", "opened", "evaluated"


@dataclass(frozen=True)
class Witness:
    """The state of a final study's ledger, as the `study.json` of its search records it."""

    entries: int = 0
    """Number of lines."""
    head: str = ""
    """SHA-256 of the last line."""


@dataclass(frozen=True)
class DeclaredModel:
    """A model that will be evaluated on the test images."""

    arm: str
    seed: int
    trial: str
    file: str
    """Name of its file in the final study's `models/`."""
    sha256: str
    """SHA-256 of the file."""
    held_out: float
    """Accuracy on the validation examples that chose no epoch, measured before the opening. If the
    labels are no classes, the objective instead."""


@dataclass(frozen=True)
class EarlierOpening:
    """Another study in the same folder that was evaluated on the same test images."""

    study: str
    time: str
    """UTC, in ISO 8601."""


@dataclass(frozen=True)
class Entry:
    """One line of the ledger. The fields after `previous` depend on `what`."""

    what: str
    """What was done: `declared` (models), `opened` (test images) or `evaluated` (models)."""
    time: str
    """UTC, in ISO 8601."""
    opening: int
    """Number of the opening, counted from 1."""
    previous: str
    """SHA-256 of the previous line. Empty in the first line."""
    models: tuple[DeclaredModel, ...] = ()
    """If `declared`: the models that the opening will evaluate."""
    reason: str | None = None
    """If `declared`: why the test set is opened again."""
    elsewhere: tuple[EarlierOpening, ...] = ()
    """If `declared`: the other studies that were already evaluated on these images."""
    data: dict[str, str] = field(default_factory=dict)
    """If `opened`: SHA-256 of the test files by name."""
    file: str = ""
    """If `evaluated`: name of the file of results."""
    sha256: str = ""
    """If `evaluated`: SHA-256 of the file of results."""
    accuracy: dict[str, float] = field(default_factory=dict)
    """If `evaluated`: `EvaluatedModel.score` by model file."""


@dataclass(frozen=True)
class EvaluatedModel(DeclaredModel):
    """A declared model with its results on the test examples."""

    accuracy: float | None
    """None if the labels are no classes."""
    loss: float
    """Mean of −log of the label's probability, without smoothing or penalties. If the labels are no
    classes, the model's own loss."""
    predicted: list[int]
    """Classes, in the order of the test examples. Empty if the labels are no classes."""
    value: float | None = None
    """The objective, if the labels are no classes."""

    @property
    def score(self) -> float:
        """The accuracy, or the objective if the labels are no classes."""
        found = self.value if self.accuracy is None else self.accuracy
        return math.nan if found is None else found


@dataclass(frozen=True)
class Results:
    """The content of `test-N.json`: the results of all models of an opening."""

    opening: int
    """Number of the opening, counted from 1."""
    labels: list[int]
    """Classes, in the order of the test examples. Empty if the labels are no classes."""
    models: tuple[EvaluatedModel, ...]


@dataclass(frozen=True)
class Verified:
    """The entries of a ledger in order, and its faults."""

    entries: tuple[Entry, ...]
    faults: tuple[str, ...]
    """One line for each change that was made after the ledger was written."""


def hash_of(line: str) -> str:
    """Return the SHA-256 of a line, which the next line holds."""
    return hashlib.sha256(line.encode()).hexdigest()


def verify(lines: Sequence[str], witness: Witness | None) -> Verified:
    """Read the lines of a ledger and check its chain.

    witness: what the search records of the ledger. None if there is no record of the search.

    A crash may leave the ledger one entry ahead of its witness. This is not a fault.
    """
    entries: list[Entry] = []
    faults: list[str] = []
    hashes = [""]
    for number, line in enumerate(lines, 1):
        try:
            content: Json = json.loads(line)
            entry = typed(content, Entry)
        except Invalid as error:
            faults.append(f"line {number} is not an entry: {error}")
        except ValueError:
            faults.append(f"line {number} is not JSON")
        else:
            if entry.previous != hashes[-1]:
                faults.append(
                    f"line {number} does not follow from the previous line, or the previous line "
                    "was changed"
                )
            entries.append(entry)
        hashes.append(hash_of(line))
    if witness and (witness.entries, witness.head) not in list(enumerate(hashes))[-2:]:
        faults.append(
            f"the search's study.json records {witness.entries} entries and a different last line"
        )
    return Verified(tuple(entries), tuple(faults))
