"""The logs of one study as tidy frames."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from search.records.arguments import FinalArguments, HyperbandArguments, ProgramArguments
from search.records.datasets import Dataset
from search.records.objective import Objective
from search.records.parts import PlannedPart
from search.records.reading import Json
from search.records.study import SessionRecord, StudyRecord
from search.records.trial import COMPLETED, RANDOM, HeldOut


@dataclass(frozen=True, eq=False)
class Study:
    """The logs of one study. Epochs are absolute and counted from 1. Studies are equal if identical."""

    name: str
    directory: Path
    trials: pd.DataFrame
    """A row for each trial (index `trial`): status, score (the best value of `objective`, a mean if
    there are several executions), best_epoch (of the first execution), initial_epoch, epochs,
    bracket, rung, parent, chain, seed, started, ended, seconds, message (the error, on one line),
    executions, keras_fit (why Keras' own fit trained it, empty if the compiled loop did, blank if no
    record tells), sampler (what drew the configuration, blank if no record tells), cut_short (why it
    ended before its first epoch), then a column for each hyperparameter, blank if it is inactive."""
    curves: pd.DataFrame
    """A row for each trial, execution and epoch: loss, accuracy, val_loss, val_accuracy,
    learning_rate, seconds, every other metric, and diagnostics as `quantity/layer`. The objective
    has a column, even if no epoch reports it."""
    at_start: pd.DataFrame
    """A row for each trial: diagnostics before the first epoch, if they were recorded."""
    values: dict[str, Json]
    """By trial, the values in its file, with KerasTuner's `tuner/…` and inactive values."""
    hyperparameters: list[str]
    """Names, in the order of the space. A name that a column of `trials` or `chains`
    already has stands with `hp.` before it."""
    bounds: dict[str, list[Any] | tuple[float, float]]
    """Hyperparameter to its values, or to (low, high)."""
    log_scaled: set[str]
    """Hyperparameters that are sampled on a logarithmic scale."""
    record: StudyRecord | None
    """The content of `study.json`; None if another program wrote the study."""
    notes: list[str] = field(default_factory=list)
    """What is missing or was torn, a line each."""
    held_out: dict[str, HeldOut] = field(default_factory=dict)
    """By trial that was judged by held-out images, what its restored weights say of them."""
    fresh: dict[str, dict[str, float]] = field(default_factory=dict)
    """By trial, validation metrics with fresh statistics of batch normalisation, if measured."""
    objective: Objective = field(default_factory=Objective)
    """What the study optimised, as far as a record or the scores of the trials tell."""
    tracebacks: dict[str, str] = field(default_factory=dict)
    """By trial that failed with an exception, the traceback."""

    @property
    def facts(self) -> Dataset | None:
        """Facts of the data; None if no record tells."""
        return self.record.facts if self.record else None

    @property
    def own(self) -> bool:
        """Whether a hypermodel of the user's was trained, and not the built-in networks."""
        arguments = self.record.arguments if self.record else None
        return arguments is None or getattr(arguments, "hypermodel", None) is not None

    @property
    def lower(self) -> bool:
        """Whether a lower value of the objective is better."""
        return self.objective.direction == "min"

    def best(self, values: pd.Series) -> Any:
        """Return the label of the best of some values of the objective, the first of several.

        At least one value must be there.
        """
        return values.idxmin() if self.lower else values.idxmax()

    def ranked(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that have a score, the best first."""
        scored = frame.dropna(subset=["score"])
        return scored.sort_values("score", ascending=self.lower, kind="stable")

    @property
    def promotes(self) -> bool:
        """Whether trials continue others, as in Hyperband. Otherwise all have one budget."""
        arguments = self.record.arguments if self.record else None
        if isinstance(arguments, ProgramArguments):
            return arguments.tuner == "Hyperband"
        return any("tuner/epochs" in values for values in self.values.values())

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
        """A row for each configuration, with all its rungs (index `chain`: its first trial).

        trials: in order. epochs: trained in all. unselected: epochs of the first rung, which a
        random draw decided and not a promotion; 0 if the draw was not random. sampler: what drew
        the configuration. score, best_epoch: the best of any rung.
        status: FAILED if any rung failed, else COMPLETED, else RUNNING.
        """
        rows = []
        ordered = self.trials.sort_values(["initial_epoch", "epochs"], kind="stable")
        for chain, members in ordered.groupby("chain", sort=True):
            best = self.best(members["score"]) if members["score"].notna().any() else None
            statuses = set(members["status"])
            sampler = members["sampler"].fillna(RANDOM).iloc[0]
            status = next((s for s in ("FAILED", "COMPLETED") if s in statuses), "RUNNING")
            rows.append(
                {
                    "chain": chain,
                    "trials": list(members.index),
                    "status": status,
                    "bracket": members["bracket"].iloc[0],
                    "rungs": len(members),
                    "epochs": members.loc[members["status"] == COMPLETED, "epochs"].max(),
                    "unselected": members["epochs"].iloc[0] if sampler == RANDOM else 0,
                    "sampler": sampler,
                    "score": members.loc[best, "score"] if best else math.nan,
                    "best_epoch": members.loc[best, "best_epoch"] if best else None,
                    **members.iloc[0][self.hyperparameters],
                }
            )
        return pd.DataFrame(rows).set_index("chain") if rows else pd.DataFrame()

    @cached_property
    def chain_curves(self) -> pd.DataFrame:
        """The curves of the first execution, by chain instead of trial."""
        first = self.curves[self.curves["execution"] == 0]
        named = first.assign(chain=first["trial"].map(self.trials["chain"]))
        return named.sort_values(["chain", "epoch"]).drop_duplicates(
            ["chain", "epoch"], keep="last"
        )

    @property
    def executions(self) -> pd.DataFrame:
        """A row for each trial and execution: epochs logged, best and last value of the objective."""
        if self.curves.empty:
            return pd.DataFrame(columns=["trial", "execution", "epochs", "best", "last"])
        grouped = self.curves.groupby(["trial", "execution"])
        return grouped.agg(
            epochs=("epoch", "size"),
            best=(self.objective.name, "min" if self.lower else "max"),
            last=(self.objective.name, "last"),
        ).reset_index()
