"""What a study has come to, read from its files alone, also while it runs; and how to go on."""

import json
import shlex
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from search.records.folder import Json, Study, study_record

LABELS = ("dropout", "input_dropout", "label_smoothing")


PLAIN = (None, "none", "float32")


def summarize(study: Study) -> Json:
    """Counts, times and the best trial of a study, for people and, as it is, for machines.

    Raises Misuse where there is no such study.
    """
    about = study_record(study)
    trials, torn = study.read_trials()
    by_status = {
        status: [t for t in trials.values() if t["status"] == status]
        for status in ("COMPLETED", "FAILED", "RUNNING")
    }
    epochs = sum(len(t.get("run", {}).get("epochs", [])) for t in trials.values())
    seconds = sum(session["seconds"] for session in about["sessions"])
    return {
        "study": study.name,
        "command": about["command"],
        "search": about["arguments"].get("search"),
        "dataset": about["arguments"]["dataset"],
        "finished": about["finished"],
        "trials": len(trials),
        "planned_trials": about["planned"]["trials"],
        "completed": len(by_status["COMPLETED"]),
        "failed": len(by_status["FAILED"]),
        "running": len(by_status["RUNNING"]),
        "torn": len(torn),
        "epochs": epochs,
        "planned_epochs": about["planned"]["epochs"],
        "seconds": round(seconds, 1),
        "cpu_seconds": round(sum(session["cpu_seconds"] for session in about["sessions"]), 1),
        "epochs_per_second": round(epochs / seconds, 3) if seconds else None,
        "peak_memory_mb": max((s["peak_memory"] for s in about["sessions"]), default=0) // 2**20,
        "best": best(by_status["COMPLETED"]),
    }


def best(completed: list[Json]) -> Json | None:
    """The trial of the highest score, the first of equals as in KerasTuner."""
    if not completed:
        return None
    trial = max(completed, key=lambda t: t["score"])
    values: dict[str, Any] = trial["hyperparameters"]["values"]
    return {
        "trial_id": trial["trial_id"],
        "val_accuracy": trial["score"],
        "epoch": trial["best_step"] + 1,
        "bracket": values.get("tuner/bracket"),
        "rung": values.get("tuner/round"),
        "hyperparameters": {k: v for k, v in values.items() if not k.startswith("tuner/")},
    }


def print_summary(summary: Json, as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary, allow_nan=False))
        return
    table = Table(show_header=False, box=None)
    table.add_row("study", summary["study"] + ("" if summary["finished"] else " (not finished)"))
    table.add_row("data", summary["dataset"])
    table.add_row(
        "trials",
        f"{summary['trials']} of {summary['planned_trials']}: {summary['completed']} completed, "
        f"{summary['failed']} failed, {summary['running']} running",
    )
    table.add_row("epochs", f"{summary['epochs']} of {summary['planned_epochs']}")
    rate = summary["epochs_per_second"]
    table.add_row(
        "time",
        f"{duration(summary['seconds'])}" + (f", {rate:.2f} epochs a second" if rate else ""),
    )
    if summary["best"]:
        best = summary["best"]
        table.add_row("best", f"val_accuracy {best['val_accuracy']:.4f}, trial {best['trial_id']}")
        table.add_row("", brief(best["hyperparameters"]))
    if "test" in summary:
        for arm, row in summary["test"]["arms"].items():
            table.add_row(
                arm,
                f"held-out {row['held_out_accuracy']:.4f}, test {row['test_accuracy']:.4f}, "
                f"means of {row['models']} models",
            )
        table.add_row("model", summary["test"]["file"])
    Console(highlight=False).print(table)


def continuing(
    study: Study, verb: str, asked_for: str, data_dir: Path | None, reason: str | None = None
) -> str:
    """The command that continues a study. asked_for: what its --study was. reason: why its test
    set is opened again.
    """
    words = ["--study", asked_for]
    if study.logs != Path("tuner_logs"):
        words += ["--logs", str(study.logs)]
    if data_dir:
        words += ["--data-dir", str(data_dir)]
    if reason:
        words += ["--open-test-again", reason]
    return f"python -m search {verb} {shlex.join(words)}"


def next_steps(study: Study) -> str:
    """The commands that look at a study; one that belongs to a search is reported beside it."""
    names = [study.name]
    if search := study_record(study)["arguments"].get("search"):
        whole = Study(study.logs, search)
        names = [s.name for s in (whole, whole.final, whole.path) if s.trial_ids()]
    words = [word for name in names for word in ("--study", name)]
    if study.logs != Path("tuner_logs"):
        words += ["--logs", str(study.logs)]
    return (
        f"next: tensorboard --logdir {shlex.quote(str(study.directory))}\n"
        f"      python -m analysis report {shlex.join(words)}"
    )


def duration(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3 min 05 s, 2 h 07 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def brief(values: dict[str, Any]) -> str:
    """A configuration in one line, what is off left out."""
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
