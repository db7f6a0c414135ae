"""Sends trials to workers, and writes their results to the study's files."""

import contextlib
import io
import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import keras_tuner as kt
from distributed import Client, Future, KilledWorker
from keras_tuner.src.engine import metrics_tracking as kt_metrics

from search.data.pool import Pool
from search.records.errors import Failure
from search.records.folder import StudyFolder
from search.records.trial import (
    COMPLETED,
    FAILED,
    RUNNING,
    EpochRow,
    TrialRun,
    configuration,
    epoch_row,
)
from search.running import events
from search.running.checkpoints import Checkpoints
from search.running.cluster import addresses
from search.running.interrupts import Interrupts
from search.running.pictures import drawn
from search.running.work import EPOCHS_TOPIC, Report, Task, Trainer, Work
from search.studies.oracles import RecordedOracle, Trial

MODELS_A_PROCESS = 60
"""Number of models after which a worker process is replaced. Keras and TensorFlow leak about 4.5 MB
per model, so a process leaks about 300 MB."""


CRASHES_IN_A_ROW = 3
"""Number of consecutive crashes that end the study. A trial that diverges has not crashed."""


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
    """Number of the trial's epochs that its event files hold."""


class StudyTuner(kt.Tuner):
    """A KerasTuner tuner whose trials run on a dask cluster and whose files survive any crash.

    `get_best_hyperparameters`, `get_best_models` and `results_summary` are KerasTuner's.

    study: locked by the caller while `search` runs.
    """

    def __init__(
        self,
        study: StudyFolder,
        oracle: RecordedOracle,
        hypermodel: kt.HyperModel,
        progress: Progress,
    ):
        self.study = study
        self.progress = progress
        # KerasTuner's constructor prints that it reloads, although `reload` does nothing here.
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(oracle, hypermodel, directory=str(study.logs), project_name=study.name)
        self._checkpoints = Checkpoints(study, oracle, progress.report_line)
        self._restore()

    def _populate_initial_space(self) -> None:
        """Do nothing, because the oracle already has the whole space."""

    def reload(self) -> None:
        """Do nothing, because `_restore` takes the place of this method."""

    def save(self) -> None:
        """Write what stock KerasTuner needs to reload the project."""
        self.study.write_json("oracle.json", self.oracle.get_state())
        self.study.write_json("tuner0.json", {})

    def _write_trial(self, trial: Trial) -> None:
        self.study.write_trial(trial.trial_id, trial.get_state())

    def _restore(self) -> None:
        """Take up the trials on disk. Torn files are set aside, and their trials trained again."""
        records, torn = self.study.read_trials()
        try:
            self.study.read_json("oracle.json")
        except ValueError:
            self.progress.report_line("oracle.json was torn: rebuilt from the trial files")
        for trial_id in torn:
            self.study.set_aside(f"trial_{trial_id}/trial.json")
            self.progress.report_line(
                f"trial_{trial_id}/trial.json was torn: kept as trial.json.torn, "
                "and the trial is trained again"
            )
        trials = [Trial.of(record) for record in records.values()]
        trials += [lost for trial_id in torn if (lost := _from_child(trial_id, trials))]
        self.oracle.restore(trials)
        for trial_id, record in records.items():
            if self.oracle.trials[trial_id].hyperparameters.values != record.values:
                self._write_trial(self.oracle.trials[trial_id])
        self.save()

    def search(
        self,
        pool: Pool,
        client: Client,
        trainer: Trainer,
        interrupts: Interrupts,
        checkpoint_seconds: float = 30.0,
        time_left: Callable[[], float] = lambda: float("inf"),
        on_trial_end: Callable[[Report], None] = lambda report: None,
    ) -> None:
        """Run the study until the oracle has no more trials or no time is left.

        time_left: returns the seconds that are left. If none are left, running trials are
        checkpointed and wait for the next run.
        on_trial_end: called with every report, after its trial has been written.

        Raises Failure if trials crash one after another, KeyboardInterrupt after Ctrl-C.
        """
        self._client = client
        self._pool = pool
        self._task: Task = trainer.task
        self._checkpoint_seconds = checkpoint_seconds
        self._time_left = time_left
        self._active: dict[str, Active] = {}
        self._news: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._crashes = 0
        if trainer.plugin:
            client.register_plugin(trainer.plugin(pool, self.hypermodel))
        client.subscribe_topic(EPOCHS_TOPIC, lambda event: self._news.put(("epoch", event[1])))
        interrupts.listener = lambda: self._news.put(("interrupt", None))
        slots = [f"slot{n}" for n in range(len(addresses(client)))]
        interrupts.check()
        while True:
            self._fill(slots)
            if not self._active:
                break
            kind, news = self._news.get()
            interrupts.check()
            if kind == "epoch":
                self._log_epoch(news)
            else:
                on_trial_end(self._take(news))
        self.save()

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
        values = trial.hyperparameters.values
        run = trial.run or TrialRun(
            self.oracle.trial_seed(trial), self.oracle.split_seed(trial), time.time()
        )
        trial.run = replace(run, attempts=run.attempts + 1)
        first, state = self._checkpoints.resume_point(trial)
        trial.run = replace(
            trial.run, epochs=run.epochs[: max(0, first - values["tuner/initial_epoch"])]
        )
        set_metrics(trial, trial.run.epochs)
        events.begin(self.study, trial)
        work = Work(
            study=self.study.name,
            trial_id=trial.trial_id,
            hyperparameters=trial.hyperparameters.get_config(),
            seed=run.seed,
            split=run.split,
            initial_epoch=first,
            counted_from=self._counted_from(trial),
            epochs=values["tuner/epochs"],
            seconds=self._stretch(),
            patience=self.oracle.patience,
            best=best_of(trial.run.epochs, self._counted_from(trial)),
        )
        self._submit(trial, work, state)

    def _counted_from(self, trial: Trial) -> int:
        initial: int = trial.hyperparameters.values["tuner/initial_epoch"]
        return max(initial, self.oracle.watched_from(trial))

    def _stretch(self) -> float:
        return max(0.0, min(self._checkpoint_seconds, self._time_left()))

    def _submit(self, trial: Trial, work: Work, before: Any) -> None:
        key = f"{self.study.name}-{trial.trial_id}-{work.initial_epoch}-{trial.trained.attempts}"
        future = self._client.submit(self._task, work, before, key=key, pure=False)
        self._active[trial.trial_id] = Active(trial, work, future, len(trial.trained.epochs))
        future.add_done_callback(lambda done: self._news.put(("done", trial.trial_id)))

    def _log_epoch(self, news: dict[str, Any]) -> None:
        """Pass an epoch of work that still runs to TensorBoard and the display."""
        active = self._active.get(news["trial_id"])
        if news["study"] != self.study.name or active is None:
            return
        row = epoch_row(news["row"])
        initial = active.trial.hyperparameters.values["tuner/initial_epoch"]
        if row.epoch == initial + active.logged:
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
            report = Report(failure=_reason(error))
            self._crashes += 1
        else:
            self._crashes = 0
        self._record(active, report)
        if report.failure or report.finished:
            self._end(trial, report)
        else:
            self._checkpoint(trial, report)
            if self._time_left() > 0:
                work = replace(
                    active.work,
                    initial_epoch=report.rows[-1].epoch + 1,
                    seconds=self._stretch(),
                    best=best_of(trial.trained.epochs, active.work.counted_from),
                )
                self._submit(trial, work, active.future)
            else:
                self.oracle.release(trial)
        return report

    def _record(self, active: Active, report: Report) -> None:
        """Add the epochs of a report to the trial and to its event files."""
        trial = active.trial
        initial = trial.hyperparameters.values["tuner/initial_epoch"]
        # A chain that is trained again also reports the epochs of its earlier trials.
        rows = [row for row in report.rows if row.epoch >= initial]
        at_start = {} if initial else report.at_start
        trial.run = run = replace(
            trial.trained,
            epochs=(*trial.trained.epochs, *rows),
            at_start=at_start or trial.trained.at_start,
        )
        events.append(self.study, trial.trial_id, run.epochs[active.logged :])
        set_metrics(trial, run.epochs[:-1] if report.failure else run.epochs)

    def _checkpoint(self, trial: Trial, report: Report) -> None:
        epoch = report.rows[-1].epoch + 1
        if epoch <= trial.hyperparameters.values["tuner/initial_epoch"]:
            return
        self._checkpoints.write_state(trial, epoch, report.state)
        self._write_trial(trial)
        self._checkpoints.drop_states(trial, keep=epoch)

    def _end(self, trial: Trial, report: Report) -> None:
        """End a trial. Checkpoints are written first, then the trial's file, which marks the end."""
        trial.run = run = replace(
            trial.trained,
            ended=time.time(),
            seconds=sum(row.seconds for row in trial.trained.epochs),
            held_out=report.held_out,
        )
        trial.status = FAILED if report.failure else COMPLETED
        trial.message = report.failure or None
        if run.held_out:
            split = self._pool.split(run.split).halved()
            pictures = drawn(split.x_held_out, run.held_out, self._pool.name)
            events.write_pictures(self.study, trial, "held_out", pictures)
        events.end(self.study, trial)
        if report.finished:
            self._checkpoints.keep(trial, report)
        self.oracle.end_trial(trial)
        self._write_trial(trial)
        self.save()
        self._checkpoints.drop_states(trial, keep=trial.hyperparameters.values["tuner/epochs"])
        self._checkpoints.prune()
        self.progress.trial_ends(trial)
        self._recycle(report)
        if self._crashes >= CRASHES_IN_A_ROW:
            raise Failure(
                f"{self._crashes} trials crashed one after another, the last with: "
                f"{report.failure}. All is saved: fix the cause and run the same command again"
            )

    def _recycle(self, report: Report) -> None:
        """Replace a local worker process that has built many models. It is idle now."""
        if report.models_built >= MODELS_A_PROCESS and self._client.cluster is not None:
            self._client.restart_workers([report.worker], raise_for_error=False)


