"""How much easier the validation images of one seed are than those of the others."""

from dataclasses import dataclass

import pandas as pd

from analysis.evidence.arms import parts
from analysis.evidence.study import Study
from search.records.arguments import ExerciseArguments


@dataclass(frozen=True)
class Split:
    """A seed's accuracy less that of the other seeds, mean over the arms that learn.

    easier: as a share. others: standard deviation of the same difference over the other seeds.
    """

    seed: int
    easier: float
    others: float
    arms: int


def split_of(study: Study, seed: int) -> Split | None:
    """Return how easy a seed's split is in the exercises. None if they did not train on it."""
    if study.kind != ExerciseArguments.COMMAND:
        return None
    columns: dict[tuple[str, str], pd.Series] = {}
    for part in parts(study):
        table = part.table()
        if seed in table.index and len(table) > 2:
            own = table.dropna(axis=1)
            for arm in own.columns[own.mean() >= 0.5 * own.mean().max()]:
                columns[part.label, arm] = own[arm] - own[arm].mean()
    if not columns:
        return None
    # Arms that were trained on fewer seeds are left out.
    away = pd.DataFrame(columns).dropna(axis=1)
    means = away.mean(axis=1) * len(away) / (len(away) - 1)
    others = float(means.drop(seed).std(ddof=1))
    return Split(seed, float(means[seed]), others, away.shape[1])
