"""Intervals of accuracies for new seeds and new test images."""

import math

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as contingency_mcnemar

from analysis.evidence.paired import ALPHA, interval


def new_images(validation: np.ndarray, correct: np.ndarray) -> tuple[float, float, float]:
    """Test less validation accuracy of models of several seeds, with its 95 % interval.

    validation: shape (models,), each on images of its own. correct: shape (models, test images),
    whether each model is right, or that of one arm less that of another, in pairs by seed.
    The spread between seeds has validation's images in it; the test images are the same for all
    models, so their own sampling error is added. What is a model's luck with one image counts in
    both, which makes the interval a little too wide. Student's t, degrees of freedom by
    Satterthwaite (1946); blank ends for fewer than two models.
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
    """Mean test accuracy over models with a 95 % interval for new seeds and new images.

    correct: as in `new_images`.
    """
    return new_images(np.zeros(len(correct)), correct)


def one_more(sample: np.ndarray) -> tuple[float, float]:
    """Where one more of a normal sample lies, 19 times in 20; blank for fewer than two."""
    mean, low, high = interval(sample)
    half = (high - low) / 2 * math.sqrt(len(sample) + 1)
    return mean - half, mean + half


def mcnemar(one: np.ndarray, other: np.ndarray) -> tuple[int, int, float]:
    """Images that only `one` gets right, that only `other` does, and the exact two-sided p.

    one, other: whether two models are right about the same images (McNemar 1947).
    """
    only_one, only_other = int(np.sum(one & ~other)), int(np.sum(other & ~one))
    test = contingency_mcnemar([[0, only_one], [only_other, 0]], exact=True)
    return only_one, only_other, float(test.pvalue)
