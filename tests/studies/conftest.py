import pytest
from distributed import LocalCluster

from search.cli.progress import Display
from search.records.commands import log
from search.running.execution import Execution
from search.running.run import run_study
from tests.simulated import SIMULATED


@pytest.fixture(scope="session")
def scheduler():
    """The address of a cluster of threads, which need no start and import nothing again."""
    options = {"dashboard_address": ":0", "scheduler_kwargs": {"dashboard": False}}
    with LocalCluster(4, threads_per_worker=1, processes=False, **options) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="session")
def simulate(scheduler):
    """Runs a study to its end on simulated networks."""

    def simulate(folder, arguments):
        execution = Execution(logs=folder.logs, scheduler=scheduler)
        run_study(folder, arguments, execution, Display(folder.name, log), SIMULATED)

    return simulate
