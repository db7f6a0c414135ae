"""What was done with a test set, in a file that is only ever added to.

Each line of `ledger.jsonl` is an entry that names the SHA-256 of the line before it, so an edited,
removed or inserted line breaks the chain. The hash of the last line stands in the search's own
`study.json`, so a cut or replaced ledger is noticed too. If a person rewrites both files, only
version control shows it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from search.records.reading import Invalid, Json, typed

LEDGER = "ledger.jsonl"

DECLARED, OPENED, EVALUATED = "declared", "opened", "evaluated"


@dataclass(frozen=True)
class Witness:
    """What a search's `study.json` says of the ledger of its final study."""

    entries: int = 0
    head: str = ""
    """SHA-256 of the last line."""


@dataclass(frozen=True)
class DeclaredModel:
    """A model that is to be evaluated on the test images."""

    arm: str
    seed: int
    trial: str
    file: str
    """Its name in the final study's `models/`."""
    sha256: str
    """Of the file's content."""
    held_out: float
    """Its accuracy on the validation images that chose no epoch, known before."""


@dataclass(frozen=True)
class EarlierOpening:
    """Another study of the same folder that was evaluated on the same test images."""

    study: str
    time: str


@dataclass(frozen=True)
class Entry:
    """One line of the ledger. The fields after `opening` depend on `what` was done."""

    what: str
    """Models were declared, the test images were opened, or the models were evaluated."""
    time: str
    """UTC, in ISO 8601."""
    opening: int
    """Counted from 1."""
    previous: str
    """SHA-256 of the line before, empty in the first line."""
    models: tuple[DeclaredModel, ...] = ()
    """Declared: what the opening is to evaluate."""
    reason: str | None = None
    """Declared: why the test set is opened again."""
    elsewhere: tuple[EarlierOpening, ...] = ()
    """Declared: who had evaluated on these images before."""
    data: dict[str, str] = field(default_factory=dict)
    """Opened: file name to SHA-256 of the test images."""
    file: str = ""
    """Evaluated: the file of the results."""
    sha256: str = ""
    """Evaluated: of the results' content."""
    accuracy: dict[str, float] = field(default_factory=dict)
    """Evaluated: test accuracy by model file."""


@dataclass(frozen=True)
class EvaluatedModel(DeclaredModel):
    """What a declared model says of the test images."""

    accuracy: float
    loss: float
    """Mean of −log of the label's probability, without smoothing or penalties."""
    predicted: list[int]
    """Classes, in the order of the test images."""


@dataclass(frozen=True)
class Results:
    """The content of `test-N.json`: what every model of an opening says of every test image."""

    opening: int
    labels: list[int]
    models: tuple[EvaluatedModel, ...]


@dataclass(frozen=True)
class Verified:
    """The entries of a ledger in order, and what is not as it was written, a line each."""

    entries: tuple[Entry, ...]
    faults: tuple[str, ...]


def hash_of(line: str) -> str:
    """Return the SHA-256 by which the next line names this line."""
    return hashlib.sha256(line.encode()).hexdigest()


def verify(lines: Sequence[str], witness: Witness | None) -> Verified:
    """Read the lines of a ledger and check its chain.

    witness: None if the search's record is not there to speak for the last line. A crash may leave
    the ledger one entry ahead of its witness; that is no fault.
    """
    entries: list[Entry] = []
    faults: list[str] = []
    hashes = [""]
    for number, line in enumerate(lines, 1):
        try:
            content: Json = json.loads(line)
            entry = typed(content, Entry)
        except Invalid as error:
            faults.append(f"line {number} is no entry: {error}")
        except ValueError:
            faults.append(f"line {number} is no JSON")
        else:
            if entry.previous != hashes[-1]:
                faults.append(
                    f"line {number} does not follow from the line before it, or that line was "
                    "changed"
                )
            entries.append(entry)
        hashes.append(hash_of(line))
    if witness and (witness.entries, witness.head) not in list(enumerate(hashes))[-2:]:
        faults.append(
            f"the search's study.json speaks of {witness.entries} entries with another last line"
        )
    return Verified(tuple(entries), tuple(faults))
