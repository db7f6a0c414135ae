"""Observational results of a search, compared at equal budgets."""

import itertools
import math

import numpy as np
import pandas as pd

from analysis.evidence.study import Study

EDGE = 0.05
"""Share of a range, on its own scale, within which a value counts as lying on the bound."""


def at_budget(study: Study, epochs: int) -> pd.DataFrame:
    """Return the configurations trained for at least `epochs`, one per row.

    score: the best value of the objective within the first `epochs`, the mean over executions.
    unselected: whether the configuration reached the budget without a promotion. A configuration
    that was stopped early within a budget has reached it. Without promotions, all have reached the
    one budget.
    """
    curves = study.curves.assign(chain=study.curves["trial"].map(study.trials["chain"]))
    reached = pd.concat([curves.groupby("chain")["epoch"].max(), study.chains["epochs"]])
    reached = reached.groupby(level=0).max()
    own = curves[curves["epoch"] <= epochs].groupby(["chain", "execution"])[study.objective.name]
    within = (own.min() if study.lower else own.max()).groupby("chain").mean()
    enough = reached.index[(reached >= epochs) | (not study.promotes)]
    chains = study.chains.loc[lambda frame: frame.index.isin(enough)]
    found = chains[[*study.hyperparameters, "trials"]].copy()
    found["unselected"] = (chains["unselected"] >= epochs) | (not study.promotes)
    found["score"] = within.reindex(found.index)
    if curves.empty and not study.promotes:
        found["score"] = chains["score"]
    return found.dropna(subset=["score"])


ABOVE_CHANCE = 0.01
"""An accuracy at most this much above that of a guess counts as chance."""


def at_chance(study: Study, scores: pd.Series) -> pd.Series:
    """Return which scores are those of a guess among classes of equal size."""
    guess = study.facts.chance if study.facts and study.objective.is_accuracy else 0.0
    return (scores <= guess + ABOVE_CHANCE) & (guess > 0)


def budgets(study: Study) -> list[int]:
    """Return the epochs at which rungs of the study end: one number if there are no rungs."""
    found = sorted({int(epochs) for epochs in study.trials["epochs"].dropna()})
    return found if study.promotes else found[-1:]


FEW_VALUES = 8
"""An integer with at most this many different values is not binned."""


def isolation(study: Study, name: str, epochs: int) -> pd.DataFrame:
    """Return the best result at a budget for each value of a hyperparameter.

    The best is over all other hyperparameters, as in an isolation plot (Google's tuning playbook).
    Numbers are binned into quarters of their range. n: number of configurations with the value.
    The comparison is observational, because promotion favours good configurations.
    """
    found = at_budget(study, epochs)
    found = found[found[name].notna()]
    bounds = study.bounds.get(name, [])
    few = found[name].nunique() <= FEW_VALUES
    if isinstance(bounds, tuple) and few and all(isinstance(end, int) for end in bounds):
        values = sorted({int(value) for value in found[name]})
        found = found.assign(value=found[name].astype(int).astype(str))
        order = [str(value) for value in values]
    elif isinstance(bounds, tuple) and len(found) and bounds[0] < bounds[1]:
        low, high = bounds
        values = found[name].astype(float)
        if name in study.log_scaled:
            low, high, values = math.log(low), math.log(high), np.log(values)
        ends = np.linspace(low, high, 5)
        shown = np.exp(ends) if name in study.log_scaled else ends
        labels = [f"{a:.3g} – {b:.3g}" for a, b in itertools.pairwise(shown)]
        found = found.assign(
            value=pd.cut(values, ends, labels=labels, include_lowest=True).astype(str)
        )
        order = labels
    else:
        found = found.assign(value=found[name].astype(str))
        order = [str(value) for value in bounds]
    best = study.ranked(found).groupby("value", sort=False)
    best = best.agg(
        n=("score", "size"),
        score=("score", "first"),
        trials=("trials", "first"),
    )
    return best.reindex([value for value in order if value in best.index])


def on_bounds(study: Study) -> dict[str, float]:
    """Return the values of a search's best configuration that lie on a bound of their range.

    At least one configuration must have a score.
    """
    best = study.chains.loc[study.best(study.chains["score"])]
    found = {}
    for name, limit in study.bounds.items():
        if not isinstance(limit, tuple) or pd.isna(best.get(name)):
            continue
        low, high, value = (float(x) for x in (*limit, best[name]))
        if name in study.log_scaled:
            low, high, value = math.log(low), math.log(high), math.log(value)
        place = (value - low) / (high - low) if high > low else 0.5
        # A lower bound of 0 means off and cannot be widened.
        if place > 1 - EDGE or (place < EDGE and limit[0] != 0):
            found[name] = best[name]
    return found


def selection_bias(scores: np.ndarray, images: int, rng: np.random.Generator) -> float:
    """Estimate by how much the best of many validation scores overstates accuracy, as a share.

    The scores serve as true accuracies. Each draws the noise of `images` validation images, and the
    estimate is the mean noise of the score that is then the best. Scores vary more than true
    accuracies, which makes the estimate too small. All scores share their images, which makes it
    too large. The result is therefore a rough estimate.
    """
    if len(scores) < 2 or images < 1:
        return math.nan
    noisy = rng.binomial(images, np.clip(scores, 0, 1), (4000, len(scores))) / images
    chosen = noisy.argmax(axis=1)
    return float(np.mean(noisy[np.arange(len(noisy)), chosen] - scores[chosen]))
