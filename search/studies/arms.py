"""Mean scores of arms, from which an oracle decides what is trained next."""

import math
from collections.abc import Callable, Sequence
from statistics import fmean

from search.records.objective import Objective
from search.records.parts import LEVEL_EPOCHS, PlannedPart
from search.records.trial import ENDED, FAILED, TrialRun, key_of
from search.studies.oracles import Trial

Score = Callable[[TrialRun, Objective], float]
"""Returns the score of a completed trial."""


def last_value(run: TrialRun, goal: Objective) -> float:
    """Return the objective after the last epoch, the mean over executions."""
    rows = (run.execution(number) for number in range(run.executions))
    return fmean(goal.value(own[-1].logs) if own else math.nan for own in rows)


def level(run: TrialRun, goal: Objective) -> float:
    """Return the mean of the objective over the last epochs, the mean over executions."""
    rows = (run.execution(number)[-LEVEL_EPOCHS:] for number in range(run.executions))
    return fmean(fmean(goal.value(r.logs) for r in own) if own else math.nan for own in rows)


def held_out_accuracy(run: TrialRun) -> float:
    """Return the accuracy on the validation examples that chose no epoch.

    Raises ValueError if no examples were held out.
    """
    if run.held_out is None:
        raise ValueError("the trial was not judged by held-out examples")
    return run.held_out.accuracy


def held_out_value(run: TrialRun, goal: Objective) -> float:
    """Return the objective on the validation examples that chose no epoch.

    Raises ValueError if no examples were held out.
    """
    accuracy = held_out_accuracy(run)
    value = run.held_out.value if run.held_out else None
    return accuracy if value is None else value


def mean_scores(
    part: PlannedPart,
    trials: Sequence[Trial],
    goal: Objective,
    score: Score = last_value,
) -> dict[str, float] | None:
    """Return the mean score over seeds by arm, or None while trials are missing.

    A failed trial, or one without a score, has the worst score.
    """
    by_key = {key_of(t.hyperparameters.values): t for t in trials}
    scores: dict[str, list[float]] = {arm: [] for arm in part.arms}
    for (arm, _), key in part.keys().items():
        trial = by_key.get(key)
        if trial is None or trial.status not in ENDED:
            return None
        own = math.nan if trial.status == FAILED else score(trial.trained, goal)
        scores[arm].append(worst(goal) if math.isnan(own) else own)
    return {arm: fmean(own) for arm, own in scores.items()}


def worst(goal: Objective) -> float:
    """Return the score of a failed trial: an accuracy of 0, or infinitely bad."""
    if goal == Objective():
        return 0.0
    return -math.inf if goal.direction == "max" else math.inf


def ranked(scores: dict[str, float], goal: Objective) -> list[str]:
    """Return the arms, the best first. Ties stay in the order of the arms."""
    return sorted(scores, key=scores.__getitem__, reverse=goal.direction == "max")
