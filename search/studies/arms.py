"""Arms to be compared on the same seeds, and their mean scores."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from search.networks.space import Values
from search.records.trial import COMPLETED, FAILED, key_of
from search.studies.oracles import Entry, Trial


@dataclass(frozen=True)
class Part:
    """Arms to be compared, all else equal.

    reference: the arm that the others are compared to; none where arms are only tried out.
    level: what tells parts of one name apart, as the number of layers does.
    arms: name to configuration.
    """

    exercise: str
    name: str
    reference: str
    epochs: int
    seeds: tuple[int, ...]
    arms: dict[str, Values]
    level: int | None = None

    def entries(self) -> Iterable[Entry]:
        """Seed by seed, so that a list cut short has whole pairs."""
        for seed in self.seeds:
            for values in self.arms.values():
                yield Entry(values, self.epochs, seed)


def last_accuracy(run: dict[str, Any]) -> float:
    """Validation accuracy after the last epoch."""
    return float(run["epochs"][-1]["val_accuracy"])


def mean_scores(
    part: Part, trials: Sequence[Trial], score: Callable[[dict[str, Any]], float] = last_accuracy
) -> dict[str, float] | None:
    """Mean score over seeds by arm, 0 where a trial failed; None while trials are missing.

    score: of a completed trial's `run`.
    """
    by_values = {key_of(t.hyperparameters.values): t for t in trials}
    means: dict[str, float] = {}
    for arm, values in part.arms.items():
        scores = []
        for seed in part.seeds:
            trial = by_values.get(key_of(Entry(values, part.epochs, seed).labelled()))
            if trial is None or trial.status not in (COMPLETED, FAILED):
                return None
            scores.append(0.0 if trial.status == FAILED else score(trial.run))
        means[arm] = fmean(scores)
    return means
