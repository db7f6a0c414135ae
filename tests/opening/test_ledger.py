"""The ledger of the test set: a chain, witnessed, and what tampering and crashes do to it."""

import hashlib
import json
import shutil
from dataclasses import asdict

import pytest

from analysis.evidence.ledger import read as read_ledger
from search.data.load import load_test_pool
from search.opening.ledger import LedgerFile
from search.opening.models import sha256
from search.opening.opening import declare
from search.records.arguments import HyperbandArguments
from search.records.errors import Failure, Misuse
from search.records.ledger import (
    DECLARED,
    EVALUATED,
    OPENED,
    DeclaredModel,
    EvaluatedModel,
    Results,
)
from tests.planted import planted_study


def read(path):
    return json.loads(path.read_text())


def pair(logs, name):
    """The ledger of a search's final study, both newly made."""
    searched = planted_study(logs, name, HyperbandArguments(dataset="digits"))
    searched.final.directory.mkdir()
    return LedgerFile(searched.final, searched)


def open_once(ledger, number, predicted=None):
    """Open the test set and, if its one model is to say something, evaluate it."""
    ledger.append(DECLARED, opening=number, models=[], reason=None)
    ledger.append(OPENED, opening=number, data={"images": "abc"})
    if predicted is not None:
        evaluate_once(ledger, number, predicted)


def evaluate_once(ledger, number, predicted):
    """Write the results of an opening, in which one model says something, and enter them."""
    model = EvaluatedModel("final", 2, "0007", "a.keras", "", 0.9, 0.8, 0.5, predicted)
    results = Results(number, [3] * len(predicted), (model,))
    path = ledger.path.with_name(f"test-{number}.json")
    path.write_text(json.dumps(asdict(results)))
    ledger.append(EVALUATED, opening=number, file=path.name, sha256=sha256(path))


@pytest.fixture
def ledger(tmp_path):
    """Of an opening, which gave `test-1.json`."""
    ledger = pair(tmp_path, "s")
    assert ledger.entries() == ()
    ledger.check_closed(None)
    open_once(ledger, 1, [7])
    return ledger


def test_a_ledger_is_a_chain_witnessed_by_its_search(ledger, tmp_path):
    assert [entry.what for entry in ledger.entries()] == [DECLARED, OPENED, EVALUATED]
    about = read(tmp_path / "s" / "study.json")
    assert (about["ledger"]["entries"], about["command"]) == (3, "run")
    lines = ledger.path.read_bytes().splitlines()
    assert about["ledger"]["head"] == hashlib.sha256(lines[-1]).hexdigest()
    with pytest.raises(Misuse, match="--open-test-again REASON"):
        ledger.check_closed(None)
    ledger.check_closed("a bug")
    seen = read_ledger(tmp_path / "s-final", tmp_path / "s")
    assert (seen.wrong, seen.witnessed, len(seen.openings)) == ([], True, 1)


def test_openings_by_other_studies_at_the_same_images_are_told(ledger, tmp_path):
    other = pair(tmp_path, "t")
    open_once(other, 1)
    (seen,) = ledger.elsewhere({"images": "abc"})
    assert (seen.study, seen.time) == ("t-final", other.entries()[1].time)
    assert ledger.elsewhere({"images": "xyz"}) == []
    other.path.write_text("{")
    with pytest.raises(Failure, match="t-final"):
        ledger.elsewhere({"images": "abc"})
    # Removed, it is missed as long as the record of its search speaks of it.
    other.path.rename(tmp_path / "kept")
    with pytest.raises(Failure, match=r"t-final.* records 2 entries"):
        ledger.elsewhere({"images": "abc"})
    shutil.rmtree(tmp_path / "t")
    assert ledger.elsewhere({"images": "abc"}) == []


def test_an_opening_is_told_without_the_search_that_led_to_it(ledger, tmp_path):
    open_once(pair(tmp_path, "t"), 1)
    shutil.rmtree(tmp_path / "t")
    assert [seen.study for seen in ledger.elsewhere({"images": "abc"})] == ["t-final"]


@pytest.mark.parametrize("odd", ["-t", "t*", ".t", "t final", "-final"])
def test_a_folder_whose_name_no_study_can_have_refuses_no_opening(ledger, tmp_path, odd):
    (tmp_path / odd).mkdir()
    (tmp_path / odd / "ledger.jsonl").write_text("{")
    (tmp_path / odd / "study.json").write_text("{")
    assert ledger.elsewhere({"images": "abc"}) == []


def test_a_folder_without_a_record_refuses_no_opening(ledger, tmp_path):
    """Of another program, or of this project with nothing of it left."""
    (tmp_path / "board" / "train").mkdir(parents=True)
    (tmp_path / "board" / "train" / "events.out.tfevents.1").write_bytes(b"")
    (tmp_path / "t" / "trial_0000").mkdir(parents=True)
    assert ledger.elsewhere({"images": "abc"}) == []


def test_openings_are_told_to_repeat_each_other_only_if_all_of_them_do(tmp_path):
    ledger = pair(tmp_path, "s")

    def repeated(number, predicted):
        open_once(ledger, number, predicted)
        return read_ledger(tmp_path / "s-final", tmp_path / "s").repeated

    found = [repeated(1, [3, 7]), repeated(2, [3, 7]), repeated(3, None), repeated(4, [3, 7])]
    assert found == [False, True, False, False]


def test_a_second_opening_that_says_something_else_is_no_repetition(ledger, tmp_path):
    open_once(ledger, 2, [3])
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
    with pytest.raises(Failure, match="was changed after it was written"):
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


def test_a_second_opening_cut_off_is_taken_up_for_its_own_reason_alone(ledger):
    model = ledger.study.directory / "models" / "a.keras"
    model.parent.mkdir()
    model.write_bytes(b"some weights")
    models = [DeclaredModel("final", 2, "0007", model.name, sha256(model), 0.9)]
    pool = load_test_pool("digits")

    def again(reason, declared=models):
        return declare(ledger, ledger.study, declared, pool, reason)

    assert again("a bug") == (2, models)
    assert again("a bug", []) == (2, models)
    assert [e.what for e in ledger.entries()[3:]] == [DECLARED]
    with pytest.raises(Misuse, match="--open-test-again REASON"):
        again(None)
    assert again("another bug", []) == (3, [])
    assert [e.reason for e in ledger.entries()[3:]] == ["a bug", "another bug"]


@pytest.mark.parametrize("content", [{}, {"name": "another program"}, {"format": 3}])
def test_a_record_of_another_program_refuses_no_opening(ledger, tmp_path, content):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "study.json").write_text(json.dumps(content))
    assert ledger.elsewhere({"images": "abc"}) == []
