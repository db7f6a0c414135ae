"""Planted studies of a user's own hypermodel, in which the truth is known."""

import math
import random
from dataclasses import replace

from analysis.evidence.trials import load
from search.records.arguments import (
    AblationArguments,
    ExerciseArguments,
    FinalArguments,
    HyperbandArguments,
    ProgramArguments,
)
from search.records.datasets import Dataset
from search.records.folder import StudyFolder
from search.records.objective import Objective
from search.records.parts import PlannedPart
from search.records.study import SessionRecord, StudyRecord
from search.records.trial import HeldOut
from tests.planted import own_trial

KUZUSHIJI = Dataset("kmnist", tuple("おきすつなはまやれを"), (28, 28), 255, 54_000, 6_000, 0.1)
TABLE = Dataset("wine.npz", (), (11,), 1.0, 4_000, 1_000)
SESSION = SessionRecord(1.0, 2, "a", {"keras": "3"}, "p", 110.0)
LOSS = Objective("val_loss", "min")
TRACEBACK = """Traceback (most recent call last):
  File "net.py", line 7, in build
    model.add(keras.layers.Conv2D(hp.get("filters"), 9))
ValueError: kernel larger than its image
"""


def drawn(choose):
    """A configuration of the planted space."""
    return {
        "filters": choose.choice([8, 16, 32, 64]),
        "kernel": choose.choice([3, 5]),
        "learning_rate": 10 ** choose.uniform(-4, -1),
        "dropout": choose.random() < 0.5,
        "epochs": choose.randint(2, 9),
    }


def curve(values, epochs, choose, start=0):
    """Logs of a trial: kernel 5 is better, and so is a learning rate near 0.003."""
    off = abs(math.log10(values["learning_rate"]) + 2.5)
    end = 0.25 + 0.12 * off - 0.08 * (values["kernel"] == 5) + choose.uniform(0, 0.01)
    losses = [end + 0.6 * math.exp(-0.7 * (epoch + 1)) for epoch in range(start, epochs)]
    return [
        {
            "loss": loss - 0.03, "accuracy": 1 - loss / 2.5 + 0.01, "val_loss": loss,
            "val_accuracy": 1 - loss / 2.5, "val_auc": 1 - loss / 5,
        }
        for loss in losses
    ]  # fmt: skip


def write(logs, name, arguments, **fields):
    """Write the record of a planted study, and read the study."""
    folder = StudyFolder(logs, name)
    fields = {"data": {}, "sessions": (SESSION,), "finished": True} | fields
    folder.write_record(StudyRecord(name, arguments.COMMAND, arguments, **fields))
    return load(logs / name)


def hyperband(logs, name="conv", objective=None, **fields):
    """Plant a search of 24 configurations for 3 epochs, the best 4 promoted to 9; one raises."""
    objective = objective or Objective()
    choose = random.Random(3)
    done = []
    for n in range(24):
        values = drawn(choose)
        rows = curve(values, 3, choose)
        labels = {"tuner/epochs": 3, "tuner/initial_epoch": 0, "tuner/bracket": 1, "tuner/round": 0}
        own_trial(logs / name, f"{n:04d}", values | labels, [rows])
        done.append((rows[-1]["val_loss"], n, values))
    own_trial(logs / name, "0024", drawn(choose) | labels, [], status="FAILED", message=TRACEBACK)
    for place, (_, n, values) in enumerate(sorted(done, key=lambda one: one[0])[:4]):
        labels = {
            "tuner/epochs": 9, "tuner/initial_epoch": 3, "tuner/bracket": 1, "tuner/round": 1,
            "tuner/trial_id": f"{n:04d}",
        }  # fmt: skip
        own_trial(logs / name, f"{25 + place:04d}", values | labels, [curve(values, 9, choose, 3)])
    arguments = HyperbandArguments(hypermodel="net.py:Convolutions", max_epochs=9)
    about = {"facts": KUZUSHIJI, "objective": objective, "source": {"net.py": "0" * 64}}
    return write(logs, name, arguments, **about | fields)


def random_search(logs, name="program", objective=LOSS, executions=2, trials=24, **fields):
    """Plant a random search of a program, with several executions; some trials stop early."""
    choose = random.Random(5)
    for n in range(trials):
        values = drawn(choose)
        epochs = 6 if n % 4 else 4
        runs = [curve(values, epochs, choose) for _ in range(executions)]
        reason = "callback Pictures acts on batches" if n % 3 == 0 else ""
        own_trial(logs / name, f"{n:04d}", values, runs, keras_fit=reason)
    arguments = ProgramArguments(
        "RandomSearch", "Convolutions", 1, max_trials=trials, executions=executions,
        target=fields.pop("target", None),
    )  # fmt: skip
    return write(logs, name, arguments, objective=objective, **fields)


