"""Reads a KerasTuner project directory, by any program, finished or not.

What is missing is listed in the notes and left blank, never guessed.
"""

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from analysis.evidence import events
from analysis.evidence.study import Study
from search.records.errors import Misuse
from search.records.reading import Invalid, Json
from search.records.study import study_record
from search.records.trial import TrialRun, trial_run

CURVES = {
    ("train", "epoch_loss"): "loss",
    ("train", "epoch_accuracy"): "accuracy",
    ("validation", "epoch_loss"): "val_loss",
    ("validation", "epoch_accuracy"): "val_accuracy",
    ("train", "epoch_learning_rate"): "learning_rate",
}
"""Folder and tag of Keras' TensorBoard callback, to the name in a Keras history."""


def load(directory: Path, event_files: Path | None = None) -> Study:
    """Read a study.

    event_files: folder of the TensorBoard event files, if they are not under `directory`.
    Raises Misuse if there is no study, Failure if `study.json` is not as its format says.
    """
    if not directory.is_dir():
        raise Misuse(f"there is no folder {directory}: --logs names the folder, --study the study")
    found = (re.fullmatch(r"trial_(.+)", p.name) for p in directory.iterdir() if p.is_dir())
    ids = sorted(match[1] for match in found if match)
    if not ids:
        raise Misuse(f"{directory} holds no trial_* folder: it is no KerasTuner project")
    notes: list[str] = []
    content = _read(directory / "study.json", notes, needed=False)
    record = study_record(content, directory / "study.json") if content else None
    oracle = _read(directory / "oracle.json", notes, needed=False) or {}
    contents = {i: _read(directory / f"trial_{i}" / "trial.json", notes) for i in ids}
    runs = _runs(contents, notes)
    whole = {i: content for i in runs if (content := contents[i])}
    if not whole:
        raise Misuse(f"{directory}: no trial.json is whole; {'; '.join(notes)}")
    space = _space(whole, oracle)
    rows = [_row(i, content, runs[i], space, oracle) for i, content in whole.items()]
    trials = pd.DataFrame(rows).set_index("trial")
    trials["chain"] = [_root(i, trials["parent"].to_dict()) for i in trials.index]
    curves, at_start = _curves(whole, runs, event_files or directory, notes)
    if trials["epochs"].isna().any() and len(curves):
        # A tuner other than Hyperband labels no budget: it is what was trained.
        trials["epochs"] = trials["epochs"].fillna(curves.groupby("trial")["epoch"].max())
    names = list(dict.fromkeys(hp["config"]["name"] for hp in space))
    other = [
        i for i in trials.index[trials["status"] == "COMPLETED"] if pd.isna(trials["score"][i])
    ]
    if other:
        notes.append(f"no val_accuracy recorded, searched by something else: {', '.join(other)}")
    planned = record.planned.trials if record and record.planned else 0
    if planned > len(trials):
        notes.append(f"not begun: {planned - len(trials)} of {planned} planned trials")
    unfinished = trials.index[~trials["status"].isin(["COMPLETED", "FAILED", "INVALID"])]
    if len(unfinished):
        notes.append(f"not finished: {', '.join(unfinished)}")
    bounds, log_scaled = _bounds(space)
    values = {i: content["hyperparameters"].get("values", {}) for i, content in whole.items()}
    judged = {i: run.held_out for i in whole if (run := runs[i]) and run.held_out}
    return Study(
        directory.resolve().name,
        directory,
        trials,
        curves,
        at_start,
        values,
        names,
        bounds,
        log_scaled,
        record,
        notes,
        judged,
    )


def _read(path: Path, notes: list[str], needed: bool = True) -> Json | None:
    try:
        # A study written by KerasTuner may hold a bare NaN, which is not JSON.
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if needed:
            notes.append(f"{path.parent.name}: no {path.name}")
        return None
    except ValueError:
        notes.append(f"{path.parent.name}/{path.name} is torn: left out")
        return None
    return content if isinstance(content, dict) else None


def _runs(contents: dict[str, Json | None], notes: list[str]) -> dict[str, TrialRun | None]:
    """Return by trial how it was trained, None if another program trained it.

    A trial whose `run` is not as recorded is left out.
    """
    runs: dict[str, TrialRun | None] = {}
    for trial, content in contents.items():
        if content is None:
            continue
        try:
            runs[trial] = trial_run(content["run"]) if content.get("run") else None
        except Invalid as error:
            notes.append(f"trial_{trial}/trial.json: {error}: left out")
    return runs


def _space(records: dict[str, Json], oracle: Json) -> list[Json]:
    """Every hyperparameter declared, with its conditions; one name may be declared twice."""
    declared: dict[str, Json] = {}
    sources = [oracle.get("hyperparameters", {}), *(r["hyperparameters"] for r in records.values())]
    for source in sources:
        for hp in source.get("space", []):
            declared.setdefault(json.dumps(hp, sort_keys=True), hp)
    return list(declared.values())


def _active(name: str, values: Json, space: list[Json]) -> bool:
    """Whether a hyperparameter has an effect, by its conditions, as in KerasTuner."""
    return any(
        all(
            condition["config"]["name"] in values
            and values[condition["config"]["name"]] in condition["config"]["values"]
            and _active(condition["config"]["name"], values, space)
            for condition in hp["config"].get("conditions") or []
        )
        for hp in space
        if hp["config"]["name"] == name
    )


