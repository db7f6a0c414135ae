"""The metrics of a trial, as KerasTuner's files hold them."""

import functools
from collections.abc import Sequence

from keras_tuner.src.engine import metrics_tracking as kt_metrics

from search.records.objective import Objective
from search.records.trial import EpochRow
from search.studies.oracles import Trial


def best_of(
    rows: Sequence[EpochRow], counted_from: int, goal: Objective
) -> tuple[float, int] | None:
    """Return the best value of the objective from an epoch on, and the first epoch that reached it."""
    best = goal.best(row for row in rows if row.epoch >= counted_from)
    return (goal.value(best.logs), best.epoch) if best else None


def set_metrics(trial: Trial, rows: Sequence[EpochRow], goal: Objective) -> None:
    """Set a trial's KerasTuner metrics: an observation per epoch, at the absolute epoch.

    An observation holds a value for each execution.
    """
    trial.metrics = kt_metrics.MetricsTracker()
    for row in rows:
        for name, value in row.logs.items():
            if not trial.metrics.exists(name):
                way = goal.direction if name == goal.name else direction_of(name)
                trial.metrics.register(name, way)
            trial.metrics.update(name, value, step=row.epoch)


@functools.cache
def direction_of(name: str) -> str:
    """Return the direction in which KerasTuner takes a metric to be better."""
    return kt_metrics.infer_metric_direction(name) or "min"
