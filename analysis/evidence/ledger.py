"""The ledger of a test set as `search final` wrote it: read, and held against what it says."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Ledger:
    """What was done with the test set of a final study.

    entries: in order. evaluated: of each opening that came to its end, the content of its
    `test-N.json`; empty where that is not as the ledger says.
    wrong: what is not as it was written, a line each. witnessed: whether the search's record,
    which vouches for the last entry, is there.
    """

    entries: list[Json]
    evaluated: list[Json]
    wrong: list[str]
    witnessed: bool

    @property
    def results(self) -> Json:
        """Of the last opening; empty before."""
        return self.evaluated[-1] if self.evaluated else {}

    @property
    def repeated(self) -> bool:
        """Whether in all of several openings every model file said the same of every image."""
        said = [
            {model["file"]: model["predicted"] for model in results.get("models", [])}
            for results in self.evaluated
        ]
        return len(self.openings) == len(said) > 1 and all(words == said[0] for words in said)

    @property
    def openings(self) -> list[Json]:
        """The declarations of those openings in which the test set was read."""
        read = {entry["opening"] for entry in self.entries if entry["what"] == "opened"}
        return [e for e in self.entries if e["what"] == "declared" and e["opening"] in read]

    @property
    def interrupted(self) -> bool:
        """Whether the last opening was begun and not brought to its end."""
        return bool(self.entries) and self.entries[-1]["what"] == "opened"


def read(final: Path, search: Path) -> Ledger:
    """The ledger in a final study's folder.

    search: folder of the search it belongs to, whose `study.json` witnesses the last entry.
    """
    path = final / "ledger.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    wrong: list[str] = []
    entries: list[Json] = []
    hashes = [""]
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            follows = entry["previous"] == hashes[-1]
        except (ValueError, KeyError, TypeError):
            wrong.append(f"ledger.jsonl, line {number}: no entry")
            continue
        if not follows:
            wrong.append(
                f"ledger.jsonl, line {number}: does not follow from the one before it, or that was "
                "changed"
            )
        hashes.append(_sha256(line.encode()))
        entries.append(entry)
    witness = _witness(search)
    # A crash may leave the ledger one entry ahead; the next command makes up for it.
    last = list(enumerate(hashes))[-2:]
    if witness and (witness["entries"], witness["head"]) not in last:
        wrong.append(f"ledger.jsonl: not the one that {search.name}/study.json speaks of")
    evaluated = [
        _results(final / entry["file"], entry["sha256"], wrong)
        for entry in entries
        if entry["what"] == "evaluated"
    ]
    return Ledger(entries, evaluated, wrong, witness is not None)


def _witness(search: Path) -> Json | None:
    try:
        about = json.loads((search / "study.json").read_text())
    except (OSError, ValueError):
        return None
    return about.get("ledger", {"entries": 0, "head": ""}) if isinstance(about, dict) else None


def _results(path: Path, sha256: str, wrong: list[str]) -> Json:
    try:
        content = path.read_bytes()
    except OSError:
        wrong.append(f"{path.name} is missing")
        return {}
    if _sha256(content) != sha256:
        wrong.append(f"{path.name} is not the one that the ledger speaks of")
        return {}
    found: Json = json.loads(content)
    return found


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
