"""The record of one run of a study in `study.json`."""

import math
import resource
import time
from dataclasses import asdict
from typing import Any

from search.data.pool import Pool
from search.records.arguments import Arguments
from search.records.datasets import SHAPES
from search.records.errors import Misuse
from search.records.folder import Json, Study, study_record
from search.running import provenance
from search.running.work import Report

FORMAT = 1
"""Of study.json."""


RECORD_EVERY = 5.0
"""Seconds between writes of the running session's times."""


class Session:
    """One run of a study in its record, `study.json`: when, how long, on how much."""

    def __init__(self, study: Study, arguments: Arguments, pool: Pool, workers: int):
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
            "validation_images": len(pool.labels) - SHAPES[arguments.dataset].train_size,
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
        from search.running import events

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
