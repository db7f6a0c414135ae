"""What a study has come to, read from its files alone, also while it runs."""

from typing import Any

from search.errors import Misuse
from search.store import Json, Study


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


def study_record(study: Study) -> Json:
    """The content of `study.json`. Raises Misuse where there is none."""
    try:
        about = study.read_json("study.json")
    except ValueError as error:
        raise Misuse(f"{study.directory}/study.json is torn: {error}") from error
    if about is None:
        raise Misuse(
            f"there is no study {study.name} in {study.logs}/: python -m search run makes one"
        )
    return about


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
