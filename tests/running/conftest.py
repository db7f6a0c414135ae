import json

import pytest

from tests.laboratory import made_once
from tests.running.studies import SMALL, finished


@pytest.fixture(scope="session")
def undisturbed(drivers, tmp_path_factory):
    """Logs with a simulated study `s` that one worker ran to its end, and `summary.json`."""

    return made_once(
        tmp_path_factory, "undisturbed", lambda folder: finished(drivers, folder, *SMALL)
    )


@pytest.fixture(scope="session")
def summary(undisturbed):
    return json.loads((undisturbed / "summary.json").read_text())


@pytest.fixture
def run(drivers, tmp_path):
    """Runs the simulated study `s` in the test's own folder."""

    def run(*options, logs=tmp_path):
        return drivers.run("run", "--study", "s", "--logs", logs, *options)

    return run


@pytest.fixture
def start(drivers, tmp_path):
    """Starts the simulated study `s` in the test's own folder."""

    def start(*options, logs=tmp_path):
        return drivers.start("run", "--study", "s", "--logs", logs, *options)

    return start
