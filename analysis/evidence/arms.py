"""The runs of a controlled study: which trial is which arm and seed of which part."""

import itertools
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

import numpy as np
import pandas as pd

from analysis.evidence import paired
from analysis.evidence.study import Study
from search.records.objective import Objective
from search.records.parts import LEVEL_EPOCHS, PlannedPart
from search.records.trial import HeldOut, Values, key_of

COMPARE = "compare"
"""The `exercise` of a part that compares any hyperparameter's values."""


class Endpoint(StrEnum):
    """The two quantities by which arms are compared."""

    LEVEL = "level"
    """The mean of the objective over the last three epochs."""
    MEAN = "mean"
    """The mean of the objective over all epochs, which grows with the speed of convergence."""


@dataclass(frozen=True, eq=False)
class Part:
    """One comparison of a controlled study. Parts are equal if identical.

    runs: a row for each planned arm and seed: trial (blank if it was not run), status, and
        held_out, the value of the objective, if held-out images judged the trial.
    curves: a row for each completed run and epoch, the columns of `Study.curves` and arm, seed.
    at_start: a row for each completed run: arm, seed and diagnostics before the first epoch.
    """

    study: Study
    exercise: str
    name: str
    level: int | None
    reference: str
    epochs: int
    arms: list[str]
    values: dict[str, Values]
    runs: pd.DataFrame
    curves: pd.DataFrame
    at_start: pd.DataFrame
    _found: dict[object, pd.DataFrame] = field(default_factory=dict, repr=False)

    @property
    def label(self) -> str:
        """The name, with the level if several parts share the name."""
        return f"{self.name} {self.level}" if self.level else self.name

    @property
    def objective(self) -> Objective:
        """What the arms are compared by."""
        return self.study.objective

    @property
    def stops(self) -> bool:
        """Whether runs stopped early and were judged by images that did not stop them."""
        return bool(self.study.held_out)

    def table(self, column: str = "", endpoint: Endpoint = Endpoint.LEVEL) -> pd.DataFrame:
        """Return an endpoint of a quantity of completed runs: a row a seed, a column an arm.

        column: of `curves`. Empty: what arms are compared by. It is held_out, whatever the endpoint,
        if runs stop early, else the objective. The frame is made once and must not be changed.
        """
        key = ("table", column, endpoint)
        if key not in self._found:
            self._found[key] = self._table(column, endpoint).reindex(columns=self.arms)
        return self._found[key]

    def _table(self, column: str, endpoint: Endpoint) -> pd.DataFrame:
        if not column and self.stops:
            judged = self.runs.dropna(subset=["held_out"])
            return judged.pivot(index="seed", columns="arm", values="held_out")
        curves = self.curves
        if curves.empty:
            return pd.DataFrame(columns=self.arms, dtype=float)
        if endpoint is Endpoint.LEVEL:
            curves = curves.groupby(["trial", "execution"]).tail(LEVEL_EPOCHS)
        values = curves.groupby(["seed", "arm"])[column or self.objective.name].mean()
        return values.unstack("arm")

    def afresh(self) -> pd.DataFrame:
        """Return the objective after the last epoch, with fresh statistics of batch normalisation.

        A row a seed, a column an arm. Runs without batch normalisation have their last epoch. Arms with
        it that were not measured are missing.
        """
        last = self.at_epoch(self.epochs).copy()
        normed = [arm for arm in self.arms if self.values[arm].get("batch_norm")]
        last[normed] = np.nan
        for run in self.runs.itertuples():
            if run.arm in normed and run.trial in self.study.fresh:
                last.loc[run.seed, run.arm] = self.study.fresh[run.trial][self.objective.name]
        return last

    def level_at(self, epoch: int) -> pd.DataFrame:
        """Return the mean of the objective over the last epochs up to an epoch, by seed and arm."""
        within = self.curves[self.curves["epoch"].between(epoch - LEVEL_EPOCHS + 1, epoch)]
        values = within.groupby(["seed", "arm"])[self.objective.name].mean()
        return values.unstack("arm").reindex(columns=self.arms)

    def at_epoch(self, epoch: int) -> pd.DataFrame:
        """Return the objective of completed runs after an epoch: a row a seed, a column an arm."""
        own = self.curves[self.curves["epoch"] == epoch]
        if own.empty:
            return pd.DataFrame(columns=self.arms, dtype=float)
        values = own.groupby(["seed", "arm"])[self.objective.name].mean()
        return values.unstack("arm").reindex(columns=self.arms)

    def compared(self, endpoint: Endpoint = Endpoint.LEVEL) -> pd.DataFrame:
        """Return every arm against the reference (`paired.compare`). The frame is made once."""
        key = ("compared", endpoint)
        if key not in self._found:
            self._found[key] = paired.compare(self.table(endpoint=endpoint), self.reference)
        return self._found[key]

    def epochs_to(self, goal: float) -> pd.DataFrame:
        """Return the epochs in which runs reach a value: a row a seed, a column an arm.

        Infinity for a run that never does, NaN for a run that is missing.
        """
        column = self.objective.name
        rows = {
            key: paired.epochs_to(run.set_index("epoch")[column], goal, self.study.lower)
            for key, run in self.curves[self.curves["execution"] == 0].groupby(["seed", "arm"])
        }
        if not rows:
            return pd.DataFrame(columns=self.arms)
        return pd.Series(rows).unstack().reindex(columns=self.arms)

    def reached(self, goal: float) -> pd.DataFrame:
        """Compare the epochs to a value with those of the reference, as `paired.compare` does.

        A run that never reaches it counts as if it reached it in the epoch after its last. If arms do
        not differ, any sign of a paired difference is as likely, whatever is counted, so p is valid.
        The size of a difference with such runs is too small, and its interval means little.
        """
        counted = self.epochs_to(goal).replace(np.inf, self.epochs + 1)
        return paired.compare(counted, self.reference)

    def trials(self, arm: str) -> str:
        """Return the trials of an arm, in the order of seeds."""
        return ", ".join(self.runs.loc[self.runs["arm"] == arm, "trial"].dropna())

    def seeds(self) -> list[int]:
        """Return the seeds that some arm has completed."""
        return sorted({int(seed) for seed in self.curves["seed"]})


