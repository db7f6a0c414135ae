"""Sends trials to workers, and writes their results to the study's files."""

import math
import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from distributed import Client, Future, KilledWorker, WorkerPlugin

from search.data.pool import Pool
from search.records.errors import Failure
from search.records.folder import StudyFolder
from search.records.objective import Objective
from search.records.trial import (
    COMPLETED,
    FAILED,
    RUNNING,
    EpochRow,
    TrialRun,
    epoch_row,
    failure_line,
)
from search.running import events
from search.running.checkpoints import Checkpoints
from search.running.cluster import addresses
from search.running.interrupts import Interrupts
from search.running.observations import best_of, set_metrics
from search.running.pictures import drawn
from search.running.restoring import restored_trials
from search.running.work import EPOCHS_TOPIC, Report, Trainer, Work
from search.studies.oracles import RecordedOracle, Trial


class Progress(Protocol):
    """A listener to a running study."""

    def epoch_ends(self, trial: Trial, row: EpochRow, worker: str) -> None:
        """Show an epoch that a worker has finished."""

    def trial_ends(self, trial: Trial) -> None:
        """Show a trial that has ended, after its file was written."""

    def report_line(self, line: str) -> None:
        """Show a message."""


@dataclass
class Active:
    """A trial that a worker is training."""

    trial: Trial
    work: Work
    """The work that was sent out last."""
    future: Future[Report]
    logged: int
    """Number of the epochs of this execution that the trial's event files hold."""


