"""The chain of a ledger: what `verify` takes, and how it names what was changed."""

import json

import pytest

from search.records.ledger import (
    DECLARED,
    EVALUATED,
    OPENED,
    DeclaredModel,
    Witness,
    hash_of,
    verify,
)

MODEL = {
    "arm": "final",
    "seed": 2,
    "trial": "0007",
    "file": "final-2.keras",
    "sha256": "ab",
    "held_out": 0.9,
}


def chain(*entries):
    """The lines of a ledger, each with the hash of the line before it."""
    lines = []
    for entry in entries:
        previous = hash_of(lines[-1]) if lines else ""
        content = {"time": "2026-01-02T03:04:05Z", "opening": 1, **entry, "previous": previous}
        lines.append(json.dumps(content))
    return lines


LINES = chain(
    {"what": DECLARED, "models": [MODEL], "reason": None, "elsewhere": []},
    {"what": OPENED, "data": {"images": "cd"}},
    {"what": EVALUATED, "file": "test-1.json", "sha256": "ef", "accuracy": {"final-2.keras": 0.8}},
)

WITNESS = Witness(3, hash_of(LINES[-1]))


def test_a_whole_chain_is_read_without_a_fault():
    declared, opened, evaluated = verify(LINES, WITNESS).entries
    assert declared.models == (DeclaredModel(**MODEL),)
    assert opened.data == {"images": "cd"}
    assert (evaluated.file, evaluated.accuracy) == ("test-1.json", {"final-2.keras": 0.8})
    assert verify(LINES, WITNESS).faults == ()
    assert verify(LINES, None).faults == ()
    assert verify([], Witness()).faults == ()


FOLLOWS = "line {} does not follow from the line before it, or that line was changed"
SPEAKS = "the search's study.json speaks of 3 entries with another last line"


@pytest.mark.parametrize(
    ("lines", "faults"),
    [
        ([LINES[0].replace("0.9", "0.8"), *LINES[1:]], [FOLLOWS.format(2)]),
        ([*LINES[:-1], LINES[-1].replace("0.8", "0.9")], [SPEAKS]),
        ([LINES[0], LINES[2]], [FOLLOWS.format(2), SPEAKS]),
        (LINES[:-1], [SPEAKS]),
        ([], [SPEAKS]),
        ([*LINES[:-1], "no JSON"], ["line 3 is no JSON", SPEAKS]),
        (
            [*LINES[:-1], LINES[-1].replace('"opening": 1', '"opening": "one"')],
            ["line 3 is no entry: opening: expected int, got str", SPEAKS],
        ),
        (
            [*LINES[:-1], LINES[-1].replace('"what"', '"which"')],
            ["line 3 is no entry: there is no field what", SPEAKS],
        ),
    ],
    ids=["edited", "last", "removed", "cut", "emptied", "torn", "mistyped", "missing"],
)
def test_what_was_changed_is_named(lines, faults):
    assert list(verify(lines, WITNESS).faults) == faults


def test_a_ledger_one_entry_ahead_of_its_witness_is_whole_and_two_are_not():
    behind = [Witness(n, hash_of(LINES[n - 1]) if n else "") for n in (2, 1)]
    assert [len(verify(LINES, witness).faults) for witness in behind] == [0, 1]
