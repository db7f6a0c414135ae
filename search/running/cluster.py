"""The dask cluster that trains: local processes, or a scheduler's workers."""

import contextlib
import logging
import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import multiprocessing.spawn
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import dask
from distributed import Client, LocalCluster

from search.records.errors import Failure
from search.running.execution import Execution

FORKS = sys.platform == "linux"
"""Whether workers are forked from a process that has imported TensorFlow but not used it yet."""


# Dask makes malloc return freed memory at once. Setting either threshold also stops malloc from
# adjusting the other threshold. With low thresholds, every step would map its buffers again.
ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # TensorFlow uses oneDNN by default on some Intel processors alone. On others it makes small
    # convolutions almost four times as fast, and dense layers no slower.
    "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1"),
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
}


@contextlib.contextmanager
def cluster(
    execution: Execution, preload: tuple[str, ...] = ()
) -> Iterator[tuple[Client, Path | None]]:
    """Yield a client of an existing cluster, or of new processes with one thread each.

    The second value is a folder that the new processes can read, None for an existing cluster. It
    is removed at the end.

    preload: modules that new processes have already imported when they start (`fork_server`).
    Raises Failure if no scheduler answers, or if its cluster has no workers.
    """
    # A checkpoint travels with its task, so dask can repeat the work if a worker dies.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
    scheduler = execution.scheduler
    if scheduler:
        try:
            client = Client(scheduler, timeout="20s")
        except (OSError, ValueError) as error:
            raise Failure(f"no dask scheduler answers at {scheduler}: {error}") from error
        with client:
            if not client.scheduler_info(n_workers=-1)["workers"]:
                raise Failure(f"the cluster at {scheduler} has no workers: start workers first")
            yield client, None
        return
    fork_server(preload)
    method = {"distributed.worker.multiprocessing-method": "forkserver"} if FORKS else {}
    with (
        tempfile.TemporaryDirectory(prefix="search-") as scratch,
        dask.config.set({"distributed.nanny.pre-spawn-environ": ENVIRONMENT, **method}),
        _main_left_alone(),
        LocalCluster(
            n_workers=execution.processes,
            threads_per_worker=1,
            # Any free port: on the default one, a second study beside this one would be warned.
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            memory_limit=0,
            local_directory=scratch,
            silence_logs=logging.CRITICAL,
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield client, Path(scratch)


@contextlib.contextmanager
def _main_left_alone() -> Iterator[None]:
    """Keep new workers from importing the main program.

    Without this, multiprocessing would run a script without a `__main__` guard again in each worker.
    Workers need nothing of it: cloudpickle sends what the main program defines by value.
    """
    original = multiprocessing.spawn.get_preparation_data

    def prepared(name: str) -> dict[str, object]:
        data = original(name)
        if name.startswith("Dask Worker"):
            data.pop("init_main_from_name", None)
            data.pop("init_main_from_path", None)
        return data

    multiprocessing.spawn.get_preparation_data = prepared
    try:
        yield
    finally:
        multiprocessing.spawn.get_preparation_data = original


def fork_server(preload: tuple[str, ...]) -> None:
    """Start the process that workers are forked from, if the system can fork.

    The process imports the modules once for all workers and their replacements. The caller does not
    wait for it.
    """
    if not FORKS:
        return
    # malloc reads these when a process starts. Dask also leaves them in this process' environment.
    os.environ.update(ENVIRONMENT)
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(preload))
    # The tracker, which the fork server starts if it must, would unblock Ctrl-C again.
    multiprocessing.resource_tracker.ensure_running()
    # Ctrl-C reaches the whole process group. The fork server and its forks inherit the mask and
    # never hear of it; this process hears of it right after.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def addresses(client: Client) -> Sequence[str]:
    """Return the addresses of a cluster's workers."""
    return list(client.scheduler_info(n_workers=-1)["workers"])
