"""Real networks of the digits: the same whatever happens, for KerasTuner and for TensorBoard."""

import json
from dataclasses import replace

import keras_tuner as kt
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

from search.data.load import load_pool
from search.networks.dense import DenseNetworks
from search.networks.narrowing import narrowed
from search.records.datasets import DATASETS
from search.records.folder import StudyFolder
from search.records.trial import configuration
from search.running.events import FILE, SHOWN_FIRST, write_experiment
from tests.laboratory import made_once
from tests.running.studies import check_events, finished

NARROW = ("layers=1,2", "units_1=32,64", "units_2=32,64")
REAL = ("--dataset", "digits", "--max-epochs", 3, "--seed", 7)
REAL += tuple(word for fix in NARROW for word in ("--fix", fix))
"""Two brackets with a promotion: 6 trials of small networks, 11 epochs."""


@pytest.fixture(scope="session")
def logs(drivers, tmp_path_factory):
    """Logs with a study `s` that one worker ran to its end, and `summary.json`."""

    return made_once(
        tmp_path_factory,
        "digits-study",
        lambda folder: finished(drivers, folder, *REAL, real=True),
    )


@pytest.fixture(scope="session")
def summary(logs):
    return json.loads((logs / "summary.json").read_text())


@pytest.mark.slow
def test_stock_kerastuner_reloads_the_study(logs, summary):
    """With its best hyperparameters and its best model, whose score is as recorded."""
    images = load_pool("digits").split(7)
    networks = DenseNetworks(replace(DATASETS["digits"], train_size=len(images.x_train)), 3)
    theirs = kt.Hyperband(
        networks, "val_accuracy", max_epochs=3, directory=str(logs), project_name="s"
    )
    best = theirs.get_best_hyperparameters()[0].values
    assert configuration(best) == summary["best"]["hyperparameters"]
    model = theirs.get_best_models()[0]
    _, accuracy = model.evaluate(images.x_validation, images.y_validation, verbose=0)
    assert accuracy == pytest.approx(summary["best"]["val_accuracy"], abs=1e-6)


def content(accumulator, tag):
    """What the HParams tab reads under a tag."""
    data = accumulator.SummaryMetadata(tag).plugin_data.content
    return plugin_data_pb2.HParamsPluginData.FromString(data)


def experiment(directory):
    return content(EventAccumulator(str(directory)).Reload(), "_hparams_/experiment").experiment


@pytest.mark.slow
def test_tensorboard_has_a_row_a_trial_with_domains_metrics_status_and_curves(logs):
    found = experiment(logs / "s")
    infos = {info.name: info for info in found.hparam_infos}
    assert infos["sgd_lr"].domain_interval.max_value == 1.0
    activations = {v.string_value for v in infos["activation"].domain_discrete.values}
    assert len(activations) == 8
    assert {"tuner/bracket", "tuner/round"} <= set(infos)
    assert {m.name.group for m in found.metric_infos} == {"train", "validation"}
    trials, _ = StudyFolder(logs, "s").read_trials()
    rows = sorted((logs / "s").glob(f"trial_*/{FILE}"))
    assert len(rows) == len(trials) == 6
    check_events(logs)
    for path, trial in zip(rows, trials.values(), strict=True):
        accumulator = EventAccumulator(str(path.parent)).Reload()
        start = content(accumulator, "_hparams_/session_start_info").session_start_info
        end = content(accumulator, "_hparams_/session_end_info").session_end_info
        good = trial.status == "COMPLETED"
        assert end.status == (api_pb2.STATUS_SUCCESS if good else api_pb2.STATUS_FAILURE)
        assert start.hparams["activation"].string_value == trial.values["activation"]
        tags = set(accumulator.Tags()["scalars"])
        for quantity in ("gradient_norm", "weight_norm"):
            assert {f"{quantity}/hidden_1", f"{quantity}/output"} <= tags
        assert {"saturated/hidden_1", "dead/hidden_1"} <= tags
        assert {"epoch_learning_rate", "epoch_seconds"} <= tags


def test_parallel_coordinates_open_with_what_differs(tmp_path):
    """Without a mark on any hyperparameter, the tab opens empty."""
    folder = StudyFolder(tmp_path, "s")
    folder.directory.mkdir()
    for fix, expected in (
        ((), set(SHOWN_FIRST)),
        (("optimizer=adam",), set(SHOWN_FIRST) - {"optimizer"}),
    ):
        write_experiment(folder, narrowed(fix), ("tuner/epochs",), "val_accuracy", 1.0)
        infos = experiment(folder.directory).hparam_infos
        assert {info.name for info in infos if info.differs} == expected
