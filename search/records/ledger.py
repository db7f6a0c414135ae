"""The entries of a test ledger, and the chain of hashes that ties them together."""

import hashlib

FILE = "ledger.jsonl"


DECLARED, OPENED, EVALUATED = "declared", "opened", "evaluated"


def _hash(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()
