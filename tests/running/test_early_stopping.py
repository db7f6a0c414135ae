"""Early stopping by half of the validation images, judged by the other half."""

import math
from copy import deepcopy
from dataclasses import replace

import keras_tuner as kt
import numpy as np
import pytest

from search.data.load import load_pool
from search.networks.dense import DenseNetworks
from search.records.datasets import DATASETS
from search.records.objective import Objective
from search.records.trial import WEIGHTS
from search.running.observations import best_of
from search.running.trial_session import TrialSession
from search.running.work import Work
from search.training.loop import judged
from tests.laboratory import given

PATIENCE = 2
WATCHED = 3
"""The epoch, from 0, at which stopping begins to look."""


@pytest.fixture(scope="module")
def halved():
    return load_pool("digits").split(1).halved()


@pytest.fixture
def work(make_hp):
    # A rate that overshoots: the best epoch comes early and is not the last.
    hp = make_hp(optimizer="adam", adam_lr=0.01, layers=1, units_1=64)
    config = hp.get_config()
    return Work("s", "0000", config, 3, 1, 0, WATCHED, 60, seconds=1e9, patience=PATIENCE)


def trained(work, halved, state=None):
    hypermodel = DenseNetworks(DATASETS["digits"], 60)
    # KerasTuner takes a config apart as it reads it; a worker gets a copy of its own.
    work = deepcopy(work)
    session = TrialSession(work, hypermodel, given(halved), state)
    report = session.train(work, lambda row: None)
    session.close()
    return report


def test_halves_are_of_the_validation_images_and_share_the_classes():
    pool = load_pool("digits")
    whole, halved = pool.split(1), pool.split(1).halved()
    both = np.concatenate([halved.x_validation, halved.x_held_out])
    assert sorted(map(bytes, both)) == sorted(map(bytes, whole.x_validation))
    assert np.array_equal(halved.x_train, whole.x_train)
    counts = [np.bincount(y) for y in (halved.y_validation, halved.y_held_out)]
    assert np.abs(counts[0] - counts[1]).max() <= 1


def test_a_trial_ends_when_patience_does_and_is_judged_with_its_best_weights(
    work, halved, tmp_path
):
    report = trained(work, halved)
    scores = [row.val_accuracy for row in report.rows]
    best = WATCHED + int(np.argmax(scores[WATCHED:]))
    assert report.held_out.epoch == best
    assert report.finished
    assert len(scores) == best + PATIENCE + 1 < work.epochs
    # The weights are the best epoch's: they score as it did, on the images that stop.
    hp = kt.HyperParameters.from_config(deepcopy(work.hyperparameters))
    model = DenseNetworks(DATASETS["digits"], 60).build(hp)
    (tmp_path / WEIGHTS).write_bytes(report.weights_file)
    model.load_weights(tmp_path / WEIGHTS)
    _, accuracy = model.evaluate(halved.x_validation, halved.y_validation, verbose=0)
    assert accuracy == pytest.approx(scores[best])
    probabilities = model.predict(halved.x_held_out, verbose=0)
    labels = halved.y_held_out
    assert report.held_out.predicted == probabilities.argmax(axis=1).tolist()
    assert report.held_out.accuracy == np.mean(probabilities.argmax(axis=1) == labels)
    expected = -np.mean(np.log(probabilities[np.arange(len(labels)), labels]))
    assert report.held_out.loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_a_trial_in_stretches_stops_where_the_whole_one_does(work, halved):
    whole = trained(work, halved)
    rows, state, best = [], None, None
    report = None
    while report is None or not report.finished:
        stretch = replace(work, initial_epoch=len(rows), seconds=0, best=best)
        report = trained(stretch, halved, state)
        rows += report.rows
        state = report.state
        best = best_of(rows, WATCHED, Objective())
    assert [r.val_loss for r in rows] == [r.val_loss for r in whole.rows]
    assert report.held_out == whole.held_out


def test_judged_by_hand():
    """Right twice of three; −ln of 0.5, 0.8 and 0.1."""
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1]])
    found = judged(probabilities, np.array([0, 1, 2]))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["loss"] == pytest.approx((0.693147 + 0.223144 + 2.302585) / 3, rel=1e-5)
    assert found["predicted"] == [0, 1, 0]


def test_a_trial_that_diverges_fails_with_the_reason_and_its_last_epoch(make_hp, digits):
    hp = make_hp(
        optimizer="sgd", sgd_lr=1.0, initializer="he_normal", use_l2=True, l2=0.01, layers=3
    )
    hp.values["sgd_lr"] = 1e12
    work = Work("s", "0000", hp.get_config(), 3, 1, 0, 0, 5, seconds=1e9)
    report = trained(work, digits.halved())
    assert report.failure.startswith("diverged in epoch ")
    assert not report.finished
    last = report.rows[-1]
    assert not math.isfinite(last.loss) or not math.isfinite(last.val_loss)
    assert last.to_file().keys() >= {"epoch", "loss", "val_accuracy", "time"}
