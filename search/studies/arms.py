"""Mean scores of arms, from which an oracle decides what is trained next."""

from collections.abc import Callable, Sequence
from statistics import fmean

from search.records.parts import PlannedPart
from search.records.trial import ENDED, FAILED, TrialRun, key_of
from search.studies.oracles import Trial


def last_accuracy(run: TrialRun) -> float:
    """Return the validation accuracy after the last epoch."""
    return run.epochs[-1].val_accuracy


def held_out_accuracy(run: TrialRun) -> float:
    """Return the accuracy on the validation images that chose no epoch.

    Raises ValueError if no images were held out.
    """
    if run.held_out is None:
        raise ValueError("the trial was not judged by held-out images")
    return run.held_out.accuracy


def mean_scores(
    part: PlannedPart,
    trials: Sequence[Trial],
    score: Callable[[TrialRun], float] = last_accuracy,
) -> dict[str, float] | None:
    """Return the mean score over seeds by arm, or None while trials are missing.

    score: returns the score of a completed trial. A failed trial scores 0.
    """
    by_key = {key_of(t.hyperparameters.values): t for t in trials}
    scores: dict[str, list[float]] = {arm: [] for arm in part.arms}
    for (arm, _), key in part.keys().items():
        trial = by_key.get(key)
        if trial is None or trial.status not in ENDED:
            return None
        scores[arm].append(0.0 if trial.status == FAILED else score(trial.trained))
    return {arm: fmean(own) for arm, own in scores.items()}
