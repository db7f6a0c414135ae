"""Studies that never ran, to be found in the logs."""

import json

from search.records.folder import StudyFolder
from search.records.study import SessionRecord, StudyRecord
from search.records.trial import LOGGED, EpochRow, TrialRun


def hyperparameter(kind, name, **config):
    """Return a declaration as KerasTuner writes it."""
    return {"class_name": kind, "config": {"name": name, "conditions": [], **config}}


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


def write_project(directory, oracle):
    """Write the trials of an oracle as KerasTuner's project `project`."""
    folder = StudyFolder(directory, "project")
    folder.directory.mkdir()
    folder.write_json("tuner0.json", {})
    folder.write_json("oracle.json", oracle.get_state())
    for trial_id, trial in oracle.trials.items():
        folder.write_trial(trial_id, trial.get_state())


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


OWN_SPACE = [
    hyperparameter("Int", "filters", default=16, min_value=8, max_value=64, sampling="log"),
    hyperparameter("Choice", "kernel", default=3, values=[3, 5]),
    hyperparameter("Float", "learning_rate", default=1e-3, min_value=1e-4, max_value=1e-1,
                   sampling="log"),
    hyperparameter("Boolean", "dropout", default=False),
    hyperparameter("Int", "epochs", default=5, min_value=2, max_value=9),
]  # fmt: skip
"""The space of a convolutional network of a user's. One name is also that of a column."""


def own_trial(directory, name, values, executions, status="COMPLETED", space=OWN_SPACE, **fields):
    """Write a trial of an own hypermodel.

    executions: for each execution, the logs of its epochs, by Keras' names. fields: of `run`, or
    `message` and `score`.
    """
    message, score = fields.pop("message", None), fields.pop("score", None)
    rows = []
    for number, epochs in enumerate(executions):
        for epoch, logs in enumerate(epochs, values.get("tuner/initial_epoch", 0)):
            known = {key: logs[key] for key in LOGGED if key in logs}
            metrics = {key: value for key, value in logs.items() if key not in known}
            times = {"seconds": 2.0, "time": 100.0 * (epoch + 1)}
            row = EpochRow(epoch=epoch, execution=number, metrics=metrics, **times, **known)
            rows.append(row)
    run = TrialRun(seed=1, split=1, started=10.0, epochs=tuple(rows), ended=100.0, **fields)
    trial = {
        "trial_id": name, "hyperparameters": {"space": space, "values": values},
        "metrics": {"metrics": {}}, "score": score, "best_step": 0, "status": status,
        "message": message, "run": run.to_file(),
    }  # fmt: skip
    (directory / f"trial_{name}").mkdir(parents=True)
    (directory / f"trial_{name}" / "trial.json").write_text(json.dumps(trial))
