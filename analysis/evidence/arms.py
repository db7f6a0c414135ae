"""The runs of a controlled study: which trial is which arm and seed of which part."""

import itertools
from dataclasses import dataclass

import pandas as pd

from analysis.evidence.study import Study
from search.records.objective import Objective
from search.records.parts import PlannedPart
from search.records.trial import HeldOut, Values, key_of

COMPARE = "compare"
"""The `exercise` of a part that compares any hyperparameter's values."""


@dataclass(frozen=True)
class Part:
    """One comparison of a controlled study.

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

    def table(self, column: str = "") -> pd.DataFrame:
        """Return a quantity of completed runs after the last epoch: a row a seed, a column an arm.

        column: of `curves`. Empty: what arms are compared by, which is held_out if runs stop early,
        else the objective.
        """
        if not column and self.stops:
            found = self.runs.dropna(subset=["held_out"])
            table = found.pivot(index="seed", columns="arm", values="held_out")
        else:
            last = self.curves.groupby("trial").tail(1)
            table = last.pivot(index="seed", columns="arm", values=column or self.objective.name)
        return table.reindex(columns=self.arms)

    def trials(self, arm: str) -> str:
        """Return the trials of an arm, in the order of seeds."""
        return ", ".join(self.runs.loc[self.runs["arm"] == arm, "trial"].dropna())

    def seeds(self) -> list[int]:
        """Return the seeds that some arm has completed."""
        return sorted({int(seed) for seed in self.curves["seed"]})


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
