"""Small planted studies, as the project writes them, for the tests of the report."""

import hashlib
import json
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest

from analysis.evidence import importance
from analysis.evidence.trials import load
from search.records.datasets import DATASETS
from tests.planted import write_trial

SESSION = {
    "started": 1.0, "seconds": 1.0, "workers": 1, "commit": "a", "processor": "p", "versions": {},
}  # fmt: skip
ARGUMENTS = {
    "run": {"dataset": "digits"},
    "exercises": {"dataset": "digits"},
    "final": {
        "search": "t",
        "search_seed": 1,
        "dataset": "digits",
        "configurations": {},
        "epochs": 1,
    },
    "ablation": {"search": "t", "search_seed": 1, "dataset": "digits", "target": {}},
}


def write_record(directory, command, **fields):
    """Write a whole `study.json`."""
    content = {
        "format": 2, "study": directory.name, "command": command, "data": {}, "finished": True,
        "arguments": ARGUMENTS[command], "sessions": [],
    }  # fmt: skip
    (directory / "study.json").write_text(json.dumps(content | fields))


def facts(validation_size):
    """Facts of the digits with another number of validation images."""
    return asdict(replace(DATASETS["digits"], validation_size=validation_size))


def search(directory, scores, rates=None, epochs=None, activations=("relu",), **about):
    """Plant a search with one configuration per score. activations: in turn."""
    for n, score in enumerate(scores):
        labels = {"tuner/initial_epoch": 0, "tuner/epochs": epochs[n] if epochs else 2}
        rate = rates[n] if rates else 0.01 + 0.01 * n
        write_trial(
            directory,
            f"{n:04d}",
            {"activation": activations[n % len(activations)], "rate": rate} | labels,
            [score],
        )
    write_record(directory, "run", **about)
    return load(directory)


def controlled(
    directory, scores, kind="exercises", search="t", exercise="activation", name="", **about
):
    """Plant a study with one arm per key of `scores`, and one seed per score of an arm.

    A score of None is a failed trial. name: of the part, if it is not that of its exercise.
    """
    arms = {arm: {"activation": arm, "rate": 0.1} for arm in scores}
    count = 0
    for arm, row in scores.items():
        for seed, score in enumerate(row, 1):
            labels = {"tuner/epochs": 1, "tuner/initial_epoch": 0, "tuner/seed": seed}
            status = "FAILED" if score is None else "COMPLETED"
            curve = [] if score is None else [score]
            judged = {"epoch": 0, "accuracy": score, "loss": 0.5, "labels": [], "predicted": []}
            held_out = {"held_out": judged} if kind == "final" else {}
            write_trial(
                directory, f"{count:04d}", arms[arm] | labels, curve, status, seed=seed, **held_out
            )
            count += 1
    part = {
        "exercise": exercise, "name": name or exercise, "level": None, "epochs": 1, "arms": arms,
        "reference": next(iter(arms)) if len(arms) > 1 else "",
        "seeds": list(range(1, 1 + max(map(len, scores.values())))),
    }  # fmt: skip
    arguments = ARGUMENTS[kind] | ({"search": search} if "search" in ARGUMENTS[kind] else {})
    fields = {"parts": [part], "sessions": [SESSION], "arguments": arguments} | about
    write_record(directory, kind, **fields)
    return load(directory)


def near(accuracy, seeds=10, step=0.001):
    """Accuracies by seed, around a mean."""
    return [accuracy + step * (n % 3 - 1) for n in range(seeds)]


def opened(logs, *reasons, elsewhere=(), last=True, witness=True):
    """Plant a final study, its search and a ledger with an opening for each reason."""
    scores = {"relu": near(0.9), "tanh": near(0.8)}
    study = controlled(logs / "t-final", scores, "final")
    model = {"arm": "final", "seed": 1, "trial": "0", "file": "m", "sha256": "", "held_out": 0.5}
    entries = []
    for number, reason in enumerate(reasons, 1):
        said = {"accuracy": 0.5, "loss": 0.5, "predicted": [1, int(number > 2)]}
        results = {"opening": number, "labels": [1, 0], "models": [model | said]}
        results = json.dumps(results)
        (logs / "t-final" / f"test-{number}.json").write_text(results)
        sha256 = hashlib.sha256(results.encode()).hexdigest()
        common = {"opening": number, "time": f"2026-01-0{number}T00:00:00"}
        declared = {"reason": reason, "models": [model], "elsewhere": list(elsewhere)}
        evaluated = {"file": f"test-{number}.json", "sha256": sha256}
        entries += [
            {"what": "declared", **common, **declared},
            {"what": "opened", **common},
            {"what": "evaluated", **common, **evaluated},
        ]
    head, lines = "", []
    for entry in entries if last else entries[:-1]:
        lines.append(json.dumps({**entry, "previous": head}))
        head = hashlib.sha256(lines[-1].encode()).hexdigest()
    (logs / "t-final" / "ledger.jsonl").write_text("\n".join(lines))
    (logs / "t").mkdir()
    if witness:
        write_record(logs / "t", "run", ledger={"entries": len(lines), "head": head})
    return study


@pytest.fixture
def plant():
    """The functions that plant studies: of a search, of arms and seeds, and with a test set."""
    return SimpleNamespace(
        search=search, controlled=controlled, facts=facts, opened=opened, near=near, session=SESSION
    )


@pytest.fixture(autouse=True)
def few_permutations(monkeypatch):
    """Importances are most of a report's time. With 19 permutations, the smallest p is 0.05."""
    monkeypatch.setattr(importance, "PERMUTATIONS", 19)
