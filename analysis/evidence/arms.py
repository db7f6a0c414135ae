"""The runs of a controlled study: which trial is which arm and seed of which part."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.evidence.trials import Study

Json = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One comparison of a controlled study.

    runs: a row an arm and seed, as planned: trial (blank where it was not run), status, and where
        trials stopped early held_out_accuracy.
    curves: a row a completed run and epoch, the columns of `Study.curves` and arm, seed.
    at_start: a row a completed run: arm, seed and diagnostics before the first epoch.
    """

    study: Study
    exercise: str
    name: str
    level: int | None
    reference: str
    epochs: int
    arms: list[str]
    values: dict[str, Json]
    runs: pd.DataFrame
    curves: pd.DataFrame
    at_start: pd.DataFrame

    @property
    def label(self) -> str:
        """Its name, with its level where several parts share the name."""
        return f"{self.name} {self.level}" if self.level else self.name

    @property
    def stops(self) -> bool:
        """Whether runs stopped early and were judged by images that did not stop them."""
        return bool(self.study.held_out)

    def table(self, column: str = "") -> pd.DataFrame:
        """A row a seed, a column an arm: a quantity after the last epoch of completed runs.

        column: of `curves`, or else what arms are compared by: val_accuracy, or where runs stop
        early held_out_accuracy.
        """
        if not column and self.stops:
            found = self.runs.dropna(subset=["held_out_accuracy"])
            table = found.pivot(index="seed", columns="arm", values="held_out_accuracy")
        else:
            last = self.curves.groupby("trial").tail(1)
            table = last.pivot(index="seed", columns="arm", values=column or "val_accuracy")
        return table.reindex(columns=self.arms)

    def trials(self, arm: str) -> str:
        """The trials of an arm, in the order of seeds."""
        return ", ".join(self.runs.loc[self.runs["arm"] == arm, "trial"].dropna())

    def seeds(self) -> list[int]:
        """The seeds that some arm has completed."""
        return sorted({int(seed) for seed in self.curves["seed"]})


def parts(study: Study) -> list[Part]:
    """The parts of a controlled study, none where it is a search."""
    trials = {repr(sorted(values.items())): trial for trial, values in study.values.items()}
    return [_part(study, planned, trials) for planned in study.parts]


def _part(study: Study, planned: Json, trials: dict[str, str]) -> Part:
    rows = []
    for arm, values in planned["arms"].items():
        for seed in planned["seeds"]:
            labels = {
                "tuner/epochs": planned["epochs"],
                "tuner/initial_epoch": 0,
                "tuner/seed": seed,
            }
            trial = trials.get(repr(sorted({**values, **labels}.items())))
            status = study.trials.loc[trial, "status"] if trial else "MISSING"
            judged = study.held_out.get(trial or "", {}).get("accuracy")
            row = {"arm": arm, "seed": seed, "trial": trial, "status": status}
            rows.append({**row, "held_out_accuracy": judged})
    runs = pd.DataFrame(rows)
    named = runs.loc[runs["status"] == "COMPLETED", ["arm", "seed", "trial"]]
    at_start = study.at_start.reset_index()
    return Part(
        study,
        planned["exercise"],
        planned["name"],
        planned["level"],
        planned["reference"],
        planned["epochs"],
        list(planned["arms"]),
        planned["arms"],
        runs,
        study.curves.merge(named, on="trial"),
        at_start.merge(named, on="trial"),
    )