def compare(logs, varied, name="compared", objective=None, seeds=10, effects=None, **fields):
    """Plant a controlled study: one part for each hyperparameter, or a factorial of all of them.

    varied: by part, its arms' names to the values that differ. effects: by value, how much lower
    its loss is.
    """
    choose = random.Random(7)
    planned, count = [], 0
    base = {"filters": 16, "kernel": 3, "learning_rate": 1e-3, "dropout": False, "epochs": 5}
    for part, arms in varied.items():
        configurations = {arm: base | changes for arm, changes in arms.items()}
        planned.append(
            PlannedPart(
                "compare", part, next(iter(arms)), 6, tuple(range(1, seeds + 1)), configurations
            )
        )
        for values in configurations.values():
            gain = sum((effects or {}).get(f"{k}={v}", 0.0) for k, v in values.items())
            for seed in range(1, seeds + 1):
                labels = {"tuner/epochs": 6, "tuner/initial_epoch": 0, "tuner/seed": seed}
                shared = random.Random(seed)
                rows = curve({"learning_rate": 1e-3, "kernel": 3}, 6, shared)
                noise = choose.gauss(-gain, 0.004)
                changed = [
                    {k: v + (noise if "loss" in k else -noise / 2.5) for k, v in row.items()}
                    for row in rows
                ]
                own_trial(logs / name, f"{count:04d}", values | labels, [changed])
                count += 1
    arguments = ExerciseArguments(hypermodel="net.py:Convolutions")
    about = {"facts": KUZUSHIJI, "source": {"net.py": "0" * 64}, "parts": tuple(planned)}
    study = write(logs, name, arguments, objective=objective or Objective(), **about | fields)
    return replace(study, record=replace(study.record, command="compare"))


KERNELS = {"kernel": {"3": {"kernel": 3}, "5": {"kernel": 5}}}
FACTORIAL = {
    "factorial": {
        f"kernel={kernel}, dropout={str(dropout).lower()}": {"kernel": kernel, "dropout": dropout}
        for kernel in (3, 5)
        for dropout in (False, True)
    }
}


def arms_of(folder, planned, objective, gains, held_out=False, start=0):
    """Write the trials of parts: an arm has a loss that is lower by its gain. Return the next number."""
    choose = random.Random(11)
    seen: dict[str, str] = {}
    for part in planned:
        for (arm, seed), key in part.keys().items():
            if key in seen:
                continue
            labels = {"tuner/epochs": part.epochs, "tuner/initial_epoch": 0, "tuner/seed": seed}
            noise = choose.gauss(-gains.get(arm, 0.0), 0.004)
            rows = curve({"learning_rate": 1e-3, "kernel": 3}, part.epochs, random.Random(seed))
            rows = [
                {k: v + (noise if "loss" in k else -noise / 2.5) for k, v in row.items()}
                for row in rows
            ]
            last = rows[-1]
            about = {}
            if held_out:
                value = None if objective == Objective() else last[objective.name] + 0.002
                judged = HeldOut(part.epochs - 1, last["val_accuracy"], 0.3, [0, 1], [0, 1], value)
                about = {"held_out": judged}
            name = f"{start + len(seen):04d}"
            own_trial(folder, name, part.arms[arm] | labels, [rows], **about)
            seen[key] = name
    return seen


BASE = {"filters": 16, "kernel": 3, "learning_rate": 1e-3, "dropout": False, "epochs": 5}
CHOSEN = BASE | {"filters": 32, "kernel": 5}


def final(logs, search, objective=LOSS, seeds=6, facts=TABLE):
    """Plant the final study of a search: three candidates, of which the second is the best."""
    candidates = {
        "trial 0001": BASE | {"filters": 8},
        "trial 0002": CHOSEN,
        "trial 0003": BASE | {"dropout": True},
    }
    judging = tuple(range(1, seeds + 1))
    planned = (
        PlannedPart("final", "choice", "", 9, (111, 112, 113), candidates),
        PlannedPart(
            "final", "final", "assignment", 9, judging, {"assignment": BASE, "final": CHOSEN}
        ),
    )
    gains = {"trial 0002": 0.05, "final": 0.05, "trial 0001": 0.01}
    arms_of(logs / f"{search}-final", planned, objective, gains, held_out=True)
    arguments = FinalArguments(
        hypermodel="net.py:Convolutions", search=search, search_seed=1, configurations=candidates,
        epochs=9, seeds=seeds, objective=objective.name,
    )  # fmt: skip
    session = replace(SESSION, started=1000.0)
    return write(
        logs, f"{search}-final", arguments, objective=objective, facts=facts, parts=planned,
        sessions=(session,), patience=3, watched_from=2, source={"net.py": "0" * 64},
    )  # fmt: skip


def ablation(logs, search, objective=LOSS, seeds=6, facts=TABLE):
    """Plant the path from the defaults: kernel first, which gains the most, then filters."""
    kernel, filters = BASE | {"kernel": 5}, BASE | {"filters": 32}
    judging = tuple(range(1, seeds + 1))
    path = {"assignment": BASE, "kernel": kernel, "filters": CHOSEN}
    left_out = {"final": CHOSEN, "kernel": filters, "filters": kernel}
    planned = (
        PlannedPart("path", "race", "", 5, (121,), {"kernel": kernel, "filters": filters}, 1),
        PlannedPart("path", "path", "assignment", 5, judging, path),
        PlannedPart("path", "leave-one-out", "final", 5, judging, left_out),
    )
    folder = logs / f"{search}-path"
    walked = {"kernel": 0.04, "filters": 0.05}
    count = len(arms_of(folder, planned[:2], objective, walked))
    arms_of(folder, planned[2:], objective, {"final": 0.05, "filters": 0.04}, start=count)
    arguments = AblationArguments(
        hypermodel="net.py:Convolutions", search=search, search_seed=1, target=CHOSEN,
        objective=objective.name,
    )  # fmt: skip
    session = replace(SESSION, started=2000.0)
    return write(
        logs, f"{search}-path", arguments, objective=objective, facts=facts, parts=planned,
        sessions=(session,), source={"net.py": "0" * 64},
    )  # fmt: skip