def best_of(rows: Sequence[EpochRow], counted_from: int) -> tuple[float, int] | None:
    """Return the best val_accuracy from an epoch on, and the first epoch that reached it."""
    counted = [row for row in rows if row.epoch >= counted_from]
    best = max(counted, key=lambda row: row.val_accuracy, default=None)
    return (best.val_accuracy, best.epoch) if best else None


def set_metrics(trial: Trial, rows: Sequence[EpochRow]) -> None:
    """Set a trial's KerasTuner metrics: one observation per epoch, at the absolute epoch."""
    trial.metrics = kt_metrics.MetricsTracker()
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        trial.metrics.register(name, "max" if "accuracy" in name else "min")
        for row in rows:
            trial.metrics.update(name, getattr(row, name), step=row.epoch)


def _reason(error: Exception) -> str:
    if isinstance(error, KilledWorker):
        return "its worker process died repeatedly, perhaps because memory ran out"
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def _from_child(trial_id: str, trials: list[Trial]) -> Trial | None:
    """Return a lost trial, rebuilt from its promoted trial. None if it was not promoted.

    A lost trial that was not promoted needs no rebuilding: the oracle creates it again.
    """
    for child in trials:
        values = child.hyperparameters.values
        if values.get("tuner/trial_id") != trial_id:
            continue
        rung = values["tuner/round"] - 1
        space = child.hyperparameters.copy()
        space.values |= {"tuner/round": rung, "tuner/epochs": values["tuner/initial_epoch"]}
        space.values |= {"tuner/initial_epoch": 0}
        del space.values["tuner/trial_id"]
        for other in trials:
            before = other.hyperparameters.values
            same = configuration(before) == configuration(values)
            if same and before["tuner/round"] == rung - 1:
                space.values["tuner/trial_id"] = other.trial_id
                space.values["tuner/initial_epoch"] = before["tuner/epochs"]
        return Trial(space, trial_id, RUNNING)
    return None
