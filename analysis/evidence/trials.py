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
from search.records.objective import Objective
from search.records.reading import Invalid, Json
from search.records.study import study_record
from search.records.trial import COMPLETED, FAILED, EpochRow, TrialRun, failure_line, trial_run

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
    objective = record.objective if record else _objective(whole.values())
    reached = bool(record and record.reached)
    curves, at_start = _curves(whole, runs, objective, event_files or directory, reached, notes)
    if objective.name not in curves:
        curves[objective.name] = math.nan
    names = _columns(space)
    rows = [
        _row(i, content, runs[i], space, oracle, objective, names) for i, content in whole.items()
    ]
    trials = pd.DataFrame(rows).set_index("trial")
    trials["chain"] = [_root(i, trials["parent"].to_dict()) for i in trials.index]
    if trials["epochs"].isna().any() and len(curves):
        # A tuner other than Hyperband labels no budget: it is what was trained.
        trials["epochs"] = trials["epochs"].fillna(curves.groupby("trial")["epoch"].max())
    other = [i for i in trials.index[trials["status"] == COMPLETED] if pd.isna(trials["score"][i])]
    if other:
        unknown = "" if record else ", searched by something else"
        notes.append(f"no {objective.name} recorded{unknown}: {', '.join(other)}")
    planned = record.planned.trials if record and record.planned else 0
    # A study that reached its target has ended, whatever was planned.
    if planned > len(trials) and not reached:
        notes.append(f"not begun: {planned - len(trials)} of {planned} planned trials")
    unfinished = trials.index[~trials["status"].isin([COMPLETED, FAILED, "INVALID"])]
    if len(unfinished) and not reached:
        notes.append(f"not finished: {', '.join(unfinished)}")
    bounds, log_scaled = _bounds(space, names)
    failed = {i: (content.get("message") or "").strip() for i, content in whole.items()}
    values = {i: content["hyperparameters"].get("values", {}) for i, content in whole.items()}
    judged = {i: run.held_out for i in whole if (run := runs[i]) and run.held_out}
    return Study(
        directory.resolve().name,
        directory,
        trials,
        curves,
        at_start,
        values,
        list(names.values()),
        bounds,
        log_scaled,
        record,
        notes,
        judged,
        {i: run.fresh for i in whole if (run := runs[i]) and run.fresh},
        objective,
        {i: message for i, message in failed.items() if message.startswith("Traceback")},
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


RESERVED = frozenset({
    "trial", "trials", "status", "score", "best_epoch", "initial_epoch", "epochs", "bracket", "rung",
    "rungs", "parent", "chain", "seed", "started", "ended", "seconds", "message", "executions",
    "keras_fit", "sampler", "cut_short", "unselected", "n", "value",
})  # fmt: skip
"""Columns that a hyperparameter may not take."""

NAMED = frozenset({"trial", "execution", "chain", "arm", "seed"})
"""Columns of curves that a metric may not take."""


def _columns(space: list[Json]) -> dict[str, str]:
    """Return the column of each hyperparameter, by its name."""
    names = dict.fromkeys(str(hp["config"]["name"]) for hp in space)
    return {name: f"hp.{name}" if name in RESERVED else name for name in names}


def _row(
    trial: str,
    record: Json,
    run: TrialRun | None,
    space: list[Json],
    oracle: Json,
    objective: Objective,
    names: dict[str, str],
) -> Json:
    values = record["hyperparameters"].get("values", {})
    initial = values.get("tuner/initial_epoch", 0)
    epochs = values.get("tuner/epochs")
    score, best = _score(record, run, objective)
    # KerasTuner counts steps from the start of the rung; `run` marks our own absolute ones.
    best = None if best is None else best + 1 + (0 if run else initial)
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
        "message": failure_line(record.get("message")) or None,
        "executions": run.executions if run else None,
        "keras_fit": run.keras_fit if run else None,
        "sampler": values.get("tuner/sampler"),
        "cut_short": run.cut_short if run else None,
        **{
            column: values.get(n) if _active(n, values, space) else None
            for n, column in names.items()
        },
    }


