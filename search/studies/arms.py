"""Mean scores of arms, from which an oracle decides what is trained next."""

import math
from collections.abc import Callable, Sequence
from statistics import fmean

from search.records.objective import Objective
from search.records.parts import PlannedPart
from search.records.trial import ENDED, FAILED, TrialRun, key_of
from search.studies.oracles import Trial


def last_value(run: TrialRun, goal: Objective) -> float:
    """Return the objective after the last epoch."""
    return goal.value(run.epochs[-1].logs)


def held_out_value(run: TrialRun, goal: Objective) -> float:
    """Return the objective on the validation examples that chose no epoch.

    Raises ValueError if no examples were held out.
    """
    if run.held_out is None:
        raise ValueError("the trial was not judged by held-out examples")
    if goal.name == "val_accuracy":
        return run.held_out.accuracy
    return run.held_out.value


def mean_scores(
    part: PlannedPart,
    trials: Sequence[Trial],
    goal: Objective = Objective(),
    score: Callable[[TrialRun, Objective], float] = last_value,
) -> dict[str, float] | None:
    """Return the mean score over seeds by arm, or None while trials are missing.

    score: returns the score of a completed trial. A failed trial has the worst score there is: an
    accuracy of 0, or an infinite value.
    """
    by_key = {key_of(t.hyperparameters.values): t for t in trials}
    scores: dict[str, list[float]] = {arm: [] for arm in part.arms}
    for (arm, _), key in part.keys().items():
        trial = by_key.get(key)
        if trial is None or trial.status not in ENDED:
            return None
        worst = 0.0 if "accuracy" in goal.name else -math.inf
        failed = worst if goal.direction == "max" else math.inf
        scores[arm].append(failed if trial.status == FAILED else score(trial.trained, goal))
    return {arm: fmean(own) for arm, own in scores.items()}
