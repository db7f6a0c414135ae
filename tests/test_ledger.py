"""The ledger of the test set: a chain, witnessed, and what tampering and crashes do to it."""

import hashlib
import json

import pytest

from analysis.ledger import read as read_ledger
from search.errors import Failure, Misuse
from search.ledger import DECLARED, EVALUATED, OPENED, Ledger
from search.store import Study


def read(path):
    return json.loads(path.read_text())


@pytest.fixture
def ledger(tmp_path):
    """Of two openings' entries, the last of which gave `test-1.json`."""
    final, searched = Study(tmp_path, "s-final"), Study(tmp_path, "s")
    for study in (final, searched):
        study.directory.mkdir()
    searched.write_json("study.json", {"command": "run"})
    final.write_json("test-1.json", {})
    ledger = Ledger(final, searched)
    assert ledger.entries() == []
    ledger.check_closed(None)
    ledger.append(DECLARED, opening=1, models=[], reason=None)
    ledger.append(OPENED, opening=1, data={"images": "abc"})
    ledger.append(EVALUATED, opening=1, file="test-1.json", sha256=EMPTY)
    return ledger


EMPTY = hashlib.sha256(b"{}").hexdigest()


def test_a_ledger_is_a_chain_witnessed_by_its_search(ledger, tmp_path):
    assert [entry["what"] for entry in ledger.entries()] == [DECLARED, OPENED, EVALUATED]
    about = read(tmp_path / "s" / "study.json")
    assert (about["ledger"]["entries"], about["command"]) == (3, "run")
    lines = ledger.path.read_bytes().splitlines()
    assert about["ledger"]["head"] == hashlib.sha256(lines[-1]).hexdigest()
    with pytest.raises(Misuse, match="--open-test-again REASON"):
        ledger.check_closed(None)
    ledger.check_closed("a bug")
    seen = read_ledger(tmp_path / "s-final", tmp_path / "s")
    assert (seen.wrong, seen.witnessed, len(seen.openings)) == ([], True, 1)


def test_looks_of_other_studies_at_the_same_images_are_told(ledger, tmp_path):
    others = Study(tmp_path, "t-final"), Study(tmp_path, "t")
    for study in others:
        study.directory.mkdir()
    others[1].write_json("study.json", {"command": "run"})
    other = Ledger(*others)
    other.append(DECLARED, opening=1, models=[], reason=None)
    other.append(OPENED, opening=1, data={"images": "abc"})
    (look,) = ledger.elsewhere({"images": "abc"})
    assert (look["study"], look["time"]) == ("t-final", other.entries()[1]["time"])
    assert ledger.elsewhere({"images": "abd"}) == []
    other.path.write_text("{")
    with pytest.raises(Failure, match="t-final"):
        ledger.elsewhere({"images": "abc"})


def test_openings_are_told_to_repeat_each_other_only_where_all_of_them_do(tmp_path):
    final, searched = Study(tmp_path, "s-final"), Study(tmp_path, "s")
    for study in (final, searched):
        study.directory.mkdir()
    searched.write_json("study.json", {"command": "run"})
    ledger = Ledger(final, searched)

    def look(number, predicted):
        """Opens the test set, and where a model said something, evaluates it."""
        ledger.append(DECLARED, opening=number, models=[], reason=None)
        ledger.append(OPENED, opening=number, data={"images": "abc"})
        if predicted is not None:
            file = f"test-{number}.json"
            final.write_json(file, {"models": [{"file": "a.keras", "predicted": predicted}]})
            content = (final.directory / file).read_bytes()
            sha256 = hashlib.sha256(content).hexdigest()
            ledger.append(EVALUATED, opening=number, file=file, sha256=sha256)
        return read_ledger(final.directory, searched.directory).repeated

    found = [look(1, [3, 7]), look(2, [3, 7]), look(3, None), look(4, [3, 7])]
    assert found == [False, True, False, False]


def test_a_second_opening_that_says_something_else_is_no_repetition(ledger, tmp_path):
    content = json.dumps({"models": [{"file": "a.keras", "predicted": [3]}]}).encode()
    (tmp_path / "s-final" / "test-2.json").write_bytes(content)
    ledger.append(DECLARED, opening=2, models=[], reason="a bug")
    ledger.append(OPENED, opening=2, data={"images": "abc"})
    sha256 = hashlib.sha256(content).hexdigest()
    ledger.append(EVALUATED, opening=2, file="test-2.json", sha256=sha256)
    seen = read_ledger(tmp_path / "s-final", tmp_path / "s")
    assert (seen.wrong, len(seen.openings), seen.repeated) == ([], 2, False)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda lines: [lines[0].replace("null", '"none"'), *lines[1:]],
        lambda lines: [*lines[:-1], lines[-1].replace("test-1", "test-9")],
        lambda lines: [lines[0], lines[2]],
        lambda lines: lines[:-1],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:-1], "no JSON"],
        lambda lines: [],
    ],
    ids=["edited", "last edited", "removed", "cut", "added", "torn", "emptied"],
)
def test_tampering_is_noticed(ledger, tmp_path, tamper):
    lines = ledger.path.read_text().splitlines()
    ledger.path.write_text("".join(line + "\n" for line in tamper(lines)))
    with pytest.raises(Failure, match="was changed by other hands"):
        ledger.entries()
    assert read_ledger(tmp_path / "s-final", tmp_path / "s").wrong


def test_a_crash_between_ledger_and_witness_is_made_up_for(ledger, tmp_path):
    path = tmp_path / "s" / "study.json"
    before = read(path)
    ledger.append(DECLARED, opening=2, models=[], reason="a bug")
    path.write_text(json.dumps(before))
    assert read_ledger(tmp_path / "s-final", tmp_path / "s").wrong == []
    assert len(ledger.entries()) == 4
    assert read(path)["ledger"]["entries"] == 4
