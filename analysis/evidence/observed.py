"""What a search shows by itself, at equal budgets: observational, not controlled."""

import itertools
import math

import numpy as np
import pandas as pd

from analysis.evidence.trials import Study

EDGE = 0.05
"""Share of a range, on its own scale, that counts as being on its bound."""


def at_budget(study: Study, epochs: int) -> pd.DataFrame:
    """A row a configuration trained for at least `epochs`: its best val_accuracy in the first ones.

    unselected: whether it came there without a promotion.
    """
    curves = study.chain_curves
    reached = curves.groupby("chain")["epoch"].max()
    within = curves[curves["epoch"] <= epochs].groupby("chain")["val_accuracy"].max()
    chains = study.chains.loc[lambda frame: frame.index.isin(reached.index[reached >= epochs])]
    found = chains[[*study.hyperparameters, "trials"]].copy()
    found["unselected"] = chains["unselected"] >= epochs
    found["val_accuracy"] = within.reindex(found.index)
    return found.dropna(subset=["val_accuracy"])


def budgets(study: Study) -> list[int]:
    """The epochs at which rungs of the study end."""
    return sorted({int(epochs) for epochs in study.trials["epochs"].dropna()})


FEW_VALUES = 8
"""Different values of an integer up to which each stands for itself."""


def isolation(study: Study, name: str, epochs: int) -> pd.DataFrame:
    """For each value of a hyperparameter (quarters of its range for numbers), the best at a budget.

    As in an isolation plot (Google's tuning playbook): the best over all other hyperparameters.
    n: configurations with the value. Promotion favours the good ones: this is observational.
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
    best = found.sort_values("val_accuracy", ascending=False, kind="stable")
    best = best.groupby("value", sort=False).agg(
        n=("val_accuracy", "size"),
        val_accuracy=("val_accuracy", "first"),
        trials=("trials", "first"),
    )
    return best.reindex([value for value in order if value in best.index])


def on_bounds(study: Study) -> dict[str, float]:
    """By name, the values of a search's best configuration that lie on the bounds of their range.

    Of a search in which some configuration has a val_accuracy.
    """
    best = study.chains.loc[study.chains["val_accuracy"].idxmax()]
    found = {}
    for name, limit in study.bounds.items():
        if not isinstance(limit, tuple) or pd.isna(best.get(name)):
            continue
        low, high, value = (float(x) for x in (*limit, best[name]))
        if name in study.log_scaled:
            low, high, value = math.log(low), math.log(high), math.log(value)
        place = (value - low) / (high - low) if high > low else 0.5
        # A lower bound of 0 means off, which is no bound to be widened.
        if place > 1 - EDGE or (place < EDGE and limit[0] != 0):
            found[name] = best[name]
    return found


def selection_bias(scores: np.ndarray, images: int, rng: np.random.Generator) -> float:
    """How much the best of many validation scores is expected to flatter, as a share.

    The scores are taken for the truth, each is given the noise of `images` validation images, and
    the noise of the one that then looks best is averaged. Scores are more spread than truths, which
    makes this too small; all share their images, which makes it too large: a rough figure.
    """
    if len(scores) < 2 or images < 1:
        return math.nan
    noisy = rng.binomial(images, np.clip(scores, 0, 1), (4000, len(scores))) / images
    chosen = noisy.argmax(axis=1)
    return float(np.mean(noisy[np.arange(len(noisy)), chosen] - scores[chosen]))
