"""The state of a study, read from its files alone even while it runs, and the next commands."""

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from search.records.arguments import Arguments, ProgramArguments
from search.records.folder import StudyFolder
from search.records.objective import Objective
from search.records.parts import BASELINE
from search.records.reading import Json
from search.records.trial import COMPLETED, FAILED, RUNNING, TrialFile, Values, configuration
from search.running.execution import Execution

LABELS = ("dropout", "input_dropout", "label_smoothing")
PLAIN = (None, "none", "float32")
BUILT_IN = {"layers", "units_1", "activation", "initializer", "optimizer", "schedule", "batch_size"}
"""Hyperparameters by which a configuration of the built-in space is recognised."""


def summarize(folder: StudyFolder) -> Json:
    """Return counts, times, arguments and the best trial of a study, for people and machines.

    Raises Misuse if there is no such study, Failure if a file does not fit its record.
    """
    record = folder.record()
    trials, torn = folder.read_trials()
    by_status = {
        status: [t for t in trials.values() if t.status == status]
        for status in (COMPLETED, FAILED, RUNNING)
    }
    epochs = sum(len(t.run.epochs) for t in trials.values() if t.run)
    seconds = sum(session.seconds for session in record.sessions)
    return {
        "study": folder.name,
        "command": record.command,
        "search": record.search,
        "dataset": record.facts.name if record.facts else None,
        "arguments": asdict(record.arguments),  # type: ignore[call-overload]
        "finished": record.finished,
        "trials": len(trials),
        "planned_trials": record.planned.trials if record.planned else None,
        "completed": len(by_status[COMPLETED]),
        "failed": len(by_status[FAILED]),
        "running": len(by_status[RUNNING]),
        "torn": len(torn),
        "epochs": epochs,
        "planned_epochs": record.planned.epochs if record.planned else None,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(sum(session.cpu_seconds for session in record.sessions), 1),
        "epochs_per_second": round(epochs / seconds, 3) if seconds else None,
        "peak_memory_mb": max((s.peak_memory for s in record.sessions), default=0) // 2**20,
        "objective": record.objective.name,
        "direction": record.objective.direction,
        "target": record.target,
        "reached": record.reached,
        "keras_fit": keras_fits(trials.values()),
        "best": best(by_status[COMPLETED], record.objective),
    }


def keras_fits(trials: Iterable[TrialFile]) -> dict[str, int]:
    """Return the reasons for which Keras' own `fit` trained, and the number of trials of each."""
    return dict(Counter(t.run.keras_fit for t in trials if t.run and t.run.keras_fit))


def best(completed: Sequence[TrialFile], objective: Objective) -> Json | None:
    """Return the trial with the best score. Of equal scores the first wins, as in KerasTuner."""
    scored = [trial for trial in completed if trial.score is not None]
    if not scored:
        return None
    sign = 1 if objective.direction == "max" else -1
    trial = max(scored, key=lambda t: sign * (t.score or 0.0))
    return {
        "trial_id": trial.trial_id,
        objective.name: trial.score,
        "epoch": None if trial.best_step is None else trial.best_step + 1,
        "bracket": trial.values.get("tuner/bracket"),
        "rung": trial.values.get("tuner/round"),
        "hyperparameters": configuration(trial.values),
    }


def print_summary(summary: Json, as_json: bool) -> None:
    """Print a summary as a table, or as one JSON object."""
    if as_json:
        print(json.dumps(summary, allow_nan=False))
        return
    table = Table(show_header=False, box=None)
    table.add_row("study", summary["study"] + ("" if summary["finished"] else " (not finished)"))
    if summary["dataset"]:
        table.add_row("data", summary["dataset"])
    table.add_row(
        "trials",
        f"{summary['trials']} of {summary['planned_trials']}: {summary['completed']} completed, "
        f"{summary['failed']} failed, {summary['running']} unfinished",
    )
    table.add_row("epochs", f"{summary['epochs']} of {summary['planned_epochs']}")
    rate = summary["epochs_per_second"]
    table.add_row(
        "time",
        f"{duration(summary['seconds'])}" + (f", {rate:.2f} epochs per second" if rate else ""),
    )
    if summary["best"]:
        best, name = summary["best"], summary["objective"]
        table.add_row("best", f"{name} {best[name]:.4f}, trial {best['trial_id']}")
        table.add_row("", brief(best["hyperparameters"]))
    if summary["reached"]:
        table.add_row("target", f"{summary['target']:g} reached by trial {summary['reached']}")
    for reason, count in summary["keras_fit"].items():
        table.add_row("Keras' fit", f"{count} of {summary['trials']} trials, because {reason}")
    if "test" in summary:
        own = summary["arguments"]["hypermodel"]
        for arm, row in summary["test"]["arms"].items():
            models, held_out, test = row.values()
            name = "accuracy" if "test_accuracy" in row else summary["objective"]
            table.add_row(
                "defaults" if own and arm == BASELINE else arm,
                f"{name.removeprefix('val_')} held-out {held_out:.4f}, test {test:.4f}, means of "
                f"{models} models",
            )
        table.add_row("model", summary["test"]["file"])
    Console(highlight=False, markup=False, emoji=False).print(table)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def continuing(
    folder: StudyFolder,
    arguments: Arguments,
    data_dir: Path | None = None,
    reason: str | None = None,
) -> str:
    """Return the command that continues a study. reason: why its test set is opened again."""
    if isinstance(arguments, ProgramArguments):
        return "run the program again"
    words = ["--study", arguments.started_as(folder.name), *_logs(folder)]
    if data_dir:
        words += ["--data-dir", str(data_dir)]
    if reason:
        words += ["--open-test-again", reason]
    return f"python -m search {arguments.COMMAND} {shlex.join(words)}"


def next_steps(folder: StudyFolder) -> str:
    """Return the commands that show a study, together with the search that it belongs to."""
    names = [folder.name]
    if search := folder.record().search:
        origin = StudyFolder(folder.logs, search)
        names = [s.name for s in (origin, origin.final, origin.ablation) if s.trial_ids()]
    words = [word for name in names for word in ("--study", name)] + _logs(folder)
    return (
        f"next: tensorboard --logdir {shlex.quote(str(folder.directory))}\n"
        f"      python -m analysis report {shlex.join(words)}"
    )


def _logs(folder: StudyFolder) -> list[str]:
    return [] if folder.logs == Execution().logs else ["--logs", str(folder.logs)]


def duration(seconds: float) -> str:
    """Return seconds in the form 42 s, 3 min 05 s or 2 h 07 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def brief(values: Values) -> str:
    """Return a configuration on one line, without options that are switched off."""
    if not values.keys() >= BUILT_IN:
        return " · ".join(f"{name} {_short(v)}" for name, v in configuration(values).items())
    units = "-".join(str(values[f"units_{i}"]) for i in range(1, values["layers"] + 1))
    optimizer = values["optimizer"]
    words = [
        units,
        values["activation"],
        values["initializer"],
        f"{optimizer} {values[f'{optimizer}_lr']:.2g}",
        values["schedule"] if values["schedule"] != "constant" else "",
        f"batch {values['batch_size']}",
        "batch norm" if values["batch_norm"] else "",
        "before the activation" if values.get("norm_first") else "",
        *(values[n] for n in ("augmentation", "precision") if values.get(n) not in PLAIN),
    ]
    words += [f"{n.replace('_', ' ')} {values[n]:.2g}" for n in LABELS if values[n]]
    words += [f"{n} {values[n]:.1g}" for n in ("l1", "l2") if values[f"use_{n}"]]
    return " · ".join(word for word in words if word)
