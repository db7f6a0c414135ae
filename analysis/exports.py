"""Export a study as CSV or Parquet tables, or as an Optuna storage."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from analysis.evidence.study import Study
from search.records.errors import Misuse


def export(study: Study, kind: str, directory: Path) -> list[Path]:
    """Write a study as "csv", "parquet" or "optuna" to a folder, and return the files.

    Raises Misuse if the Optuna storage already exists, because every trial would be added twice.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if kind == "optuna":
        return [_optuna(study, directory / f"{study.name}.db")]
    tables = {
        "trials": study.trials.reset_index(),
        "chains": study.chains.rename(columns={"score": study.objective.name}).reset_index(),
        "curves": study.curves,
        "executions": study.executions,
    }
    paths = []
    for name, table in tables.items():
        path = directory / f"{study.name}-{name}.{kind}"
        flat = table.copy()
        for column in [name for name in flat if flat[name].dtype.kind == "O"]:
            if flat[column].map(lambda cell: isinstance(cell, list)).any():
                flat[column] = flat[column].map(", ".join)
            elif flat[column].map(type).nunique() > 1 and kind == "parquet":
                flat[column] = flat[column].map(lambda cell: None if pd.isna(cell) else str(cell))
        if kind == "csv":
            flat.to_csv(path, index=False, lineterminator="\n")
        else:
            flat.to_parquet(path, index=False)
        paths.append(path)
    return paths


def _optuna(study: Study, path: Path) -> Path:
    """Write every trial with its values and its objective by epoch; each rung is a trial."""
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import TrialState, create_trial

    from analysis.evidence.importance import distribution, plain

    if path.exists():
        raise Misuse(f"{path} already exists: remove it, or choose another folder with --out")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.create_study(
        storage=f"sqlite:///{path}",
        study_name=study.name,
        direction="minimize" if study.lower else "maximize",
    )
    objective = study.objective.name
    states = {"COMPLETED": TrialState.COMPLETE, "FAILED": TrialState.FAIL}
    first = study.curves[study.curves["execution"] == 0]
    curves = dict(iter(first.groupby("trial")))
    moment: Callable[[float], datetime | None] = lambda seconds: (  # noqa: E731
        None if pd.isna(seconds) else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    )
    trials = []
    for trial, row in study.trials.iterrows():
        names = [n for n in study.hyperparameters if not pd.isna(row[n])]
        kinds: dict[str, BaseDistribution] = {n: distribution(study, n) for n in names}
        epochs = curves.get(trial, pd.DataFrame(columns=["epoch", objective]))
        reached = {
            int(e): float(v)
            for e, v in zip(epochs["epoch"], epochs[objective], strict=True)
            if not math.isnan(v)
        }
        state = states.get(row["status"], TrialState.FAIL)
        if state == TrialState.COMPLETE and pd.isna(row["score"]):
            state = TrialState.FAIL
        made = create_trial(
            state=state,
            params={n: plain(row[n], kinds[n]) for n in names},
            distributions=kinds,
            value=row["score"] if state == TrialState.COMPLETE else None,
            intermediate_values=reached,
            user_attrs={
                key: plain(row[key])
                for key in ("status", "bracket", "rung", "parent", "chain", "seed", "epochs")
                if not pd.isna(row[key])
            }
            | {"trial": trial},
        )
        made.datetime_start = moment(row["started"]) or made.datetime_start
        made.datetime_complete = moment(row["ended"]) or made.datetime_complete
        trials.append(made)
    storage.add_trials(trials)
    return path
