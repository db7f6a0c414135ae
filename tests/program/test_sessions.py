"""A trial on a worker, whatever its hypermodel's `fit` does."""

import copy
import math
from dataclasses import replace

import keras
import keras_tuner as kt
import numpy as np
import pytest
from keras_tuner.src.engine.hypermodel import get_hypermodel
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from search.networks.baselines import complete
from search.networks.dense import DenseNetworks
from search.networks.exploring import explored
from search.records.datasets import DATASETS
from search.records.objective import VAL_ACCURACY, Objective
from search.running.program import ProgramModel
from search.running.subject import CallSource
from search.running.trial_session import TrialSession
from search.running.work import Report, Work
from tests.program import programs

LOSS = Objective("val_loss", "min")


@pytest.fixture(scope="module")
def data(few_digits):
    validation = few_digits.x_validation[:50], few_digits.y_validation[:50]
    return (few_digits.x_train, few_digits.y_train), {"validation_data": validation}


def work_for(hypermodel, goal=VAL_ACCURACY, epochs=2, **values):
    hp = explored(hypermodel)
    hp.values = {"units": 8, "rate": 0.1, **values}
    return Work("s", "0000", hp.get_config(), 3, 1, 0, 0, epochs, seconds=1e9, goal=goal)


def train(hypermodel, work, data, state=None, **options) -> Report:
    given = CallSource(data[0], data[1] | options).arguments(1, False)
    # KerasTuner takes a config apart as it reads it.
    work = copy.deepcopy(work)
    session = TrialSession(work, hypermodel, given, state)
    report = session.train(work, lambda row: None)
    session.close()
    return report


def trained(made, data, goal=VAL_ACCURACY, **options) -> Report:
    hypermodel = get_hypermodel(made)
    return train(hypermodel, work_for(hypermodel, goal), data, **options)


def test_a_function_is_trained_for_the_trials_epochs(data):
    report = trained(programs.build, data)
    assert report.finished
    assert [row.epoch for row in report.rows] == [0, 1]
    assert set(report.rows[0].logs) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert report.keras_fit == ""
    assert report.rows[0].learning_rate == pytest.approx(0.1)


def test_a_hyperparameter_that_only_fit_declares_is_drawn_and_reported(data):
    one, again = (trained(programs.Hidden(), data) for _ in range(2))
    late = one.hyperparameters["values"]["late"]
    # Drawn by seed and name, and not the default.
    assert 10 < late <= 1000
    assert again.hyperparameters["values"]["late"] == late


def test_metrics_and_numbers_that_fit_returns_are_the_score(data):
    report = trained(programs.Judged(), data, Objective("right", "max"))
    assert report.finished
    last = report.rows[-1]
    assert last.metrics["share"] == 0.5
    assert last.metrics["right"] > 0
    number = trained(programs.Number(), data, Objective("default_objective", "min"))
    assert number.rows[-1].metrics["default_objective"] == pytest.approx(1 - last.metrics["right"])


def test_a_list_of_histories_is_the_mean_of_the_best_epochs(data):
    report = trained(programs.Folds(), data)
    assert report.traceback == ""
    keras.backend.clear_session()
    # Worked out from the epochs of each half, which KerasTuner averages.
    hypermodel, seen = programs.Folds(), []
    fit = hypermodel.fit
    hypermodel.fit = lambda *args, **kwargs: seen.extend(found := fit(*args, **kwargs)) or found
    again = train(hypermodel, work_for(hypermodel), data)
    expected = np.mean([max(history.history["val_accuracy"]) for history in seen])
    assert again.rows[-1].val_accuracy == pytest.approx(expected)
    assert report.rows[-1].val_accuracy == again.rows[-1].val_accuracy


def test_a_history_whose_epochs_were_not_reported_counts_with_its_last_epoch(data):
    report = trained(programs.Apart(), data)
    assert report.finished
    assert [row.epoch for row in report.rows] == [0]
    same = trained(programs.Fixed(), data)
    assert report.rows[0].val_accuracy == same.rows[-1 if len(same.rows) == 3 else 2].val_accuracy


def test_a_fit_with_its_own_number_of_epochs_is_not_checkpointed_in_the_middle(data):
    hypermodel = programs.Fixed()
    report = train(hypermodel, replace(work_for(hypermodel, epochs=4), seconds=0), data)
    assert not report.finished
    assert report.state == b""


def test_a_fit_that_prepares_the_data_is_measured_on_what_it_trains(data):
    report = trained(programs.Halved(), data)
    assert report.finished
    assert [len(report.at_start), len(report.rows[0].diagnostics)] == [7, 7]


def test_a_promoted_trial_that_compiles_again_has_the_weights(data):
    hypermodel = programs.Twice()
    first = train(hypermodel, work_for(hypermodel), data)
    assert first.finished
    promoted = replace(work_for(hypermodel, epochs=4), initial_epoch=2, counted_from=2)
    second = train(hypermodel, promoted, data, first.state)
    assert second.finished
    assert [row.epoch for row in second.rows] == [2, 3, 4][: len(second.rows)]


