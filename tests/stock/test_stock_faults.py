"""What stock KerasTuner does on the digits that this project does not, each shown side by side."""

import gc
import json
import math
import warnings
import weakref
from dataclasses import replace

import keras
import keras_tuner as kt
import pytest

from search.networks.dense import DenseNetworks
from search.networks.narrowing import narrowed
from search.records.datasets import DATASETS
from search.running.trial_session import TrialSession
from search.running.work import State, Work
from tests.laboratory import given

FIXES = [
    "layers=1",
    "units_1=32",
    "optimizer=adam",
    "batch_size=128",
    "batch_norm=false",
    "schedule=constant",
]

STEPS = 3
"""Of an epoch of `few_digits` in batches of 128."""


class OneChoice(kt.HyperModel):
    """Our network with a choice of its width, for stock: its tuner builds a model a condition."""

    def __init__(self, networks):
        super().__init__()
        self.networks = networks

    def build(self, hp):
        own = kt.HyperParameters()
        own.merge(narrowed(FIXES))
        own.values["units_1"] = hp.Choice("units_1", [8, 16, 32, 64, 128])
        model = self.networks.build(own)
        # Tracing takes longer than these few steps.
        model.run_eagerly = True
        return model


class Diverging(DenseNetworks):
    def build(self, hp):
        model = super().build(hp)
        model.optimizer.learning_rate = 1e38
        return model


class Watched(kt.Hyperband):
    """Stock, with a note of the steps that a promoted trial's optimizer has seen."""

    began_at = ()

    def on_epoch_begin(self, trial, model, epoch, logs=None):
        if epoch == trial.hyperparameters.values["tuner/initial_epoch"] == 1:
            self.began_at += (int(model.optimizer.iterations),)


def stock_search(tuner, images):
    """Let a stock tuner run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuner.search(
            images.x_train,
            images.y_train,
            batch_size=128,
            validation_data=(images.x_validation, images.y_validation),
            verbose=0,
        )


def options(directory):
    return {"seed": 1, "directory": directory, "project_name": "stock"}


@pytest.fixture(scope="module")
def networks(few_digits):
    return DenseNetworks(replace(DATASETS["digits"], train_size=len(few_digits.x_train)), 3)


@pytest.fixture(scope="module")
def stock(networks, few_digits, tmp_path_factory):
    """A stock Hyperband at 2 epochs by 2: two configurations, of which one is promoted, and two."""
    directory = str(tmp_path_factory.mktemp("logs"))
    objective = kt.Objective("val_accuracy", "max")
    tuner = Watched(OneChoice(networks), objective, max_epochs=2, factor=2, **options(directory))
    stock_search(tuner, few_digits)
    return tuner


def work(epochs, initial_epoch=0, **values):
    hp = kt.HyperParameters()
    hp.merge(narrowed(FIXES))
    hp.values |= values
    return Work("s", "0", hp.get_config(), 1, 1, initial_epoch, initial_epoch, epochs, math.inf)


def trained(task, images, networks, state=None):
    """What a trial's session reports."""
    session = TrialSession(task, networks, given(images), state)
    report = session.train(task, lambda row: None)
    session.close()
    return report


def iterations(report, model):
    """The steps that the optimizer has seen: its first variable, after the model's weights."""
    return int(State.unpacked(report.state).trained[len(model.weights)])


@pytest.mark.slow
def test_promotion_loses_the_optimizers_state_in_stock_and_not_in_ours(stock, networks, few_digits):
    assert stock.began_at == (0,), "stock: the promoted trial's Adam has seen no step"

    first = trained(work(1), few_digits, networks)
    model = networks.build(kt.HyperParameters.from_config(work(1).hyperparameters))
    assert iterations(first, model) == STEPS
    promoted = trained(work(3, 1), few_digits, networks, first.state)
    assert iterations(promoted, model) == 3 * STEPS


@pytest.mark.slow
def test_stock_keeps_one_value_a_metric_and_ours_every_epoch(stock, networks, few_digits):
    deepest = max(
        stock.oracle.trials.values(), key=lambda t: t.hyperparameters.values["tuner/epochs"]
    )
    assert deepest.hyperparameters.values["tuner/epochs"] == 2
    assert len(deepest.metrics.get_history("val_accuracy")) == 1
    report = trained(work(2), few_digits, networks)
    assert [row.epoch for row in report.rows] == [0, 1]
    assert all(0 < row.val_accuracy < 1 for row in report.rows)


def test_promotion_goes_on_from_the_last_epoch_not_the_best(networks, few_digits):
    """A rate so high that the best of three epochs is not the last."""
    report = trained(work(3, adam_lr=0.2), few_digits, networks)
    accuracies = [row.val_accuracy for row in report.rows]
    # The report's weights file holds the best epoch's.
    assert max(accuracies) > accuracies[-1]
    promoted = trained(work(6, 3, adam_lr=0.2), few_digits, networks, report.state)
    whole = trained(work(6, adam_lr=0.2), few_digits, networks)
    assert [r.val_loss for r in promoted.rows] == [r.val_loss for r in whole.rows[3:]]


@pytest.mark.slow
def test_diverged_trial_completes_in_stock_and_fails_with_its_reason_in_ours(few_digits, tmp_path):
    diverging = Diverging(replace(DATASETS["digits"], train_size=len(few_digits.x_train)), 3)
    objective = kt.Objective("val_accuracy", "max")
    tuner = kt.RandomSearch(OneChoice(diverging), objective, max_trials=1, **options(str(tmp_path)))
    stock_search(tuner, few_digits)
    (trial,) = tuner.oracle.trials.values()
    assert trial.status == "COMPLETED"
    text = (tmp_path / "stock/trial_0/trial.json").read_text()
    with pytest.raises(ValueError, match="NaN"):
        json.loads(text, parse_constant=_refuse)

    report = trained(work(3), few_digits, diverging)
    assert not report.finished
    assert report.failure.startswith("diverged in epoch 1: ")
    assert len(report.rows) == 1


def _refuse(word):
    raise ValueError(word)


def test_memory_of_a_session_is_given_back(networks, few_digits):
    """Models of earlier sessions are not kept alive by later ones."""
    built = []

    class Noted(DenseNetworks):
        def build(self, hp):
            model = super().build(hp)
            built.append(weakref.ref(model))
            return model

    trained(work(1), few_digits, Noted(networks.facts, 3))
    (model,) = built
    keras.backend.clear_session()
    gc.collect()
    assert model() is None
