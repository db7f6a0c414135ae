import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.drivers import Drivers
from tests.laboratory import made_once

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def digits():
    from search.data.load import load_pool

    return load_pool("digits").split(1)


@pytest.fixture(scope="session")
def few_digits(digits):
    """300 images to train on: two batches of 128 and a smaller batch."""
    x, y = digits.x_train[:300], digits.y_train[:300]
    return replace(digits, x_train=x, y_train=y)


@pytest.fixture(scope="session")
def fashion_dir() -> Path:
    """The folder of the real files; tests that need them are skipped if it is not given."""
    directory = os.environ.get("FASHION_MNIST_DIR")
    if not directory:
        pytest.skip("FASHION_MNIST_DIR is not set")
    return Path(directory)


@pytest.fixture(scope="session")
def drivers(tmp_path_factory):
    """Starts commands as processes that can be killed, without waiting for their imports."""
    with Drivers(tmp_path_factory.mktemp("drivers")) as started:
        yield started


@pytest.fixture(scope="session")
def digits_logs(tmp_path_factory):
    """Logs with a search of the digits, `s`, and `s-final`, its test set opened. Not to be changed."""
    from tests.digits_studies import make

    return made_once(tmp_path_factory, "digits-logs", make)


@pytest.fixture(scope="session")
def scheduler():
    """The address of a cluster of threads, which need no start and import nothing again."""
    from distributed import LocalCluster

    options = {"dashboard_address": "127.0.0.1:0", "scheduler_kwargs": {"dashboard": False}}
    with LocalCluster(4, threads_per_worker=1, processes=False, **options) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="session")
def simulate(scheduler):
    """Runs a study to its end on simulated networks."""
    from search.cli.progress import Display
    from search.records.commands import log
    from search.running.execution import Execution
    from search.running.run import run_study
    from tests.simulated import SIMULATED

    def simulate(folder, arguments, data_dir=None):
        execution = Execution(scheduler=scheduler, data_dir=data_dir)
        run_study(folder, arguments, execution, Display(folder.name, log), SIMULATED)

    return simulate


@pytest.fixture
def make_hp():
    """KerasTuner hyperparameters: the space's defaults with changes."""
    import keras_tuner as kt

    from search.networks.baselines import complete
    from search.networks.space import declare

    def make(**changes):
        hp = kt.HyperParameters()
        hp.values = complete(changes)
        declare(hp)
        return hp

    return make