def test_an_exit_in_a_fit_fails_its_trial(data):
    class Leaves(programs.Batches):
        def fit(self, hp, model, *args, **kwargs):
            raise SystemExit("no such file")

    assert trained(Leaves(), data).failure == "SystemExit: no such file"


def test_an_objective_that_few_epochs_have_is_that_of_the_best_of_them(data):
    """The last epoch is not validated. The weights are those of the best that is."""
    report = trained(programs.build, data, validation_freq=2)
    assert report.finished
    hypermodel = get_hypermodel(programs.build)
    odd = train(hypermodel, work_for(hypermodel, epochs=3), data, validation_freq=2)
    assert odd.finished
    assert odd.weights_file[-2000:] == report.weights_file[-2000:]


def test_an_objective_without_a_value_is_no_reason_to_end_the_study(data):
    class Nothing(keras.metrics.Metric):
        def update_state(self, *args, **kwargs):
            pass

        def result(self):
            return np.nan

    def build(hp):
        model = programs.build(hp)
        model.compile("sgd", model.loss, metrics=["accuracy", Nothing(name="f1")])
        return model

    report = trained(build, data, Objective("val_f1", "max"))
    assert report.finished
    assert not report.fatal


def test_an_exception_is_one_line_and_a_traceback(data):
    report = trained(programs.Unlucky(), data)
    late = get_hypermodel(programs.Unlucky())
    small = train(late, work_for(late, batch_size=16), data)
    assert small.failure == "ValueError: these batches are too small"
    assert "programs.py" in small.traceback
    assert not small.fatal
    assert report.finished or report.failure == small.failure


def test_an_objective_that_no_epoch_reports_ends_the_study(data):
    report = trained(programs.build, data, Objective("val_f1", "max"))
    assert report.fatal
    assert report.failure.endswith(
        "no epoch reports the objective val_f1; reported are: accuracy, loss, val_accuracy, val_loss"
    )


def test_a_target_ends_a_trial(data):
    hypermodel = get_hypermodel(programs.build)
    whole = train(hypermodel, work_for(hypermodel, epochs=6), data)
    target = whole.rows[2].val_accuracy
    first = next(r.epoch for r in whole.rows if r.val_accuracy >= target)
    report = train(hypermodel, replace(work_for(hypermodel, epochs=6), target=target), data)
    assert report.finished
    assert len(report.rows) == first + 1 < 6


def test_a_tensorboard_callback_has_a_folder_and_hyperparameters_for_each_trial(data, tmp_path):
    board = keras.callbacks.TensorBoard(str(tmp_path))
    report = trained(programs.build, data, callbacks=[board])
    assert report.keras_fit == ""
    folder = tmp_path / "0000" / "execution0"
    curve = EventAccumulator(str(folder / "validation")).Reload().Tensors("epoch_accuracy")
    assert [event.step for event in curve] == [0, 1]
    tags = EventAccumulator(str(folder)).Reload().summary_metadata
    content = tags["_hparams_/session_start_info"].plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert start.hparams["units"].number_value == 8
    # The program's own callback is not changed.
    assert board.log_dir == str(tmp_path)


def test_stretches_with_callbacks_equal_the_whole_bit_for_bit(data):
    callbacks = [
        keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("loss", patience=0, min_delta=10.0),
    ]
    hypermodel = get_hypermodel(programs.build)
    work = work_for(hypermodel, epochs=8)
    whole = train(hypermodel, work, data, callbacks=callbacks)
    rows, state, report = [], None, None
    while report is None or not report.finished:
        best = VAL_ACCURACY.best(rows)
        stretch = replace(
            work,
            initial_epoch=len(rows),
            seconds=0,
            best=best and (best.val_accuracy, best.epoch),
        )
        report = train(hypermodel, stretch, data, state, callbacks=callbacks)
        rows += report.rows
        state = report.state
    assert [r.logs for r in rows] == [r.logs for r in whole.rows]
    assert [r.learning_rate for r in rows] == [r.learning_rate for r in whole.rows]
    assert report.weights_file[-2000:] == whole.weights_file[-2000:]


def test_a_model_is_compiled_as_the_tuner_says_and_may_be_too_large(data):
    hypermodel = ProgramModel(get_hypermodel(programs.build), optimizer="adam", metrics=["mse"])
    model = hypermodel.build(kt.HyperParameters())
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    large = ProgramModel(get_hypermodel(programs.build), max_model_size=3)
    large.hypermodel.build = lambda hp: keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    report = train(large, work_for(get_hypermodel(programs.build)), data)
    assert (
        report.failure
        == "FailedTrialError: the model has 10 parameters, more than max_model_size=3"
    )
    # It would be as large again, so it is not retried.
    assert report.traceback == ""