def _row(trial: str, record: Json, run: TrialRun | None, space: list[Json], oracle: Json) -> Json:
    values = record["hyperparameters"].get("values", {})
    initial = values.get("tuner/initial_epoch", 0)
    epochs = values.get("tuner/epochs")
    score, best = _accuracy(record)
    # KerasTuner counts steps from the start of the rung; `run` marks our own absolute ones.
    best = None if best is None else best + 1 + (0 if run else initial)
    names = dict.fromkeys(hp["config"]["name"] for hp in space)
    return {
        "trial": trial,
        "status": record.get("status"),
        "score": score,
        "best_epoch": best,
        "initial_epoch": initial,
        "epochs": epochs,
        "bracket": _bracket(values, oracle),
        "rung": values.get("tuner/round"),
        "parent": values.get("tuner/trial_id"),
        "seed": values.get("tuner/seed", run.seed if run else None),
        "started": run.started if run else None,
        "ended": run.ended if run else None,
        "seconds": run.seconds if run else None,
        "message": next(iter((record.get("message") or "").strip().splitlines()[-1:]), None),
        **{n: values.get(n) if _active(n, values, space) else None for n in names},
    }


def _accuracy(record: Json) -> tuple[float | None, int | None]:
    """Return the best val_accuracy that KerasTuner recorded, and its step.

    The score is not used: it belongs to the objective of the search.
    """
    metrics = record.get("metrics", {}).get("metrics", {})
    observations = metrics.get("val_accuracy", {}).get("observations", [])
    pairs = [(fmean(seen["value"]), seen["step"]) for seen in observations]
    pairs = [(value, step) for value, step in pairs if math.isfinite(value)]
    if record.get("status") != "COMPLETED" or not pairs:
        return None, None
    best = max(value for value, _ in pairs)
    return best, next(step for value, step in pairs if value == best)


def _bracket(values: Json, oracle: Json) -> int | None:
    """Follows from the epochs and the round: stock KerasTuner labels trials with a wrong one."""
    rung, epochs = values.get("tuner/round"), values.get("tuner/epochs")
    if rung is None or "max_epochs" not in oracle:
        return values.get("tuner/bracket")
    longest, factor = oracle["max_epochs"], oracle["factor"]
    for bracket in range(rung, 64):
        planned = math.ceil(longest / factor ** (bracket - rung))
        if planned == epochs:
            return bracket
        if planned < epochs:
            break
    return values.get("tuner/bracket")


def _root(trial: str, parents: dict[str, Any]) -> str:
    seen = {trial}
    while isinstance(parent := parents.get(trial), str) and parent in parents:
        if parent in seen:
            break
        seen.add(parent)
        trial = parent
    return trial


def _curves(
    trials: Iterable[str], runs: dict[str, TrialRun | None], directory: Path, notes: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows: list[Json] = []
    starts: list[Json] = []
    without = []
    folders = None
    for trial in trials:
        if run := runs[trial]:
            rows += [
                {"trial": trial, "execution": 0, **row.to_file(), "epoch": row.epoch + 1}
                for row in run.epochs
            ]
            starts.append({"trial": trial, **run.at_start})
            continue
        if folders is None:
            folders = _event_folders(directory)
        logged = _logged(trial, folders.get(trial, {}), notes)
        rows += logged
        if not logged:
            without.append(trial)
    if without:
        notes.append(f"no curves (no event files): {', '.join(without)}")
    columns = ["trial", "execution", "epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    curves = pd.DataFrame(rows)
    for column in [*columns, "learning_rate", "seconds"]:
        if column not in curves:
            curves[column] = pd.Series(dtype=object if column == "trial" else float)
    curves = curves.sort_values(["trial", "execution", "epoch"]).reset_index(drop=True)
    at_start = pd.DataFrame(starts, columns=None if starts else ["trial"]).set_index("trial")
    return curves, at_start


def _event_folders(directory: Path) -> dict[str, dict[int, dict[str, Path]]]:
    """By trial, execution and run ("train" or "validation"), the folder of its event files."""
    found: dict[str, dict[int, dict[str, Path]]] = {}
    for folder in sorted({path.parent for path in directory.rglob(events.PATTERN)}):
        run, execution, trial = folder.name, folder.parent.name, folder.parent.parent.name
        match = re.fullmatch(r"execution(\d+)", execution)
        if match and run in ("train", "validation"):
            found.setdefault(trial, {}).setdefault(int(match[1]), {})[run] = folder
    return found


def _logged(trial: str, folders: dict[int, dict[str, Path]], notes: list[str]) -> list[Json]:
    rows: list[Json] = []
    for execution, runs in sorted(folders.items()):
        epochs: dict[int, Json] = {}
        for run, folder in runs.items():
            scalars, wrong = events.scalars(folder)
            notes += [f"trial {trial}: {line}" for line in wrong]
            for tag, steps in scalars.items():
                if (run, tag) in CURVES:
                    for step, number in steps.items():
                        epochs.setdefault(step, {})[CURVES[run, tag]] = number
        for step, row in sorted(epochs.items()):
            rows.append({"trial": trial, "execution": execution, "epoch": step + 1, **row})
    return rows


def _bounds(space: list[Json]) -> tuple[dict[str, list[Any] | tuple[float, float]], set[str]]:
    bounds: dict[str, list[Any] | tuple[float, float]] = {}
    log_scaled = set()
    for hp in space:
        config = hp["config"]
        name = config["name"]
        if hp["class_name"] == "Boolean":
            bounds[name] = [False, True]
        elif "values" in config:
            bounds[name] = list(config["values"])
        elif "min_value" in config:
            bounds[name] = (config["min_value"], config["max_value"])
            if config.get("sampling") in ("log", "reverse_log"):
                log_scaled.add(name)
        else:
            bounds[name] = [config.get("value")]
    return bounds, log_scaled