def _objective(records: Iterable[Json]) -> Objective:
    """Return what another program's study optimised, as far as its trials tell.

    It is the metric whose best values are the scores. If there are several or none, it is
    val_accuracy.
    """
    done = [r for r in records if r.get("status") == COMPLETED and r.get("score") is not None]
    found = []
    for name, metric in (done[0].get("metrics", {}).get("metrics", {}) if done else {}).items():
        objective = Objective(name, "min" if metric.get("direction") == "min" else "max")
        bests = [_recorded(record, objective)[0] for record in done]
        if all(best == record["score"] for best, record in zip(bests, done, strict=True)):
            found.append(objective)
    return found[0] if len(found) == 1 else Objective()


def _score(
    record: Json, run: TrialRun | None, objective: Objective
) -> tuple[float | None, int | None]:
    """Return a trial's best value of the objective, and its step.

    With several executions, the value is the mean of their best values, and the step is that of the
    first. If no epoch reports the objective, KerasTuner's own metrics tell, and then its score.
    """
    if record.get("status") != COMPLETED:
        return None, None
    executions = [run.execution(n) for n in range(run.executions)] if run else []
    bests = [best for rows in executions if (best := objective.best(rows))]
    if bests:
        return fmean(objective.value(best.logs) for best in bests), bests[0].epoch
    score, step = _recorded(record, objective)
    if score is None and run and isinstance(record.get("score"), int | float):
        return record["score"], None
    return score, step


def _recorded(record: Json, objective: Objective) -> tuple[float | None, int | None]:
    """Return the best value of the objective that KerasTuner recorded, and its step."""
    metrics = record.get("metrics", {}).get("metrics", {})
    observations = metrics.get(objective.name, {}).get("observations", [])
    pairs = [(fmean(seen["value"]), seen["step"]) for seen in observations]
    pairs = [(value, step) for value, step in pairs if math.isfinite(value)]
    if not pairs:
        return None, None
    values = [value for value, _ in pairs]
    best = min(values) if objective.direction == "min" else max(values)
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


def _epoch(trial: str, row: EpochRow, objective: Objective) -> Json:
    """Return the row of `Study.curves` of an epoch: its metrics and a combined objective too."""
    content = row.to_file()
    metrics = {key: v for key, v in content.pop("metrics", {}).items() if key not in NAMED}
    if objective.parts:
        metrics[objective.name] = objective.value(row.logs)
    named = {"trial": trial, "execution": row.execution}
    return {**named, **metrics, **content, **named, "epoch": row.epoch + 1}


def _curves(
    trials: Iterable[str],
    runs: dict[str, TrialRun | None],
    objective: Objective,
    directory: Path,
    reached: bool,
    notes: list[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `Study.curves` and `Study.at_start`.

    reached: whether a trial reached the study's target, which cut off the trials beside it.
    """
    rows: list[Json] = []
    starts: list[Json] = []
    without = []
    folders = None
    for trial in trials:
        if run := runs[trial]:
            rows += [_epoch(trial, row, objective) for row in run.epochs]
            starts.append({"trial": trial, **run.at_start})
            continue
        if folders is None:
            folders = _event_folders(directory)
        logged = _logged(trial, folders.get(trial, {}), notes)
        rows += logged
        if not logged:
            without.append(trial)
    if without and not reached:
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


def _bounds(
    space: list[Json], names: dict[str, str]
) -> tuple[dict[str, list[Any] | tuple[float, float]], set[str]]:
    """Return the range of each hyperparameter, by column, and which are on a logarithmic scale.

    A name that is declared several times, under different conditions, has all ranges together.
    """
    bounds: dict[str, list[Any] | tuple[float, float]] = {}
    log_scaled = set()
    for hp in space:
        config = hp["config"]
        name = names[config["name"]]
        own: list[Any] | tuple[float, float]
        if hp["class_name"] == "Boolean":
            own = [False, True]
        elif "values" in config:
            own = list(config["values"])
        elif "min_value" in config:
            own = (config["min_value"], config["max_value"])
            if config.get("sampling") in ("log", "reverse_log"):
                log_scaled.add(name)
        else:
            own = [config.get("value")]
        before = bounds.get(name, own)
        if isinstance(before, tuple) and isinstance(own, tuple):
            bounds[name] = (min(before[0], own[0]), max(before[1], own[1]))
        else:
            bounds[name] = [*before, *(value for value in own if value not in before)]
    return bounds, log_scaled