def test_a_model_is_compiled_with_an_optimizer_of_the_tuner(data):
    """KerasTuner's own way of compiling again nests the metrics, and Keras flattens them."""
    hypermodel = ProgramModel(get_hypermodel(programs.build), optimizer=keras.optimizers.Adam(0.01))
    report = train(hypermodel, work_for(get_hypermodel(programs.build), LOSS), data)
    assert report.failure == ""
    assert report.rows[0].learning_rate == pytest.approx(0.01)


def test_a_fit_may_score_without_training(data):
    class Drawn(programs.Batches):
        def fit(self, hp, model, *args, **kwargs):
            return hp.get("units") / 10

    goal = Objective("default_objective", "min")
    report = trained(Drawn(), data, goal)
    assert report.finished
    assert goal.value(report.rows[-1].logs) == 0.8


def test_a_trial_that_needs_keras_own_fit_is_not_checkpointed_in_the_middle(data):
    class Batchwise(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    hypermodel = get_hypermodel(programs.build)
    work = replace(work_for(hypermodel, epochs=3), seconds=0)
    report = train(hypermodel, work, data, callbacks=[Batchwise()])
    assert not report.finished
    assert report.state == b""
    whole = train(hypermodel, replace(work, seconds=1e9), data, callbacks=[Batchwise()])
    assert whole.finished
    assert whole.keras_fit == "the callback Batchwise acts on batches"


@pytest.mark.parametrize(("skips", "epochs"), [(True, 1), (False, 2)])
def test_a_network_without_gradients_ends_before_its_first_epoch(data, skips, epochs):
    """Zeros everywhere and ReLU: no weight would ever change. Its accuracy is that of chance."""
    networks = DenseNetworks(DATASETS["digits"])
    config = dense_config({"tuner/epochs": 2}, initializer="zeros")
    work = Work("s", "0000", config, 3, 1, 0, 0, 2, seconds=1e9, skips_idle=skips)
    report = train(networks, work, data)
    assert report.finished
    assert len(report.rows) == epochs
    assert bool(report.cut_short) == skips
    assert "no weight matrix has a gradient" in report.cut_short or not skips
    # The first class is predicted for every image, because all probabilities are equal.
    share = np.mean(data[1]["validation_data"][1] == 0)
    if skips:
        assert report.rows[0].val_accuracy == pytest.approx(share)
        assert math.isnan(report.rows[0].accuracy)
    trained = work_with(work, initializer="he_normal")
    assert train(networks, trained, data).cut_short == ""
    # Without validation, or for an objective of training, an epoch must be trained.
    by_loss = replace(work, goal=Objective("loss", "min"))
    assert len(train(networks, by_loss, data).rows) == 2


def test_the_child_of_an_untrained_trial_is_untrained_wherever_it_goes_on(data):
    networks = DenseNetworks(DATASETS["digits"], 9, 3)
    config = dense_config({"tuner/epochs": 1, "tuner/bracket": 2}, initializer="zeros")
    first = Work("s", "0000", config, 3, 1, 0, 0, 1, seconds=1e9, skips_idle=True)
    state = train(networks, first, data).state
    config["values"]["tuner/epochs"] = 3
    child = replace(first, hyperparameters=config, initial_epoch=1, counted_from=1, epochs=3)
    promoted = train(networks, child, data, state)
    again = train(networks, replace(child, initial_epoch=0), data)
    assert promoted.cut_short == again.cut_short != ""
    assert [row.epoch for row in promoted.rows] == [1]
    assert [row.epoch for row in again.rows] == [0, 1]
    assert promoted.rows[0].val_accuracy == again.rows[1].val_accuracy


def test_a_chain_that_is_trained_again_has_the_same_weights(data):
    """With a rate that begins anew on each rung: 3 epochs, then 6 more, or 9 at once."""
    networks = DenseNetworks(DATASETS["digits"], 9, 3)
    config = dense_config({"tuner/epochs": 3, "tuner/bracket": 1}, schedule="warmup")
    first = Work("s", "0000", config, 3, 1, 0, 0, 3, seconds=1e9)
    state = train(networks, first, data).state
    config["values"]["tuner/epochs"] = 9
    child = replace(first, hyperparameters=config, initial_epoch=3, counted_from=3, epochs=9)
    promoted = train(networks, child, data, state)
    again = train(networks, replace(child, initial_epoch=0), data)
    assert [r.val_loss for r in promoted.rows] == [r.val_loss for r in again.rows[3:]]
    assert max(row.learning_rate for row in promoted.rows) > 0


def dense_config(labels, **changes):
    """The config of a small dense network, with KerasTuner's labels."""
    hp = kt.HyperParameters()
    hp.values = complete({"layers": 1, "units_1": 8, **changes})
    return {**hp.get_config(), "values": {**hp.values, **labels}}


def work_with(work, **values):
    """The same work on other values."""
    config = {**work.hyperparameters}
    config["values"] = {**config["values"], **values}
    return replace(work, hyperparameters=config)
