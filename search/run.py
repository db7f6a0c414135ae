"""Starts a study or continues it: arguments, lock, data, workers, and the record of each run."""

import concurrent.futures
import math
import os
import resource
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from search import data, provenance
from search.arguments import Arguments
from search.errors import Misuse
from search.quiet import import_quietly
from search.store import Json, Study
from search.summary import study_record, summarize
from search.workers import Report, cluster, fork_server

FORMAT = 1
"""Of study.json."""

RECORD_EVERY = 5.0
"""Seconds between writes of the running session's times."""


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
        pool = data.load(arguments.dataset, data_dir)
        session = Session(study, arguments, pool, workers)
        left = time_budget - session.seconds_before
        if left <= 0:
            raise Misuse(
                f"study {study.name} has used {session.seconds_before:.0f} s of its time budget of "
                f"{time_budget:.0f} s: raise --time-budget"
            )
        with session, concurrent.futures.ThreadPoolExecutor(1) as importer:
            # TensorFlow takes seconds to import, here and in the workers: all at once.
            importer.submit(import_quietly, "search.tuner")
            with cluster(workers, scheduler) as client:
                from search.progress import Display

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
    from search.tuner import StudyTuner

    oracle = arguments.oracle(study, display.says)
    display.oracle = oracle
    return StudyTuner(study, oracle, hypermodel(arguments), display)


def hypermodel(arguments: Arguments) -> Any:
    """The networks that a study's values speak of."""
    from search.space import DenseNetworks

    shape = data.SHAPES[arguments.dataset]
    return DenseNetworks(shape.features, shape.classes, shape.train_size, arguments.horizon)


class Session:
    """One run of a study in its record, `study.json`: when, how long, on how much."""

    def __init__(self, study: Study, arguments: Arguments, pool: data.Pool, workers: int):
        self.study = study
        self.about: Json = study_record(study) if study.exists() else {"sessions": []}
        before = self.about.get("data")
        if before and before != pool.hashes:
            raise Misuse(f"study {study.name} was started on other data: {', '.join(before)}")
        self.seconds_before = sum(past["seconds"] for past in self.about["sessions"])
        self.about |= {
            "format": FORMAT,
            "study": study.name,
            "command": arguments.COMMAND,
            "arguments": asdict(arguments),
            "data": pool.hashes,
            "validation_images": len(pool.labels) - data.SHAPES[arguments.dataset].train_size,
            "finished": False,
        }
        self.started = time.time()
        self.clock = time.monotonic()
        self.recorded = -math.inf
        self.worker_cpu = 0.0
        self.peaks: dict[str, int] = {}
        self.now: Json = {
            "started": self.started,
            "workers": workers,
            "commit": provenance.commit(),
            "versions": provenance.versions(),
            "processor": provenance.processor(),
        }
        self.oracle: Any = None

    def seconds(self) -> float:
        """Of this run so far."""
        return time.monotonic() - self.clock

    def begin(self, oracle: Any) -> None:
        """Writes the record and, for TensorBoard, what the study is about to explore."""
        from search import events

        self.oracle = oracle
        first = min((s["started"] for s in self.about["sessions"]), default=self.started)
        self.record()
        events.write_experiment(self.study, oracle.hyperparameters, oracle.labels, first)

    def note(self, report: Report) -> None:
        """Counts a worker's report in."""
        self.worker_cpu += report.cpu_seconds
        self.peaks[report.worker] = report.peak_memory
        if time.monotonic() - self.recorded > RECORD_EVERY:
            self.record()

    def record(self) -> None:
        trials, epochs = self.oracle.planned()
        used = resource.getrusage(resource.RUSAGE_SELF)
        largest = sorted(self.peaks.values())[-self.now["workers"] :]
        self.now |= {
            "seconds": self.seconds(),
            "cpu_seconds": used.ru_utime + used.ru_stime + self.worker_cpu,
            "peak_memory": used.ru_maxrss * 1024 + sum(largest),
        }
        self.about["planned"] = {"trials": trials, "epochs": epochs}
        self.about |= self.oracle.record()
        ended = [t for t in self.oracle.trials.values() if t.status in ("COMPLETED", "FAILED")]
        self.about["finished"] = len(ended) == trials
        past = self.about["sessions"]
        self.study.write_json("study.json", {**self.about, "sessions": [*past, self.now]})
        self.recorded = time.monotonic()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        if self.oracle is not None:
            self.record()


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