class Driver:
    """Runs the trials of an oracle on a dask cluster, and keeps files that survive any crash.

    study: locked by the caller while `search` runs.
    target: value of the objective that ends the study. None: the oracle ends it.
    """

    def __init__(
        self,
        study: StudyFolder,
        oracle: RecordedOracle,
        progress: Progress,
        target: float | None = None,
    ):
        self.study = study
        self.oracle = oracle
        self.goal: Objective = oracle.goal
        self.progress = progress
        self.target = target
        self._checkpoints = Checkpoints(study, oracle, progress.report_line)
        self._restore()

    def save(self) -> None:
        """Write what stock KerasTuner needs to reload the project."""
        self.study.write_json("oracle.json", self.oracle.get_state())
        self.study.write_json("tuner0.json", {})

    @property
    def reached(self) -> str | None:
        """The first trial whose score reached the target."""
        if self.target is None:
            return None
        done = [t for t in self.oracle.trials.values() if t.status == COMPLETED]
        return next((t.trial_id for t in done if self.goal.reaches(t.score, self.target)), None)

    def _write_trial(self, trial: Trial) -> None:
        self.study.write_trial(trial.trial_id, trial.get_state())

    def _restore(self) -> None:
        """Take up the trials on disk."""
        trials = restored_trials(self.study, self.progress.report_line)
        before = {trial.trial_id: trial.hyperparameters.values for trial in trials}
        self.oracle.restore(trials)
        for trial_id, values in before.items():
            if self.oracle.trials[trial_id].hyperparameters.values != values:
                self._write_trial(self.oracle.trials[trial_id])
        self.save()

    def search(
        self,
        plugin: WorkerPlugin | None,
        client: Client,
        trainer: Trainer,
        interrupts: Interrupts,
        checkpoint_seconds: float = 30.0,
        time_left: Callable[[], float] = lambda: float("inf"),
        on_trial_end: Callable[[Report], None] = lambda report: None,
        pool: Pool | None = None,
    ) -> None:
        """Run the study until the oracle has no more trials, the target is reached or time is up.

        plugin: gives the workers the hypermodel and the data, under a name of its own.
        time_left: returns the seconds that are left. If none are left, running trials are
        checkpointed and wait for the next run.
        on_trial_end: called with every report, after its trial has been written.
        pool: the images, for pictures of errors.

        Raises Failure if trials fail one after another, or if all have failed, KeyboardInterrupt
        after Ctrl-C.
        """
        self._client = client
        self._pool = pool
        self._task = trainer.task
        self._checkpoint_seconds = checkpoint_seconds
        self._time_left = time_left
        self._active: dict[str, Active] = {}
        self._news: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._failures = 0
        self._subject = str(getattr(plugin, "name", self.study.name))
        if plugin:
            client.register_plugin(plugin)
        client.subscribe_topic(EPOCHS_TOPIC, lambda event: self._news.put(("epoch", event[1])))
        interrupts.listener = lambda: self._news.put(("interrupt", None))
        slots = [f"slot{n}" for n in range(len(addresses(client)))]
        self.oracle.workers = len(slots)
        interrupts.check()
        while not self.reached:
            self._fill(slots)
            if not self._active:
                break
            kind, news = self._news.get()
            interrupts.check()
            if kind == "epoch":
                self._log_epoch(news)
            elif news in self._active:
                on_trial_end(self._take(news))
        self._leave()
        self.save()
        trials = list(self.oracle.trials.values())
        if trials and all(trial.status == FAILED for trial in trials):
            last = failure_line(trials[-1].message)
            raise Failure(f"all {len(trials)} trials failed, the last with: {last}")

    def _leave(self) -> None:
        """Let go of trials that a reached target made superfluous. They keep their checkpoints."""
        for active in self._active.values():
            active.future.cancel()
            self.oracle.release(active.trial)
        self._active.clear()

    def _fill(self, slots: Sequence[str]) -> None:
        """Give every free slot a trial, if the oracle has a trial and time is left."""
        for slot in slots:
            if slot in self.oracle.ongoing_trials or self._time_left() <= 0:
                continue
            trial = self.oracle.create_trial(slot)
            if trial.status == RUNNING:
                self._write_trial(trial)
                self._begin(trial)

    def _begin(self, trial: Trial) -> None:
        """Send a trial out from its last checkpoint, or from its beginning."""
        run = trial.run or TrialRun(
            self.oracle.trial_seed(trial),
            self.oracle.split_seed(trial),
            time.time(),
            learned_from=self.oracle.learned_from(trial),
        )
        trial.run = run = replace(run, attempts=run.attempts + 1)
        first, state = self._checkpoints.resume_point(trial)
        kept = [r for r in run.epochs if r.execution < run.executed or r.epoch < first]
        trial.run = replace(run, epochs=tuple(kept))
        set_metrics(trial, trial.run.epochs, self.goal)
        events.begin(self.study, trial)
        self._send(trial, first, state)

    def _send(self, trial: Trial, first: int, state: bytes | None) -> None:
        """Send out an execution of a trial from an epoch on."""
        run = trial.trained
        execution = run.executed
        counted_from = self._counted_from(trial)
        work = Work(
            study=self.study.name,
            trial_id=trial.trial_id,
            hyperparameters=trial.hyperparameters.get_config(),
            seed=run.seed_of(execution),
            split=run.split,
            initial_epoch=first,
            counted_from=counted_from,
            epochs=self.oracle.epochs_of(trial)[1],
            seconds=self._stretch(),
            goal=self.goal,
            execution=execution,
            target=self.target,
            patience=self.oracle.patience,
            skips_idle=self.oracle.skips_idle,
            refreshes=self.oracle.refreshes,
            best=best_of(run.execution(execution), counted_from, self.goal),
            draws=self.oracle.tune_new_entries,
            admits=self.oracle.allow_new_entries,
            subject=self._subject,
        )
        self._submit(trial, work, state)

    def _counted_from(self, trial: Trial) -> int:
        return max(self.oracle.epochs_of(trial)[0], self.oracle.watched_from(trial))

    def _stretch(self) -> float:
        return max(0.0, min(self._checkpoint_seconds, self._time_left()))

    def _submit(self, trial: Trial, work: Work, before: Any, worker: str | None = None) -> None:
        """Send a piece of work out. worker: the worker that has the trial in memory."""
        run = trial.trained
        name = (trial.trial_id, work.execution, work.initial_epoch, run.attempts, len(run.epochs))
        future = self._client.submit(
            self._task,
            work,
            before,
            key="-".join(map(str, (self._subject, *name))),
            pure=False,
            workers=[worker] if worker else None,
            allow_other_workers=worker is not None,
        )
        logged = len(run.execution(work.execution))
        self._active[trial.trial_id] = Active(trial, work, future, logged)
        future.add_done_callback(lambda done: self._news.put(("done", trial.trial_id)))

    def _log_epoch(self, news: dict[str, Any]) -> None:
        """Pass an epoch of work that still runs to TensorBoard and the display."""
        active = self._active.get(news["trial_id"])
        if news["study"] != self.study.name or active is None:
            return
        row = epoch_row(news["row"])
        initial = self.oracle.epochs_of(active.trial)[0]
        if row.execution == active.work.execution and row.epoch == initial + active.logged:
            events.append(self.study, active.trial.trial_id, [row])
            active.logged += 1
            self.progress.epoch_ends(active.trial, row, news["worker"])

    def _take(self, trial_id: str) -> Report:
        """Record the result of a piece of work, then send out the rest of its trial."""
        active = self._active.pop(trial_id)
        trial = active.trial
        try:
            report: Report = active.future.result()
        except Exception as error:
            report = Report(failure=_reason(error), traceback=_reason(error))
        if report.fatal:
            raise Failure(f"trial {trial_id}: {report.failure}. Correct this, then run it again")
        if report.lost:
            self._begin(trial)
            return report
        self._record(active, report)
        if report.failure:
            self._fail(trial, report)
        elif report.finished:
            self._end_execution(trial, report)
        else:
            self._continue(active, report)
        return report

    def _record(self, active: Active, report: Report) -> None:
        """Add the epochs of a report to the trial and to its event files."""
        trial = active.trial
        initial = self.oracle.epochs_of(trial)[0]
        # A chain that is trained again also reports the epochs of its earlier trials.
        rows = [row for row in report.rows if row.epoch >= initial]
        at_start = {} if initial else report.at_start
        trial.run = run = replace(
            trial.trained,
            epochs=(*trial.trained.epochs, *rows),
            at_start=at_start or trial.trained.at_start,
            keras_fit=report.keras_fit or trial.trained.keras_fit,
            cut_short=report.cut_short or trial.trained.cut_short,
        )
        own = run.execution(active.work.execution)
        events.append(self.study, trial.trial_id, own[active.logged :])
        good = run.epochs[:-1] if report.failure and rows else run.epochs
        set_metrics(trial, good, self.goal)
        if report.hyperparameters:
            self.oracle.learn(trial, report.hyperparameters)

    def _continue(self, active: Active, report: Report) -> None:
        """Checkpoint a trial and send out its next stretch, if time is left."""
        trial = active.trial
        if report.state:
            self._checkpoint(trial, report)
        if self._time_left() <= 0:
            self.oracle.release(trial)
            return
        execution = trial.trained.execution(active.work.execution)
        work = replace(
            active.work,
            initial_epoch=report.rows[-1].epoch + 1,
            seconds=self._stretch(),
            best=best_of(execution, active.work.counted_from, self.goal),
        )
        self._submit(trial, work, active.future, report.worker)

    def _checkpoint(self, trial: Trial, report: Report) -> None:
        epoch = report.rows[-1].epoch + 1
        if epoch <= self.oracle.epochs_of(trial)[0]:
            return
        self._checkpoints.write_state(trial, epoch, report.state)
        self._write_trial(trial)
        self._checkpoints.drop_states(trial, keep=epoch)

    def _end_execution(self, trial: Trial, report: Report) -> None:
        """End a trial, or begin its next execution."""
        run = trial.trained
        if run.executed + 1 < self.oracle.executions:
            self._checkpoints.keep_execution(trial, report)
            trial.run = replace(run, executed=run.executed + 1)
            self._write_trial(trial)
            self._send(trial, *self._checkpoints.resume_point(trial))
            return
        trial.run = replace(run, executed=run.executed + (self.oracle.executions > 1))
        self.oracle.score_trial(trial)
        if trial.score is None or math.isnan(trial.score):
            trial.score = None
            report.failure = f"no epoch has a value of {self.goal.name}"
            self._fail(trial, report)
            return
        self._end(trial, COMPLETED, report)

    def _fail(self, trial: Trial, report: Report) -> None:
        """End a trial as failed, or begin it again if it may be retried."""
        run = trial.trained
        if (
            report.traceback or report.finished
        ) and run.retries < self.oracle.max_retries_per_trial:
            self.progress.report_line(
                f"trial {trial.trial_id} failed and is tried again: {report.failure}"
            )
            trial.run = replace(run, epochs=(), executed=0, retries=run.retries + 1)
            self._begin(trial)
            return
        self._end(trial, FAILED, report)

    def _end(self, trial: Trial, status: str, report: Report) -> None:
        """End a trial. Checkpoints are written first, then the trial's file, which marks the end."""
        trial.run = run = replace(
            trial.trained,
            ended=time.time(),
            seconds=sum(row.seconds for row in trial.trained.epochs),
            held_out=report.held_out,
            fresh=report.fresh,
        )
        trial.status = status
        trial.message = report.traceback or report.failure or None
        if run.held_out and run.held_out.labels and self._pool:
            split = self._pool.split(run.split).halved()
            pictures = drawn(split.x_held_out, run.held_out, self._pool.facts)
            events.write_pictures(self.study, trial, "held_out", pictures)
        events.end(self.study, trial)
        if status == COMPLETED:
            self._checkpoints.keep(trial, report)
        self.oracle.end_trial(trial)
        self._write_trial(trial)
        self.save()
        self._checkpoints.drop_states(trial, keep=self.oracle.epochs_of(trial)[1])
        self._checkpoints.prune()
        self.progress.trial_ends(trial)
        self._recycle(report)
        self._count_failures(report)

    def _count_failures(self, report: Report) -> None:
        """Raise Failure if trials failed one after another. A trial that diverges does not count."""
        self._failures = self._failures + 1 if report.traceback else 0
        if self._failures >= self.oracle.max_consecutive_failed_trials:
            raise Failure(
                f"{self._failures} trials failed one after another, the last with: "
                f"{report.failure}. All is saved: fix the cause and run the same command again"
            )

    def _recycle(self, report: Report) -> None:
        """Replace a local worker process that has grown. It is idle now."""
        if report.grown and self._client.cluster is not None:
            self._client.restart_workers([report.worker], raise_for_error=False)


def _reason(error: Exception) -> str:
    if isinstance(error, KilledWorker):
        return "its worker process died repeatedly, perhaps because memory ran out"
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
