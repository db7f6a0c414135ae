"""What was done with a test set, in a file that is only ever added to.

A line an entry, each naming the SHA-256 of the line before: an edited, removed or inserted line
breaks the chain. The last line's hash stands in the search's own `study.json`, so that a cut or
replaced ledger is noticed too. Who rewrites both leaves no trace but in version control.
"""

import json
import time

from search.records.errors import Failure, Misuse
from search.records.folder import Json, Study, study_record
from search.records.ledger import EVALUATED, FILE, OPENED, _hash


class Ledger:
    """The ledger of a final study, witnessed by the search it belongs to.

    Both are locked by the caller, whatever is asked of it.
    """

    def __init__(self, study: Study, search: Study):
        self.study = study
        self.path = study.directory / FILE
        self.search = search

    def entries(self) -> list[Json]:
        """All entries in order. Raises Failure where the file is not as it was written.

        A crash may leave the ledger one entry ahead of its witness, which is then made up for.
        """
        found = self.read()
        if len(found) > self._witnessed()["entries"]:
            self._witness(self._lines())
        return found

    def read(self) -> list[Json]:
        """As `entries`, and writes nothing."""
        lines = self._lines()
        before = ""
        found: list[Json] = []
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
            except ValueError:
                raise self._tampered(f"line {number} is no JSON") from None
            if not isinstance(entry, dict) or entry.get("previous") != before:
                raise self._tampered(
                    f"line {number} does not follow from the one before it, or that was changed"
                )
            before = _hash(line)
            found.append(entry)
        if not self.search.exists():
            return found
        witness = self._witnessed()
        count = witness["entries"]
        if count > len(lines) or count < len(lines) - 1:
            raise self._tampered(f"{len(lines)} entries, where {count} were recorded")
        if count and witness["head"] != _hash(lines[count - 1]):
            raise self._tampered(f"line {count} is not the one recorded")
        return found

    def check_closed(self, reason: str | None) -> None:
        """Raises Misuse where the test set was evaluated and no reason is given to do so again."""
        past = [entry for entry in self.entries() if entry["what"] == EVALUATED]
        if past and not reason:
            raise Misuse(
                f"the test set was opened on {past[-1]['time'][:10]}; what came of it is in "
                f"{self.study.directory / past[-1]['file']}. A second look would no longer be an "
                "estimate; if it must be: --open-test-again REASON, which every report then shows"
            )

    def elsewhere(self, data: dict[str, str]) -> list[Json]:
        """By which other studies in the same folder these test images were looked at, and when.

        data: file name to SHA-256. A look there does not close the test set here, but who reads
        the figures has to know of it. Raises Failure where another ledger was lost or changed.
        """
        return [
            {"study": other.study.name, "time": entry["time"]}
            for other in self._others()
            for entry in other.read()
            if entry["what"] == OPENED and entry["data"] == data
        ]

    def _others(self) -> list["Ledger"]:
        """The ledgers of other studies in the folder, and those that a search's record speaks of."""
        logs = self.study.logs
        found: dict[str, Ledger] = {}
        for path in logs.glob(f"*/{FILE}"):
            final = Study(logs, path.parent.name)
            found[final.name] = Ledger(final, Study(logs, final.name.removesuffix("-final")))
        for path in logs.glob("*/study.json"):
            search = Study(logs, path.parent.name)
            if "ledger" in study_record(search):
                found[search.final.name] = Ledger(search.final, search)
        return [found[name] for name in sorted(found) if name != self.study.name]

    def append(self, what: str, **content: object) -> None:
        """Adds an entry. Raises Failure as `entries` does."""
        self.entries()
        lines = self._lines()
        entry = {
            "what": what,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            **content,
            "previous": _hash(lines[-1]) if lines else "",
        }
        lines.append(json.dumps(entry, allow_nan=False))
        self.study.write(FILE, "".join(line + "\n" for line in lines).encode())
        self._witness(lines)

    def _witnessed(self) -> Json:
        found: Json = study_record(self.search).get("ledger", {"entries": 0, "head": ""})
        return found

    def _witness(self, lines: list[str]) -> None:
        about = study_record(self.search)
        about["ledger"] = {"entries": len(lines), "head": _hash(lines[-1])}
        self.search.write_json("study.json", about)

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text().splitlines() if self.path.exists() else []
        except (OSError, UnicodeDecodeError) as error:
            raise self._tampered(f"it cannot be read, {error}") from error

    def _tampered(self, what: str) -> Failure:
        return Failure(
            f"{self.path} was changed by other hands: {what}. Restore it (from version control or "
            "a copy): the test set stays closed until then"
        )
