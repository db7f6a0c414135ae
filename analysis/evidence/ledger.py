"""Reads the ledger of a test set and checks it against what it records."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from analysis.evidence.study import Study
from search.records.folder import RECORD
from search.records.ledger import (
    DECLARED,
    EVALUATED,
    LEDGER,
    OPENED,
    EarlierOpening,
    Entry,
    Results,
    Witness,
    verify,
)
from search.records.reading import Invalid, typed
from search.records.study import study_record


@dataclass(frozen=True)
class Ledger:
    """What was done with the test set of a final study.

    entries: in order. evaluated: the results of each completed opening, None if they differ from the
    ledger.
    wrong: what is not as it was written, a line each. witnessed: whether the search's record,
    which confirms the last entry, is there.
    """

    entries: tuple[Entry, ...]
    evaluated: list[Results | None]
    wrong: list[str]
    witnessed: bool

    @property
    def results(self) -> Results | None:
        """The results of the last opening, None before it."""
        return self.evaluated[-1] if self.evaluated else None

    @property
    def repeated(self) -> bool:
        """Whether in all of several openings every model file said the same of every image."""
        predicted = [
            {model.file: model.predicted for model in results.models}
            for results in self.evaluated
            if results
        ]
        whole = len(self.openings) == len(predicted) > 1
        return whole and all(words == predicted[0] for words in predicted)

    @property
    def openings(self) -> list[Entry]:
        """The declarations of those openings in which the test set was read."""
        read = {entry.opening for entry in self.entries if entry.what == OPENED}
        return [e for e in self.entries if e.what == DECLARED and e.opening in read]

    @property
    def elsewhere(self) -> list[EarlierOpening]:
        """Earlier evaluations of other studies on the same images, as the openings name them."""
        return [earlier for entry in self.openings for earlier in entry.elsewhere]

    @property
    def interrupted(self) -> bool:
        """Whether the last opening began and did not come to its end."""
        return bool(self.entries) and self.entries[-1].what == OPENED


@cache
def ledger_of(study: Study) -> Ledger:
    """Return the ledger of a final study."""
    return read(study.directory, study.directory.resolve().parent / study.search)


def read(final: Path, search: Path) -> Ledger:
    """Read the ledger in a final study's folder.

    search: folder of the search it belongs to, whose `study.json` witnesses the last entry.
    """
    path = final / LEDGER
    lines = path.read_text().splitlines() if path.exists() else []
    witness = _witness(search / RECORD)
    verified = verify(lines, witness)
    wrong = [f"{LEDGER}, {fault}" for fault in verified.faults]
    evaluated = [
        _results(final / entry.file, entry.sha256, wrong)
        for entry in verified.entries
        if entry.what == EVALUATED
    ]
    return Ledger(verified.entries, evaluated, wrong, witness is not None)


def _witness(path: Path) -> Witness | None:
    """Return the search's record of the ledger, None if there is no record."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return study_record(content, path).ledger or Witness() if isinstance(content, dict) else None


def _results(path: Path, sha256: str, wrong: list[str]) -> Results | None:
    try:
        content = path.read_bytes()
    except OSError:
        wrong.append(f"{path.name} is missing")
        return None
    if hashlib.sha256(content).hexdigest() != sha256:
        wrong.append(f"{path.name} is not the file that the ledger records")
        return None
    try:
        return typed(json.loads(content), Results)
    except Invalid as error:
        wrong.append(f"{path.name}: {error}")
        return None
