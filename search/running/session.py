"""The record of a running session in `study.json`."""

import math
import resource
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from search.records.arguments import Arguments, Subject
from search.records.datasets import Dataset
from search.records.errors import Misuse
from search.records.folder import StudyFolder
from search.records.study import FORMAT, Planned, SessionRecord, StudyRecord
from search.records.trial import ENDED
from search.running import provenance

if TYPE_CHECKING:
    from search.running.driver import Driver
    from search.running.work import Report

RECORD_EVERY = 5.0
"""Seconds between writes of the running session's times."""


@dataclass(frozen=True)
class Origin:
    """The data and the code of a study, as far as they are known before it runs."""

    facts: Dataset | None = None
    """None for the arrays of a program."""
    data: dict[str, str] = field(default_factory=dict)
    """SHA-256 by name of each data file. For a program, `CallSource.recorded`."""
    source: dict[str, str] = field(default_factory=dict)
    """SHA-256 by name of each source file of an own hypermodel."""


class StudySession:
    """One run of a study: when, how long and on which workers. It keeps `study.json` up to date.

    Raises Misuse if the study was started on other data, or with another hypermodel.
    """

    def __init__(self, study: StudyFolder, arguments: Arguments, origin: Origin, workers: int):
        self.study = study
        earlier = study.record() if study.exists() else None
        if earlier:
            _check_same(study.name, earlier, origin)
        self.past = earlier.sessions if earlier else ()
        self.seconds_before = sum(session.seconds for session in self.past)
        known = earlier or StudyRecord(
            study.name, arguments.COMMAND, arguments, origin.data, source=origin.source
        )
        self.record = replace(
            known,
            format=FORMAT,
            study=study.name,
            arguments=arguments,
            facts=origin.facts,
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
        self.driver: Driver | None = None

    def seconds(self) -> float:
        """Return the wall time of this run so far."""
        return time.monotonic() - self.clock

    def begin(self, driver: "Driver") -> None:
        """Write the record and, for TensorBoard, the study's hyperparameters and metrics."""
        from search.running import events

        self.driver = driver
        oracle = driver.oracle
        first = min((session.started for session in self.past), default=self.now.started)
        self.record = replace(self.record, objective=oracle.goal)
        self.write()
        name = oracle.goal.name
        events.write_experiment(self.study, oracle.hyperparameters, oracle.labels, name, first)

    def note(self, report: "Report") -> None:
        """Add a worker's report to the record."""
        self.worker_cpu += report.cpu_seconds
        self.peaks[report.worker] = report.peak_memory
        if time.monotonic() - self.written > RECORD_EVERY:
            self.write()

    def write(self) -> None:
        """Write `study.json`, if the run has begun."""
        if self.driver is None:
            return
        oracle, reached = self.driver.oracle, self.driver.reached
        planned = Planned(*oracle.planned())
        used = resource.getrusage(resource.RUSAGE_SELF)
        largest = sorted(self.peaks.values())[-self.now.workers :]
        self.now = replace(
            self.now,
            seconds=self.seconds(),
            cpu_seconds=used.ru_utime + used.ru_stime + self.worker_cpu,
            peak_memory=used.ru_maxrss * 1024 + sum(largest),
        )
        ended = sum(trial.status in ENDED for trial in oracle.trials.values())
        self.record = replace(
            self.record,
            planned=planned,
            finished=ended == planned.trials or reached is not None,
            reached=reached,
            sessions=(*self.past, self.now),
            **oracle.recorded(),
        )
        self.study.write_record(self.record)
        self.written = time.monotonic()


def _check_same(name: str, earlier: StudyRecord, origin: Origin) -> None:
    """Raise Misuse if a study was started on other data, or with another hypermodel."""
    other_data = _differing(earlier.data, origin.data)
    if not isinstance(earlier.arguments, Subject):
        # A program's source may differ by a comment, so its tuner only warns of it.
        if other_data:
            raise Misuse(
                f"study {name} was started with other arguments of search ({other_data}): give the "
                "same, choose another project_name, or give overwrite=True"
            )
        return
    for differing, what in (
        (other_data, "other data"),
        (_differing(earlier.source, origin.source), "another hypermodel"),
    ):
        if differing:
            raise Misuse(
                f"study {name} was started on {what} ({differing}): give the same files, or choose "
                "another --study name"
            )


def _differing(recorded: dict[str, str], now: dict[str, str]) -> str:
    """Return which values differ, in words, empty if none does."""
    names = sorted(name for name in {*recorded, *now} if recorded.get(name) != now.get(name))
    return f"{', '.join(names)} {'differ' if len(names) > 1 else 'differs'}" if names else ""
