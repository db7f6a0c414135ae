"""What stock KerasTuner does on the digits that this project does not, each shown side by side."""

import json
import math
import warnings

import keras
import keras_tuner as kt
import numpy as np
import pytest

from search.networks.dense import DenseNetworks
from search.networks.narrowing import narrowed
from search.running.work import Work
from search.running.worker import Session

FIXES = [
    "layers=1",
    "units_1=32",
    "optimizer=adam",
    "batch_size=128",
    "batch_norm=false",
    "schedule=constant",
]


@pytest.fixture
def networks(digits):
    return DenseNetworks(64, 10, len(digits.x_train), max_epochs=3)


def stock_search(networks, digits, directory, fixes=(), tuner=kt.Hyperband, **options):
    search = tuner(
        networks,
        kt.Objective("val_accuracy", "max"),
        max_epochs=3,
        factor=3,
        seed=1,
        hyperparameters=narrowed([*FIXES, *fixes]),
        directory=str(directory),
        project_name="stock",
        **options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.search(
            digits.x_train / np.float32(16),
            digits.y_train,
            validation_data=(digits.x_validation / np.float32(16), digits.y_validation),
            verbose=0,
        )
    return search


def work(networks, digits, epochs, initial_epoch=0, **values):
    hp = kt.HyperParameters()
    hp.merge(narrowed(FIXES))
    hp.values |= values
    return Work("s", "0", hp.get_config(), 1, 1, initial_epoch, initial_epoch, epochs, math.inf)


@pytest.mark.slow
def test_promotion_loses_the_optimizers_state_in_stock_and_not_in_ours(networks, digits, tmp_path):
    began_at = []

    class Watched(kt.Hyperband):
        def on_epoch_begin(self, trial, model, epoch, logs=None):
            if epoch == trial.hyperparameters.values["tuner/initial_epoch"] == 1:
                began_at.append(int(model.optimizer.iterations))

    stock_search(networks, digits, tmp_path, tuner=Watched)
    assert began_at == [0], "stock: the promoted trial's Adam has seen no step"

    state = Session(work(networks, digits, 1), digits, networks, None).train(
        work(networks, digits, 1), lambda row: None
    )
    promoted = Session(work(networks, digits, 3, 1), digits, networks, state.state)
    # 1,151 images in batches of 128 are 9 steps an epoch.
    assert int(promoted.loop.model.optimizer.iterations) == 9
    assert np.any(promoted.loop.model.optimizer.variables[2].numpy())


def test_promotion_goes_on_from_the_last_epoch_not_the_best(networks, digits):
    """A rate so high that the best of three epochs is not the last."""
    first = work(networks, digits, 3, adam_lr=0.01)
    session = Session(first, digits, networks, None)
    report = session.train(first, lambda row: None)
    last = session.loop.state()
    promoted = Session(work(networks, digits, 6, 3, adam_lr=0.01), digits, networks, report.state)
    # The report's weights file holds the best epoch's; the session was left with them.
    before = [row["val_accuracy"] for row in report.rows]
    assert promoted.loop.evaluate()["accuracy"] == pytest.approx(before[-1])
    assert len(last) == len(promoted.loop.state())


@pytest.mark.slow
def test_diverged_trial_completes_in_stock_and_fails_with_its_reason_in_ours(
    networks, digits, tmp_path
):
    class Diverging(DenseNetworks):
        def build(self, hp):
            model = super().build(hp)
            model.optimizer.learning_rate = 1e38
            return model

    diverging = Diverging(64, 10, len(digits.x_train), max_epochs=3)
    search = stock_search(diverging, digits, tmp_path)
    assert {trial.status for trial in search.oracle.trials.values()} == {"COMPLETED"}
    texts = [path.read_text() for path in tmp_path.rglob("trial.json")]
    assert any("NaN" in text for text in texts)
    with pytest.raises(ValueError, match="NaN"):
        for text in texts:
            json.loads(text, parse_constant=_refuse)

    task = work(networks, digits, 3)
    report = Session(task, digits, diverging, None).train(task, lambda row: None)
    assert not report.finished
    assert report.failure.startswith("diverged in epoch 1: ")
    assert len(report.rows) == 1


def _refuse(word):
    raise ValueError(word)


@pytest.mark.slow
def test_stock_keeps_one_value_a_metric_and_ours_every_epoch(networks, digits, tmp_path):
    search = stock_search(networks, digits, tmp_path)
    deepest = max(
        search.oracle.trials.values(), key=lambda t: t.hyperparameters.values["tuner/epochs"]
    )
    assert len(deepest.metrics.get_history("val_accuracy")) == 1
    task = work(networks, digits, 3)
    report = Session(task, digits, networks, None).train(task, lambda row: None)
    assert [row["epoch"] for row in report.rows] == [0, 1, 2]
    assert {"val_accuracy", "val_loss", "learning_rate", "seconds"} <= set(report.rows[0])


def test_memory_of_a_session_is_given_back(networks, digits):
    """Models of earlier sessions are not kept alive by later ones."""
    import gc
    import weakref

    task = work(networks, digits, 1)
    session = Session(task, digits, networks, None)
    session.train(task, lambda row: None)
    model = weakref.ref(session.loop.model)
    del session
    keras.backend.clear_session()
    gc.collect()
    assert model() is None
