"""The record of a running session in `study.json`."""

import math
import resource
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from search.data.pool import Pool
from search.records.arguments import Arguments
from search.records.datasets import DATASETS
from search.records.errors import Misuse
from search.records.folder import StudyFolder
from search.records.study import FORMAT, Planned, SessionRecord, StudyRecord
from search.records.trial import ENDED
from search.running import provenance

if TYPE_CHECKING:
    from search.running.work import Report
    from search.studies.oracles import RecordedOracle

RECORD_EVERY = 5.0
"""Seconds between writes of the running session's times."""


class StudySession:
    """One run of a study: when, how long and on which workers. It keeps `study.json` up to date.

    Raises Misuse if the study was started on other data.
    """

    def __init__(self, study: StudyFolder, arguments: Arguments, pool: Pool, workers: int):
        self.study = study
        earlier = study.record() if study.exists() else None
        if earlier and earlier.data != pool.hashes:
            raise Misuse(
                f"study {study.name} was started on other data ({', '.join(earlier.data)}): give "
                "the same files, or choose another --study name"
            )
        self.past = earlier.sessions if earlier else ()
        self.seconds_before = sum(session.seconds for session in self.past)
        known = earlier or StudyRecord(study.name, arguments.COMMAND, arguments, pool.hashes, ())
        self.record = replace(
            known,
            format=FORMAT,
            study=study.name,
            arguments=arguments,
            validation_images=len(pool.labels) - DATASETS[arguments.dataset].train_size,
            finished=False,
        )
        self.clock = time.monotonic()
        self.written = -math.inf
        self.worker_cpu = 0.0
        self.peaks: dict[str, int] = {}
        self.now = SessionRecord(
            time.time(),
            workers,
            provenance.commit(),
            provenance.versions(),
            provenance.processor(),
        )
        self.oracle: RecordedOracle | None = None

    def seconds(self) -> float:
        """Return the wall time of this run so far."""
        return time.monotonic() - self.clock

    def begin(self, oracle: "RecordedOracle") -> None:
        """Write the record and, for TensorBoard, the study's hyperparameters and metrics."""
        from search.running import events

        self.oracle = oracle
        first = min((session.started for session in self.past), default=self.now.started)
        self.write()
        events.write_experiment(self.study, oracle.hyperparameters, oracle.labels, first)

    def note(self, report: "Report") -> None:
        """Add a worker's report to the record."""
        self.worker_cpu += report.cpu_seconds
        self.peaks[report.worker] = report.peak_memory
        if time.monotonic() - self.written > RECORD_EVERY:
            self.write()

    def write(self) -> None:
        """Write `study.json`, if the run has begun."""
        if self.oracle is None:
            return
        planned = Planned(*self.oracle.planned())
        used = resource.getrusage(resource.RUSAGE_SELF)
        largest = sorted(self.peaks.values())[-self.now.workers :]
        self.now = replace(
            self.now,
            seconds=self.seconds(),
            cpu_seconds=used.ru_utime + used.ru_stime + self.worker_cpu,
            peak_memory=used.ru_maxrss * 1024 + sum(largest),
        )
        ended = sum(trial.status in ENDED for trial in self.oracle.trials.values())
        self.record = replace(
            self.record,
            planned=planned,
            finished=ended == planned.trials,
            sessions=(*self.past, self.now),
            **self.oracle.recorded(),
        )
        self.study.write_record(self.record)
        self.written = time.monotonic()
