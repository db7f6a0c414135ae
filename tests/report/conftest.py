"""Small planted studies, as the project writes them, for the tests of the report."""

import hashlib
import json
from types import SimpleNamespace

import pytest

from analysis.evidence.trials import load

SPACE = [
    {
        "class_name": "Choice",
        "config": {
            "name": "activation", "default": "relu", "conditions": [],
            "values": ["relu", "tanh", "sigmoid"], "ordered": False,
        },
    },
    {
        "class_name": "Float",
        "config": {
            "name": "rate", "default": 0.1, "conditions": [], "min_value": 0.001, "max_value": 1.0,
            "step": None, "sampling": "log",
        },
    },
]  # fmt: skip
SESSION = {"started": 1.0, "seconds": 1.0, "workers": 1, "commit": "a", "processor": "p"}


def write_trial(directory, name, values, accuracies, status="COMPLETED", **run):
    """Write a trial with its val_accuracy by epoch."""
    initial = values.get("tuner/initial_epoch", 0)
    epochs = [
        {
            "epoch": initial + n, "loss": 1 - a, "accuracy": a, "val_loss": 1 - a,
            "val_accuracy": a, "learning_rate": 0.1, "seconds": 1.0,
        }
        for n, a in enumerate(accuracies)
    ]  # fmt: skip
    observations = [{"value": [row["val_accuracy"]], "step": row["epoch"]} for row in epochs]
    trial = {
        "trial_id": name,
        "hyperparameters": {"space": SPACE, "values": values},
        "metrics": {
            "metrics": {"val_accuracy": {"direction": "max", "observations": observations}}
        },
        "score": max(accuracies, default=None),
        "best_step": 0,
        "status": status,
        "message": None,
        "run": {"epochs": epochs, **run},
    }
    (directory / f"trial_{name}").mkdir(parents=True)
    (directory / f"trial_{name}" / "trial.json").write_text(json.dumps(trial))


def search(directory, scores, rates=None, epochs=None, **about):
    """Plant a search with one configuration per score."""
    for n, score in enumerate(scores):
        labels = {"tuner/initial_epoch": 0, "tuner/epochs": epochs[n] if epochs else 2}
        rate = rates[n] if rates else 0.01 + 0.01 * n
        write_trial(directory, f"{n:04d}", {"activation": "relu", "rate": rate} | labels, [score])
    (directory / "study.json").write_text(json.dumps({"command": "run", "arguments": {}} | about))
    return load(directory)


def controlled(directory, scores, kind="exercises", **about):
    """Plant a study with one arm per key of `scores`, and one seed per score of an arm.

    A score of None is a failed trial.
    """
    arms = {arm: {"activation": arm, "rate": 0.1} for arm in scores}
    count = 0
    for arm, row in scores.items():
        for seed, score in enumerate(row, 1):
            labels = {"tuner/epochs": 1, "tuner/initial_epoch": 0, "tuner/seed": seed}
            status = "FAILED" if score is None else "COMPLETED"
            curve = [] if score is None else [score]
            held_out = {"held_out": {"epoch": 0, "accuracy": score}} if kind == "final" else {}
            write_trial(
                directory, f"{count:04d}", arms[arm] | labels, curve, status, seed=seed, **held_out
            )
            count += 1
    part = {
        "exercise": "activation", "name": "activation", "level": None, "epochs": 1, "arms": arms,
        "reference": next(iter(arms)) if len(arms) > 1 else "",
        "seeds": list(range(1, 1 + max(map(len, scores.values())))),
    }  # fmt: skip
    content = {"command": kind, "arguments": {}, "parts": [part], "sessions": [SESSION]} | about
    (directory / "study.json").write_text(json.dumps(content))
    return load(directory)


def near(accuracy, seeds=10, step=0.001):
    """Accuracies by seed, around a mean."""
    return [accuracy + step * (n % 3 - 1) for n in range(seeds)]


def opened(logs, *reasons, elsewhere=(), last=True, witness=True):
    """Plant a final study, its search and a ledger with an opening for each reason."""
    scores = {"relu": near(0.9), "tanh": near(0.8)}
    arguments = {"search": "t", "dataset": "digits"}
    study = controlled(logs / "t-final", scores, "final", arguments=arguments)
    entries = []
    for number, reason in enumerate(reasons, 1):
        results = json.dumps({"models": [{"file": "m", "predicted": [1, number > 2]}]})
        (logs / "t-final" / f"test-{number}.json").write_text(results)
        sha256 = hashlib.sha256(results.encode()).hexdigest()
        declared = {"reason": reason, "models": [{}], "time": f"2026-01-0{number}T00:00:00"}
        entries += [
            {"what": "declared", "opening": number, **declared, "elsewhere": list(elsewhere)},
            {"what": "opened", "opening": number},
            {
                "what": "evaluated", "opening": number, "file": f"test-{number}.json",
                "sha256": sha256,
            },
        ]  # fmt: skip
    head, lines = "", []
    for entry in entries if last else entries[:-1]:
        lines.append(json.dumps({**entry, "previous": head}))
        head = hashlib.sha256(lines[-1].encode()).hexdigest()
    (logs / "t-final" / "ledger.jsonl").write_text("\n".join(lines))
    (logs / "t").mkdir()
    about = {"command": "run", "ledger": {"entries": len(lines), "head": head}}
    if witness:
        (logs / "t" / "study.json").write_text(json.dumps(about))
    return study


@pytest.fixture
def plant():
    """The functions that plant studies: of a search, of arms and seeds, and with a test set."""
    return SimpleNamespace(search=search, controlled=controlled, opened=opened, near=near)
