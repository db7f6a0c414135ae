"""Starts a study or continues it: arguments, lock, data, workers, and the record of each run."""

import concurrent.futures
import math
import os
import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from search import data, provenance
from search.errors import Misuse
from search.quiet import import_quietly
from search.store import Json, Study
from search.summary import study_record, summarize
from search.workers import Report, cluster, fork_server

FORMAT = 1
"""Of study.json."""

RECORD_EVERY = 5.0
"""Seconds between writes of the running session's times."""


@dataclass(frozen=True)
class Arguments:
    """What makes a study the study it is; the same for every run that continues it."""

    dataset: data.DatasetName = "fashion-mnist"
    max_epochs: int = 27
    factor: int = 3
    iterations: int = 1
    seed: int = 1
    fix: tuple[str, ...] = ()
    seed_with: str | None = None

    def check(self) -> None:
        """Raises Misuse where no Hyperband study can be made of these."""
        if self.factor < 2:
            raise Misuse(f"--factor {self.factor}: must be at least 2")
        if self.max_epochs < self.factor:
            raise Misuse(
                f"--max-epochs {self.max_epochs}: must be at least the factor, {self.factor}, "
                "or there is nothing to promote to"
            )
        if self.iterations < 1:
            raise Misuse(f"--iterations {self.iterations}: must be at least 1")


def settled(study: Study, given: dict[str, Any]) -> Arguments:
    """The arguments of a study: as given, where new; as recorded, where it is continued.

    given: None where the command line is silent.
    Raises Misuse where a continued study is asked to be another.
    """
    stated = {name: value for name, value in given.items() if value is not None}
    if not study.exists():
        arguments = Arguments(**stated)
        arguments.check()
        return arguments
    recorded = study_record(study)["arguments"]
    recorded["fix"] = tuple(recorded["fix"])
    for name, value in stated.items():
        raised = name == "iterations" and value > recorded[name]
        if value != recorded[name] and not raised:
            raise Misuse(
                f"study {study.name} was started with --{name.replace('_', '-')} "
                f"{_as_typed(recorded[name])}, not {_as_typed(value)}: leave the option out to "
                "continue, or give another --study"
            )
    return Arguments(**(recorded | stated))


def _as_typed(value: Any) -> str:
    return " ".join(map(str, value)) or "nothing" if isinstance(value, tuple) else str(value)


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
        images = data.load(arguments.dataset, arguments.seed, data_dir)
        session = Session(study, arguments, images, workers)
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
                    tuner = make_tuner(study, arguments, images, display)
                    session.begin(tuner.oracle)
                    tuner.search(
                        images,
                        client,
                        checkpoint_seconds,
                        time_left=lambda: left - session.seconds(),
                        on_trial_end=session.note,
                    )
    return summarize(study)


def make_tuner(study: Study, arguments: Arguments, images: data.Data, display: Any) -> Any:
    """The Hyperband tuner of a study, its earlier trials taken up."""
    from search import baselines, narrowing, space
    from search.oracles import HyperbandOracle
    from search.tuner import StudyTuner

    hyperparameters = narrowing.narrowed(arguments.fix)
    first: list[Json] = []
    if arguments.seed_with:
        first, left_out = baselines.within(hyperparameters)
        if left_out:
            display.says(f"baselines outside --fix, left out: {', '.join(left_out)}")
    oracle = HyperbandOracle(
        study,
        hyperparameters,
        arguments.max_epochs,
        arguments.factor,
        arguments.iterations,
        arguments.seed,
        first,
    )
    display.oracle = oracle
    features, size = images.x_train.shape[1], len(images.x_train)
    hypermodel = space.DenseNetworks(features, 10, size, arguments.max_epochs)
    return StudyTuner(study, oracle, hypermodel, display)


class Session:
    """One run of a study in its record, `study.json`: when, how long, on how much."""

    def __init__(self, study: Study, arguments: Arguments, images: data.Data, workers: int):
        self.study = study
        self.about: Json = study_record(study) if study.exists() else {"sessions": []}
        before = self.about.get("data")
        if before and before != images.hashes:
            raise Misuse(f"study {study.name} was started on other data: {', '.join(before)}")
        self.seconds_before = sum(past["seconds"] for past in self.about["sessions"])
        self.about |= {
            "format": FORMAT,
            "study": study.name,
            "arguments": asdict(arguments),
            "data": images.hashes,
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
        events.write_experiment(self.study, oracle.hyperparameters, first)

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
