"""A KerasTuner project directory as tidy frames, whoever wrote it and however it ended.

What is missing is said in `notes` and left blank, never guessed.
"""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from analysis.evidence import events
from search.records.arguments import FinalArguments, HyperbandArguments
from search.records.errors import Misuse
from search.records.parts import PlannedPart
from search.records.reading import Invalid
from search.records.study import SessionRecord, StudyRecord, study_record
from search.records.trial import HeldOut, TrialRun, trial_run

CURVES = {
    ("train", "epoch_loss"): "loss",
    ("train", "epoch_accuracy"): "accuracy",
    ("validation", "epoch_loss"): "val_loss",
    ("validation", "epoch_accuracy"): "val_accuracy",
    ("train", "epoch_learning_rate"): "learning_rate",
}
"""Keras' TensorBoard callback: folder and tag, and the name of the same in a Keras history."""


Json = dict[str, Any]


@dataclass(frozen=True)
class Study:
    """A study's logs.

    trials: a row a trial (index `trial`): status, score (its best val_accuracy, whatever it was
        searched by), best_epoch, initial_epoch, epochs, bracket, rung, parent, chain, seed,
        started, ended, seconds, message, then a column a hyperparameter, blank where it is
        inactive. Epochs are absolute, the first being 1.
    curves: a row a trial, execution and epoch (from 1, absolute): loss, accuracy, val_loss,
        val_accuracy, learning_rate, seconds, and diagnostics as `quantity/layer`.
    at_start: a row a trial: diagnostics before the first epoch, where they were recorded.
    values: by trial, the values in its file, KerasTuner's `tuner/…` and inactive ones included.
    hyperparameters: names, in the space's order.
    bounds: hyperparameter to its values, or to (low, high).
    record: the content of `study.json`, None if another program wrote the study.
    notes: what is missing or was torn, a line each.
    held_out: by trial, of those that stopped early and were judged by other images than stopped
        them: epoch restored (from 0), accuracy, loss, and by image labels and predicted classes.
    """

    name: str
    directory: Path
    trials: pd.DataFrame
    curves: pd.DataFrame
    at_start: pd.DataFrame
    values: dict[str, Json]
    hyperparameters: list[str]
    bounds: dict[str, list[Any] | tuple[float, float]]
    log_scaled: set[str]
    record: StudyRecord | None
    notes: list[str] = field(default_factory=list)
    held_out: dict[str, HeldOut] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, str]:
        """File name to SHA-256 of the data; empty if no record tells."""
        return self.record.data if self.record else {}

    @property
    def sessions(self) -> tuple[SessionRecord, ...]:
        """The runs that worked on the study, as far as a record tells."""
        return self.record.sessions if self.record else ()

    @property
    def search(self) -> str:
        """Name of the search that a final study or an ablation belongs to.

        Raises ValueError if the study belongs to no search.
        """
        if self.record is None or self.record.search is None:
            raise ValueError(f"study {self.name} belongs to no search")
        return self.record.search

    @property
    def final_arguments(self) -> FinalArguments:
        """The arguments of a final study. Raises ValueError if the study is of another kind."""
        arguments = self.record.arguments if self.record else None
        if not isinstance(arguments, FinalArguments):
            raise ValueError(f"study {self.name} is no final study")
        return arguments

    @property
    def patience(self) -> int:
        """Epochs without improvement that stop a trial of a study that stops trials early."""
        if self.record is None or self.record.patience is None:
            raise ValueError(f"study {self.name} stops no trial early")
        return self.record.patience

    @property
    def watched_from(self) -> int:
        """The first epoch, from 1, that early stopping watches."""
        if self.record is None or self.record.watched_from is None:
            raise ValueError(f"study {self.name} stops no trial early")
        return self.record.watched_from + 1

    @property
    def search_arguments(self) -> HyperbandArguments | None:
        """The arguments of a search of this project; None for any other study."""
        arguments = self.record.arguments if self.record else None
        return arguments if isinstance(arguments, HyperbandArguments) else None

    @property
    def parts(self) -> tuple[PlannedPart, ...]:
        """The parts of a study of arms and seeds; a search has none."""
        return self.record.parts if self.record else ()

    @property
    def kind(self) -> str:
        """`exercises`, `ablation` or `final`; any other study is a search."""
        return self.record.command if self.record else HyperbandArguments.COMMAND

    @property
    def begun(self) -> float | None:
        """Start of the first run, in seconds since 1970; None if no record tells."""
        return self.record.sessions[0].started if self.record and self.record.sessions else None

    @property
    def restored(self) -> dict[str, int]:
        """By trial that stopped early, the epoch (from 1) whose weights were restored."""
        return {trial: found.epoch + 1 for trial, found in self.held_out.items()}

    @cached_property
    def chains(self) -> pd.DataFrame:
        """A row a configuration, all its rungs together (index `chain`, its first trial).

        trials: its trials in order. epochs: trained in all. unselected: epochs of its first rung,
        to which it came by a random draw and not by a promotion. val_accuracy, best_epoch: the
        best of any rung. status: FAILED where any rung failed, else COMPLETED, else RUNNING.
        """
        rows = []
        ordered = self.trials.sort_values(["initial_epoch", "epochs"], kind="stable")
        for chain, members in ordered.groupby("chain", sort=True):
            best = members["score"].idxmax() if members["score"].notna().any() else None
            statuses = set(members["status"])
            status = next((s for s in ("FAILED", "COMPLETED") if s in statuses), "RUNNING")
            rows.append(
                {
                    "chain": chain,
                    "trials": list(members.index),
                    "status": status,
                    "bracket": members["bracket"].iloc[0],
                    "rungs": len(members),
                    "epochs": members.loc[members["status"] == "COMPLETED", "epochs"].max(),
                    "unselected": members["epochs"].iloc[0],
                    "val_accuracy": members["score"].max(),
                    "best_epoch": members.loc[best, "best_epoch"] if best else None,
                    **members.iloc[0][self.hyperparameters],
                }
            )
        return pd.DataFrame(rows).set_index("chain") if rows else pd.DataFrame()

    @cached_property
    def chain_curves(self) -> pd.DataFrame:
        """The curves of the first execution with their chain instead of their trial."""
        first = self.curves[self.curves["execution"] == 0]
        named = first.assign(chain=first["trial"].map(self.trials["chain"]))
        return named.sort_values(["chain", "epoch"]).drop_duplicates(
            ["chain", "epoch"], keep="last"
        )

    @property
    def executions(self) -> pd.DataFrame:
        """A row a trial and execution: epochs logged, best and last val_accuracy."""
        if self.curves.empty:
            return pd.DataFrame(columns=["trial", "execution", "epochs", "best", "last"])
        grouped = self.curves.groupby(["trial", "execution"])
        return grouped.agg(
            epochs=("epoch", "size"), best=("val_accuracy", "max"), last=("val_accuracy", "last")
        ).reset_index()


def load(directory: Path, event_files: Path | None = None) -> Study:
    """Reads a study.

    event_files: folder of the TensorBoard event files, where they are not under `directory`.
    Raises Misuse where there is no study.
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
    """The best val_accuracy that KerasTuner recorded, and its step: not the score, which is of
    whatever objective the search had.
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
