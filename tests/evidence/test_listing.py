"""The list of findings: valid JSON, with what is behind each number."""

import json
from pathlib import Path

import jsonschema
import pytest

import analysis
from analysis.evidence.listing import Kind, document, findings
from tests.report import conftest as plants

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "findings.schema.json").read_text())
LOGS = ROOT / "tuner_logs"


def valid(found):
    """Return the findings as they are read back from JSON, after the schema has checked them."""
    content = json.loads(json.dumps(document(found), allow_nan=False))
    jsonschema.validate(content, SCHEMA)
    return content["findings"]


def test_the_schema_names_every_kind():
    assert SCHEMA["properties"]["findings"]["items"]["properties"]["kind"]["enum"] == list(Kind)


def test_a_difference_by_hand(tmp_path):
    """Ten seeds each: tanh is below by exactly 10 points on every seed."""
    near = plants.near
    study = plants.controlled(tmp_path / "s", {"relu": near(0.9), "tanh": near(0.8)})
    rows = valid(findings(study))
    (row,) = [r for r in rows if r["kind"] == "difference" and r["endpoint"] == "level"]
    assert row["value"] == pytest.approx(-0.1)
    assert (row["subject"], row["reference"], row["n"], row["detected"]) == (
        "tanh",
        "relu",
        10,
        True,
    )
    assert row["seeds"] == list(range(1, 11))
    assert len(row["trials"]) == 20


def test_a_search_has_its_best_and_importances(tmp_path):
    scores = [0.80 + 0.001 * n for n in range(25)]
    study = plants.search(tmp_path / "s", scores, activations=("relu", "tanh"))
    rows = valid(findings(study))
    assert rows[0]["kind"] == "best"
    assert rows[0]["trials"] == ["0024"]
    assert {row["subject"]: row["detected"] for row in rows[1:]} == {
        "rate": True,
        "activation": False,
    }


@pytest.mark.slow
def test_all_tracked_studies_validate():
    names = sorted({path.parent.name for path in LOGS.glob("*/trial_*")})
    rows = valid(analysis.findings(*(analysis.load(LOGS / name) for name in names)))
    assert {row["kind"] for row in rows} == set(Kind)
    assert all(row["trials"] for row in rows)
