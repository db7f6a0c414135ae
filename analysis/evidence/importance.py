"""Importance of the hyperparameters in a search: Optuna's fANOVA beside its permutation null."""

import warnings
from dataclasses import dataclass

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import FrozenTrial, create_trial

from analysis.evidence.observed import at_budget, at_chance, budgets
from analysis.evidence.paired import ALPHA
from analysis.evidence.study import Study

TREES = 16


DEPTH = 16


PERMUTATIONS = 39
"""Permutations of the scores. The smallest p-value is then 0.025, and a test at 0.05 is exact."""


FEWEST = 20
"""Fewest configurations for which importances are computed."""


EVALUATOR = f"fANOVA (Optuna {optuna.__version__})"


@dataclass(frozen=True)
class Importance:
    """Shares of the variance of the objective at a budget.

    table: one row per hyperparameter that is active in all configurations, largest share first.
    importance: its share. null: the share that the largest of all has in 95 % of the permutations of
    the scores. p: how often the largest share of a permutation is at least as large, which corrects
    for the choice of the largest (Westfall and Young 1993). clear: p is at most 0.05.
    n: number of configurations, all unselected. epochs: the budget. chains: the configurations.
    stuck: configurations that ended at the accuracy of a guess. They are left out, because a value
    with which no network learns has all of the variance, and says nothing of the networks that do.
    """

    table: pd.DataFrame
    n: int
    epochs: int
    chains: list[str]
    stuck: list[str]

    @property
    def clear(self) -> list[str]:
        """The hyperparameters whose share chance does not explain, largest share first."""
        return [str(name) for name in self.table.index[self.table["clear"]]]


def importance(study: Study) -> Importance | None:
    """Compute importances at the longest budget that enough configurations reached unselected."""
    for epochs in reversed(budgets(study)):
        found = at_budget(study, epochs)
        found = found[found["unselected"]]
        stuck = at_chance(study, found["score"])
        if len(found) - stuck.sum() >= FEWEST:
            return at(study, found[~stuck], epochs, list(found.index[stuck]))
    return None


def at(study: Study, found: pd.DataFrame, epochs: int, stuck: list[str]) -> Importance | None:
    """Compute importances over configurations, as `observed.at_budget` returns them."""
    names = [
        name
        for name in study.hyperparameters
        if found[name].notna().all() and found[name].nunique() > 1
    ]
    if not names:
        return None
    return Importance(
        against_chance(study, found, names), len(found), epochs, list(found.index), stuck
    )


def against_chance(study: Study, found: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return `Importance.table` of some hyperparameters."""
    whole = shares(as_optuna(study, found, names), names, seed=0)
    rng = np.random.default_rng(0)
    largest = []
    for repeat in range(PERMUTATIONS):
        shuffled = found.assign(score=rng.permutation(found["score"].to_numpy()))
        largest.append(shares(as_optuna(study, shuffled, names), names, seed=repeat + 1).max())
    null = np.array(largest)
    table = pd.DataFrame({"importance": whole, "null": np.quantile(null, 1 - ALPHA)})
    table["p"] = [(1 + np.sum(null >= share)) / (1 + len(null)) for share in whole]
    table["clear"] = table["p"] <= ALPHA
    return table.sort_values("importance", ascending=False, kind="stable")


def as_optuna(study: Study, found: pd.DataFrame, names: list[str]) -> list[FrozenTrial]:
    """Convert configurations, as `observed.at_budget` returns them, to Optuna trials."""
    distributions = {name: distribution(study, name) for name in names}
    return [
        create_trial(
            params={name: plain(row[name], distributions[name]) for name in names},
            distributions=distributions,
            value=row["score"],
        )
        for _, row in found.iterrows()
    ]


def shares(trials: list[FrozenTrial], names: list[str], seed: int) -> pd.Series:
    """Return fANOVA importances (Hutter et al. 2014, ICML) of one sample of configurations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        memory = optuna.create_study(direction="maximize")
        memory.add_trials(trials)
        evaluator = FanovaImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=seed)
        result = evaluator.evaluate(memory, params=names)
    return pd.Series({name: result.get(name, 0.0) for name in names})


def distribution(study: Study, name: str) -> BaseDistribution:
    """Return Optuna's distribution for a hyperparameter of the space."""
    bounds = study.bounds[name]
    if isinstance(bounds, list):
        return CategoricalDistribution([plain(value) for value in bounds])
    low, high = bounds
    values = study.trials[name].dropna()
    low, high = min(low, values.min()), max(high, values.max())
    if isinstance(bounds[0], int):
        return IntDistribution(int(low), int(high), log=name in study.log_scaled)
    return FloatDistribution(float(low), float(high), log=name in study.log_scaled)


def plain(value: object, kind: BaseDistribution | None = None) -> bool | int | float | str | None:
    """Convert a value from a pandas type to a plain Python type."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(kind, IntDistribution):
        return int(value)  # type: ignore[call-overload]
    if isinstance(kind, CategoricalDistribution) and value not in kind.choices:
        raise ValueError(f"{value!r} is not one of {kind.choices}")
    return value  # type: ignore[return-value]
