"""Studies that never ran, to be found in the logs."""

import json

from search.records.folder import StudyFolder
from search.records.study import SessionRecord, StudyRecord

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
SESSION = SessionRecord(started=0.0, workers=1, commit=None, versions={}, processor="none")


def planted_study(logs, name, arguments, **fields):
    """Return the folder of a study of which `study.json` alone is there."""
    folder = StudyFolder(logs, name)
    folder.directory.mkdir(exist_ok=True)
    record = StudyRecord(name, arguments.COMMAND, arguments, {}, sessions=(SESSION,), **fields)
    folder.write_record(record)
    return folder


def write_trial(directory, name, values, accuracies, status="COMPLETED", metrics=None, **run):
    """Write a trial over `SPACE`, with its val_accuracy by epoch.

    metrics: what KerasTuner recorded; None: val_accuracy.
    """
    initial = values.get("tuner/initial_epoch", 0)
    epochs = [
        {
            "epoch": initial + n, "loss": 1 - a, "accuracy": a, "val_loss": 1 - a,
            "val_accuracy": a, "learning_rate": 0.1, "seconds": 1.0, "time": 1.0,
        }
        for n, a in enumerate(accuracies)
    ]  # fmt: skip
    observations = [{"value": [row["val_accuracy"]], "step": row["epoch"]} for row in epochs]
    trial = {
        "trial_id": name,
        "hyperparameters": {"space": SPACE, "values": values},
        "metrics": {
            "metrics": metrics
            or {"val_accuracy": {"direction": "max", "observations": observations}}
        },
        "score": max(accuracies, default=None),
        "best_step": 0,
        "status": status,
        "message": None,
        "run": {"seed": 1, "split": 1, "started": 1.0, "epochs": epochs, **run},
    }
    (directory / f"trial_{name}").mkdir(parents=True)
    (directory / f"trial_{name}" / "trial.json").write_text(json.dumps(trial))