@cache
def parts(study: Study) -> list[Part]:
    """Return the parts of a controlled study; a search has none."""
    trials = {key_of(values): trial for trial, values in study.values.items()}
    return [_part(study, planned, trials) for planned in study.parts]


def _part(study: Study, planned: PlannedPart, trials: dict[str, str]) -> Part:
    """Return a planned part with its runs. trials: `key_of` the values of each, to its name."""
    keys = planned.keys()
    named = {arm: _told(planned, arm) for arm in [*planned.arms, planned.reference]}
    rows = []
    for arm, seed in itertools.product(planned.arms, planned.seeds):
        trial = trials.get(keys[arm, seed])
        status = study.trials.loc[trial, "status"] if trial else "MISSING"
        judged = study.held_out.get(trial or "")
        row = {"arm": named[arm], "seed": seed, "trial": trial, "status": status}
        rows.append({**row, "held_out": _judgement(judged) if judged else None})
    runs = pd.DataFrame(rows)
    done = runs.loc[runs["status"] == "COMPLETED", ["arm", "seed", "trial"]]
    at_start = study.at_start.reset_index()
    return Part(
        study,
        planned.exercise,
        planned.name,
        planned.level,
        named[planned.reference],
        planned.epochs,
        [named[arm] for arm in planned.arms],
        {named[arm]: values for arm, values in planned.arms.items()},
        runs,
        study.curves.merge(done, on="trial"),
        at_start.merge(done, on="trial"),
    )


def _told(planned: PlannedPart, arm: str) -> str:
    """Return an arm's name in a report. A bare value gets the name of its hyperparameter."""
    alone = planned.exercise == COMPARE and planned.name in planned.arms.get(arm, {})
    return f"{planned.name}={arm}" if alone else arm


def _judgement(held_out: HeldOut) -> float:
    """Return what runs are compared by."""
    return held_out.accuracy if held_out.value is None else held_out.value
