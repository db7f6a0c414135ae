"""Starts a study or continues it: arguments, lock, data, workers, and the record of each run."""

import concurrent.futures
import os
from pathlib import Path
from typing import Any

from rich.console import Console

from search.cli.summary import summarize
from search.data.load import load_pool
from search.quiet import import_quietly
from search.records.arguments import Arguments
from search.records.errors import Misuse
from search.records.folder import Json, Study
from search.running.cluster import cluster, fork_server
from search.running.session import Session
from search.studies.kinds import hypermodel


def run_study(
    study: Study,
    arguments: Arguments,
    workers: int,
    scheduler: str | None,
    data_dir: Path | None,
    time_budget: float,
    checkpoint_seconds: float,
    console: Console,
) -> Json:
    """Runs a study to its end or to the end of its time; returns its summary.

    time_budget: seconds of wall time for the study in all its runs.
    Raises Misuse and Failure as its parts do; whatever is raised, the study can be continued.
    """
    with study.locked():
        if not scheduler:
            fork_server()
        pool = load_pool(arguments.dataset, data_dir)
        session = Session(study, arguments, pool, workers)
        left = time_budget - session.seconds_before
        if left <= 0:
            raise Misuse(
                f"study {study.name} has used {session.seconds_before:.0f} s of its time budget of "
                f"{time_budget:.0f} s: raise --time-budget"
            )
        with session, concurrent.futures.ThreadPoolExecutor(1) as importer:
            # TensorFlow takes seconds to import, here and in the workers: all at once.
            importer.submit(import_quietly, "search.running.tuner")
            with cluster(workers, scheduler) as client:
                from search.cli.progress import Display

                with Display(study.name, console) as display:
                    tuner = make_tuner(study, arguments, display)
                    session.begin(tuner.oracle)
                    tuner.search(
                        pool,
                        client,
                        checkpoint_seconds,
                        time_left=lambda: left - session.seconds(),
                        on_trial_end=session.note,
                    )
    return summarize(study)


def make_tuner(study: Study, arguments: Arguments, display: Any) -> Any:
    """The tuner of a study, its earlier trials taken up."""
    from search.running.tuner import StudyTuner

    oracle = arguments.oracle(study, display.says)
    display.oracle = oracle
    return StudyTuner(study, oracle, hypermodel(arguments), display)


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
