"""Importance of the hyperparameters in a search: Optuna's fANOVA with bootstrap intervals."""

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

from analysis.evidence.observed import at_budget, budgets
from analysis.evidence.study import Study

TREES = 32


DEPTH = 16


REPEATS = 100
"""Number of bootstrap samples of the configurations."""


FEWEST = 20
"""Fewest configurations for which importances are computed."""


EVALUATOR = f"fANOVA (Optuna {optuna.__version__})"


@dataclass(frozen=True)
class Importance:
    """Shares of the variance of the objective at a budget.

    table: one row per hyperparameter that is active in all configurations, largest share first,
    with importance, low and high (95 % bootstrap interval over configurations).
    n: number of configurations, all unselected. epochs: the budget. chains: the configurations.
    """

    table: pd.DataFrame
    n: int
    epochs: int
    chains: list[str]


def importance(study: Study) -> Importance | None:
    """Compute importances at the longest budget that enough configurations reached unselected."""
    for epochs in reversed(budgets(study)):
        found = at_budget(study, epochs)
        found = found[found["unselected"]]
        if len(found) >= FEWEST:
            return at(study, found, epochs)
    return None


def at(study: Study, found: pd.DataFrame, epochs: int) -> Importance | None:
    """Compute importances over configurations, as `observed.at_budget` returns them."""
    names = [
        name
        for name in study.hyperparameters
        if found[name].notna().all() and found[name].nunique() > 1
    ]
    if not names:
        return None
    trials = as_optuna(study, found, names)
    whole = shares(trials, names, seed=0)
    rng = np.random.default_rng(0)
    samples = []
    for repeat in range(REPEATS):
        drawn = [trials[n] for n in rng.integers(0, len(trials), len(trials))]
        samples.append(shares(drawn, names, seed=repeat + 1))
    spread = pd.DataFrame(samples)
    table = pd.DataFrame(
        {"importance": whole, "low": spread.quantile(0.025), "high": spread.quantile(0.975)}
    )
    table = table.sort_values("importance", ascending=False, kind="stable")
    return Importance(table, len(found), epochs, list(found.index))


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
