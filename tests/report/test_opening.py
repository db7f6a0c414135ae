"""What the report says of the test set, on planted accuracies."""

import numpy as np
import pytest

from analysis.evidence import tested
from analysis.report import opening_tables
from analysis.report.opening import against_baseline, agreement
from analysis.words.language import Language

IMAGES = 4000
EN, ES = Language("en"), Language("es")


def networks(final=0.91, assignment=0.88, shifts=(0.0, 0.0), seeds=6):
    """Networks that are right about the images up to a difficulty, but for a seed's luck.

    shifts: by how much test accuracy is over that on validation images, final and assignment's.
    """
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 10, IMAGES)
    difficulty = rng.permutation(IMAGES) / IMAGES
    arms = {}
    for arm, accuracy, shift in zip(
        ("assignment", "final"), (assignment, final), reversed(shifts), strict=True
    ):
        skill = accuracy + rng.normal(0, 0.001, (seeds, 1))
        correct = difficulty < skill
        predicted = np.where(correct, labels, (labels + 1) % 10)
        held_out = correct.mean(axis=1) - shift + rng.normal(0, 0.002, seeds)
        names = [f"{arm}-{seed}" for seed in range(seeds)]
        arms[arm] = tested.Arm(list(range(seeds)), names, held_out, held_out, predicted, correct)
    return tested.Tested(labels, [str(digit) for digit in range(10)], arms)


@pytest.mark.parametrize(
    ("shifts", "english", "spanish"),
    [
        ((0, 0), "No difference is detected.", "No se detecta diferencia."),
        ((0, -0.03), "the test images are harder.", "las imágenes de test son más difíciles."),
        ((0.03, 0.03), "The test images are easier.", "Las imágenes de test son más fáciles."),
        ((-0.03, -0.03), "are enough to explain it", "Basta con que"),
        ((-0.03, 0), "specific to the final network", "es propio de la red final"),
    ],
    ids=["none", "assignment's short", "easier", "both short", "final short"],
)  # fmt: skip
def test_what_validation_foresaw(shifts, english, spanish):
    found = networks(shifts=shifts)
    assert english in agreement(found, EN)
    assert spanish in agreement(found, ES)


def test_one_seed_says_nothing_of_agreement():
    assert "draws no conclusion about their agreement" in agreement(networks(seeds=1), EN)


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ({}, "the difference is detected."),
        ({"assignment": 0.91}, "no difference is detected."),
        ({"seeds": 5}, "too few seeds to detect any difference; at least 6 are needed."),
    ],
)
def test_what_is_said_of_the_difference_from_the_baseline(planted, said):
    assert against_baseline(networks(**planted), EN).endswith(said)


def test_differences_are_for_new_images_too():
    """Of 4000 images 3 % are right by the final network alone: standard error of the mean share
    √(0.03 × 0.97 / 4000) = 0.27 points, some six times that of the seeds."""
    table = opening_tables.scores(networks(), EN).data.set_index("arm").loc["final - assignment"]
    assert table["test"] == pytest.approx(0.03, abs=0.002)
    half = (table["test_high"] - table["test_low"]) / 2
    assert half == pytest.approx(1.97 * 0.0027, rel=0.1)
    classes = opening_tables.by_class(networks(), EN).data
    assert ((classes["high"] - classes["low"]) / 2).mean() > 2 * half
