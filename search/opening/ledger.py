"""The ledger of a final study, written line by line and witnessed by its search.

`search.records.ledger` describes the content of a line and checks the chain.
"""

import json
import time

from search.records.errors import Failure, Misuse
from search.records.folder import NAME, RECORD, StudyFolder
from search.records.ledger import (
    EVALUATED,
    LEDGER,
    OPENED,
    EarlierOpening,
    Entry,
    Witness,
    hash_of,
    verify,
)


class LedgerFile:
    """The ledger of a final study. The caller locks both studies."""

    def __init__(self, study: StudyFolder, search: StudyFolder):
        self.study = study
        self.path = study.directory / LEDGER
        self.search = search

    def entries(self) -> tuple[Entry, ...]:
        """Return all entries in order.

        A crash may leave the ledger one entry ahead of its witness, which is then updated.
        Raises Failure if the file was changed after it was written.
        """
        found = self.read()
        witness = self._witness()
        if witness and len(found) > witness.entries:
            self._write_witness(self._lines())
        return found

    def read(self) -> tuple[Entry, ...]:
        """Return all entries like `entries`, but write nothing."""
        verified = verify(self._lines(), self._witness())
        if verified.faults:
            raise self._changed(verified.faults[0])
        return verified.entries

    def check_closed(self, reason: str | None) -> None:
        """Raise Misuse if the test set was evaluated and no reason is given to do so again."""
        past = [entry for entry in self.entries() if entry.what == EVALUATED]
        if past and not reason:
            raise Misuse(
                f"the test set was opened on {past[-1].time[:10]}; the results are in "
                f"{self.study.directory / past[-1].file}. A second evaluation would no longer be "
                "an unbiased estimate. If it is necessary, use --open-test-again REASON. Every "
                "report will show the reason"
            )

    def elsewhere(self, data: dict[str, str]) -> list[EarlierOpening]:
        """Return when other studies in the same folder were evaluated on these test images.

        Such an evaluation does not close the test set of this study, but readers of its results
        should know about it.
        data: SHA-256 of the test files by name.
        Raises Failure if another ledger was lost or changed.
        """
        return [
            EarlierOpening(other.study.name, entry.time)
            for other in self._others()
            for entry in other.read()
            if entry.what == OPENED and entry.data == data
        ]

    def _others(self) -> list["LedgerFile"]:
        """Return the ledgers of the folder's other studies, also if only a search records them.

        A folder is ignored if its name is not a valid name of a study, or if its `study.json` is
        another program's.
        """
        logs = self.study.logs
        found: dict[str, LedgerFile] = {}
        for path in sorted(logs.glob(f"*/{LEDGER}")):
            if NAME.fullmatch(path.parent.name):
                final = StudyFolder(logs, path.parent.name)
                search = StudyFolder(logs, final.name.removesuffix("-final"))
                found[final.name] = LedgerFile(final, search)
        for path in sorted(logs.glob(f"*/{RECORD}")):
            if NAME.fullmatch(path.parent.name):
                search = StudyFolder(logs, path.parent.name)
                if _names_a_ledger(search):
                    found[search.final.name] = LedgerFile(search.final, search)
        return [found[name] for name in sorted(found) if name != self.study.name]

    def append(self, what: str, **content: object) -> None:
        """Add an entry. Raises Failure as `entries` does."""
        self.entries()
        lines = self._lines()
        entry = {
            "what": what,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            **content,
            "previous": hash_of(lines[-1]) if lines else "",
        }
        lines.append(json.dumps(entry, allow_nan=False))
        self.study.write(LEDGER, "".join(line + "\n" for line in lines).encode())
        self._write_witness(lines)

    def _witness(self) -> Witness | None:
        """Return what the search records of the ledger, None if the search has no record."""
        if not self.search.exists():
            return None
        return self.search.record().ledger or Witness()

    def _write_witness(self, lines: list[str]) -> None:
        self.search.witness(Witness(len(lines), hash_of(lines[-1])))

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text().splitlines() if self.path.exists() else []
        except (OSError, UnicodeDecodeError) as error:
            raise self._changed(f"it cannot be read ({error})") from error

    def _changed(self, what: str) -> Failure:
        return Failure(
            f"{self.path} was changed after it was written: {what}. Restore it from version "
            "control or a copy. The test set stays closed until then"
        )


def _names_a_ledger(search: StudyFolder) -> bool:
    """Whether a `study.json` records a ledger. Raises Failure if the file is torn."""
    try:
        return "ledger" in (search.read_json(RECORD) or {})
    except ValueError:
        return search.record().ledger is not None
