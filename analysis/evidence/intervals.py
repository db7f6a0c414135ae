"""Intervals of accuracies for new seeds and new test images, and McNemar's test."""

import math

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as contingency_mcnemar

from analysis.evidence.paired import ALPHA, interval


def new_images(validation: np.ndarray, correct: np.ndarray) -> tuple[float, float, float]:
    """Return test minus validation accuracy, averaged over seeds, with its 95 % interval.

    validation: shape (models,), each model on its own images. correct: shape (models, test images):
    whether a model is right, or whether it is right minus whether the model of another arm with
    the same seed is right.
    The spread between seeds includes the sampling error of the validation images. The test images
    are the same for all models, so their sampling error is added. The error of a single model on
    a single image counts in both terms, which makes the interval slightly too wide. The interval is
    Student's t with degrees of freedom by Satterthwaite (1946). Its ends are NaN for fewer than two
    models.
    """
    correct = correct.astype(float)
    differences = correct.mean(axis=1) - validation
    mean = float(differences.mean())
    models, images = correct.shape
    if models < 2:
        return mean, math.nan, math.nan
    of_seeds = np.var(differences, ddof=1) / models
    of_images = np.var(correct.mean(axis=0), ddof=1) / images
    variance = of_seeds + of_images
    if variance == 0:
        return mean, mean, mean
    freedom = variance**2 / (of_seeds**2 / (models - 1) + of_images**2 / (images - 1))
    half = float(stats.t.ppf(1 - ALPHA / 2, freedom) * math.sqrt(variance))
    return mean, mean - half, mean + half


def seeds_and_images(correct: np.ndarray) -> tuple[float, float, float]:
    """Return mean test accuracy over models with a 95 % interval for new seeds and new images.

    correct: as in `new_images`.
    """
    return new_images(np.zeros(len(correct)), correct)


def one_more(sample: np.ndarray) -> tuple[float, float]:
    """Return the 95 % prediction interval of one more value; NaN ends for fewer than two values."""
    mean, low, high = interval(sample)
    half = (high - low) / 2 * math.sqrt(len(sample) + 1)
    return mean - half, mean + half


def mcnemar(one: np.ndarray, other: np.ndarray) -> tuple[int, int, float]:
    """Return how many images only `one` gets right, how many only `other`, and the exact p.

    one, other: whether two models are right on the same images. p is two-sided (McNemar 1947).
    """
    only_one, only_other = int(np.sum(one & ~other)), int(np.sum(other & ~one))
    test = contingency_mcnemar([[0, only_one], [only_other, 0]], exact=True)
    return only_one, only_other, float(test.pvalue)
