"""A trial under way in a worker: its model, its data and its best weights so far.

The hypermodel's `fit` runs in a thread of its own. The thread waits between stretches, so a trial is
checkpointed in the middle of a call that knows nothing of checkpoints.
"""

import copy
import math
import queue
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
from keras_tuner.src import errors as kt_errors

from search.networks.exploring import Drawing
from search.records.objective import Objective
from search.records.trial import WEIGHTS, EpochRow, HeldOut, failure_line
from search.running.subject import FitArguments
from search.running.tensorboards import redirect
from search.running.work import Report, State, Work
from search.training.diagnostics import Probe
from search.training.fit import FirstEpoch, Fit
from search.training.loop import Diverged, scored
from search.training.seeding import seeded
from search.training.statistics import validated_afresh

IDLE = "no weight matrix has a gradient, so the network cannot learn from its inputs"
"""Why a trial ends before its first epoch."""


class Abandoned(BaseException):
    """Ends the thread of a trial that nobody continues. User code does not catch it by accident."""


class TrialSession:
    """A trial in this process. A later stretch of the same trial continues it.

    state: packed `State` after the epoch before the work. None if the trial begins.
    """

    def __init__(
        self, work: Work, hypermodel: kt.HyperModel, given: FitArguments, state: bytes | None
    ):
        self.work = work
        self.hypermodel = hypermodel
        self.given = given
        self.before = State.unpacked(state) if state else None
        self.next_epoch = work.initial_epoch
        self.hp: kt.HyperParameters | None = None
        self._stretches: queue.SimpleQueue[tuple[Work, Report, Callable[[EpochRow], None]] | None]
        self._stretches = queue.SimpleQueue()
        self._pauses: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="trial", daemon=True)
        self._thread.start()

    def continues_with(self, work: Work) -> bool:
        """Return whether the work is the next stretch of this trial."""
        mine, theirs = self.work, work
        return (
            (mine.subject, mine.trial_id, mine.execution, mine.epochs)
            == (theirs.subject, theirs.trial_id, theirs.execution, theirs.epochs)
            and self.next_epoch == work.initial_epoch
            and self._thread.is_alive()
        )

    def train(self, work: Work, on_epoch: Callable[[EpochRow], None]) -> Report:
        """Train epochs until the work is done, its time is up or the trial fails."""
        report = Report()
        self._stretches.put((work, report, on_epoch))
        self._pauses.get()
        return report

    def close(self) -> None:
        """End the thread of a trial that nobody continues."""
        self._stretches.put(None)
        self._thread.join()

    def take_stretch(self) -> None:
        """Wait for the next stretch. Raises Abandoned if there is none."""
        found = self._stretches.get()
        if found is None:
            raise Abandoned
        self.work, self.report, self.on_epoch = found
        self.deadline = time.monotonic() + self.work.seconds

    def pause(self) -> None:
        """Hand the report of a stretch over, and wait for the next stretch."""
        self.report.state = self._state() if self.fit.resumable else b""
        self._pauses.put(None)
        self.take_stretch()

    def _run(self) -> None:
        try:
            self.take_stretch()
            try:
                keras.backend.clear_session()
                with seeded(self.work.seed):
                    self._train()
            except Diverged as reason:
                self.report.failure = str(reason)
            except kt_errors.FailedTrialError as reason:
                self.report.failure = _one_line(reason)
            except Abandoned:
                raise
            except BaseException as error:  # SystemExit too: the driver waits for a report
                self.report.failure = _one_line(error)
                self.report.traceback = traceback.format_exc()
                self.report.fatal = isinstance(error, kt_errors.FatalError)
            # Of a trial that failed too, so that its file shows what it was.
            self.report.hyperparameters = self.hp.get_config() if self.hp else {}
            self._pauses.put(None)
        except Abandoned:
            pass
        finally:
            # The model goes with the thread, so its memory is free before the next trial.
            for name in ("model", "fit", "before", "best_weights"):
                self.__dict__.pop(name, None)

    def _train(self) -> None:
        work = self.work
        self.hp = hp = Drawing.of(work.hyperparameters, work.seed, work.draws, work.admits)
        self.model = model = self.hypermodel.build(hp)
        if not isinstance(model, keras.Model):
            raise kt_errors.FatalTypeError(
                f"the hypermodel's build returned {type(model).__name__} instead of a Keras model"
            )
        if hasattr(self.hypermodel, "seed_weights"):
            self.hypermodel.seed_weights(model, work.seed)
        self.best_weights = list(self.before.best) if self.before and work.best else []
        before = self.before
        self.fit = Fit(
            model,
            work.seed,
            before.trained if before else None,
            before.callbacks if before else b"",
        )
        model.fit = self.fit
        kwargs = dict(self.given.kwargs)
        callbacks = copy.deepcopy(list(kwargs.pop("callbacks", None) or []))
        callbacks += redirect(callbacks, hp, work)
        self.watch = Watch(self)
        returned = self.hypermodel.fit(
            hp,
            model,
            *self.given.args,
            **kwargs | {"epochs": work.epochs, "initial_epoch": FirstEpoch(work.initial_epoch)},
            callbacks=[*callbacks, self.watch],
        )
        self.watch.take_result(returned)
        self._finish()

    def _finish(self) -> None:
        """Complete the report with the trained model."""
        report, model = self.report, self.model
        report.finished = True
        report.keras_fit = self.fit.keras_fit
        report.state = State(self.fit.state(), self.best_weights).packed()
        if self.work.refreshes:
            validation = self.given.kwargs["validation_data"]
            report.fresh = validated_afresh(model, self.given.args[0], validation)
        if self.best_weights:
            model.set_weights(self.best_weights)
        report.weights_file = weights_file(model)
        report.build_config = model.get_build_config() or {}
        if self.given.held_out:
            report.held_out = judged_held_out(
                model, *self.given.held_out, self.watch.best_epoch, self.work.goal.name
            )

    def _state(self) -> bytes:
        callbacks = self.fit.callbacks_state()
        if callbacks is None:
            return b""
        return State(self.fit.state(), self.best_weights, callbacks).packed()


class Watch(keras.callbacks.Callback):
    """The last callback of a trial. It reports epochs, keeps the best weights, and ends stretches."""

    transient = True

    def __init__(self, session: TrialSession):
        super().__init__()
        self.session = session
        work = session.work
        self.best, self.best_epoch = work.best or (math.nan, work.counted_from)
        self.started = time.perf_counter()
        self.probe: Probe | None = None
        self.began = False

    def on_train_begin(self, logs: Any = None) -> None:
        """Measure the model before its first epoch. The model is built by now."""
        if self.began:
            return
        self.began = True
        self.probe = Probe.of(self.model, *self.session.fit.examples)
        work, fit = self.session.work, self.session.fit
        # The child of an untrained trial is untrained too, on whatever machine it continues.
        checks = self._may_skip() and int(self.model.optimizer.iterations) == 0
        if not self.probe or not (checks or work.initial_epoch == 0):
            return
        found = self.probe.look(self.model)
        if work.initial_epoch == 0:
            self.session.report.at_start = found
        gradients = [value for name, value in found.items() if name.startswith("gradient_norm/")]
        if checks and not any(gradients):
            fit.untrained = True
            self.session.report.cut_short = IDLE

    def _may_skip(self) -> bool:
        """Return whether an epoch without training would report the objective."""
        fit, goal = self.session.fit, self.session.work.goal
        validated = all(name.startswith("val_") for name in goal.parts or (goal.name,))
        validates = fit.loop is not None and fit.loop.validates
        return self.session.work.skips_idle and validated and validates

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report an epoch. logs: Keras' logs of the epoch.

        Raises Diverged if a loss is not finite.
        """
        session, work = self.session, self.session.work
        row = self._row(session.next_epoch, dict(logs or {}))
        session.report.rows.append(row)
        session.next_epoch += 1
        bad = [row.loss] if "loss" in (logs or {}) else []
        bad += [row.val_loss] if "val_loss" in (logs or {}) else []
        if not all(map(math.isfinite, bad)):
            raise Diverged(row.epoch, dict(logs))
        value = work.goal.value(row.logs)
        if row.epoch >= work.counted_from and (
            math.isnan(self.best) or work.goal.better(value, self.best)
        ):
            # As long as no epoch has a value, the last epoch counts, as in KerasTuner.
            self.best, self.best_epoch = value, row.epoch
            session.best_weights = self.model.get_weights()
        session.on_epoch(row)
        self._stop_if_done(row.epoch, value)
        over = time.monotonic() >= session.deadline and session.next_epoch < work.epochs
        if over and not self.model.stop_training:
            session.pause()

    def _row(self, epoch: int, logs: dict[str, Any]) -> EpochRow:
        seconds = time.perf_counter() - self.started
        measured = self.probe.look(self.model) if self.probe else {}
        taken = time.perf_counter() - self.started - seconds
        # A model that its hypermodel trains by itself may have no optimizer.
        optimizer = getattr(self.session.model, "optimizer", None)
        rate = getattr(optimizer, "learning_rate", math.nan)
        metrics = numbers(logs)
        own = {
            n: metrics.pop(n)
            for n in ("loss", "accuracy", "val_loss", "val_accuracy")
            if n in metrics
        }
        metrics.pop("learning_rate", None)
        return EpochRow(
            epoch=epoch,
            seconds=seconds,
            time=time.time(),
            learning_rate=float(rate),
            metrics=metrics,
            execution=self.session.work.execution,
            diagnostics_seconds=taken if self.probe else None,
            diagnostics=measured,
            **own,
        )

    def _stop_if_done(self, epoch: int, value: float) -> None:
        work = self.session.work
        out_of_patience = work.patience and epoch - self.best_epoch >= work.patience
        reached = work.target is not None and work.goal.reaches(value, work.target)
        untrained = self.session.fit.untrained and epoch >= work.counted_from
        if out_of_patience or reached or untrained:
            self.model.stop_training = True

    def take_result(self, returned: Any) -> None:
        """Take what the hypermodel's `fit` returned: a History, a dictionary, a number or a list.

        A History whose epochs were not reported, because `fit` passed no callbacks on, counts with
        its last epoch, which is the epoch of the weights.
        Raises KerasTuner's fatal errors if it returned anything else, or no objective.
        """
        session, goal = self.session, self.session.work.goal
        rows = session.report.rows
        result: dict[str, float] = {}
        if not isinstance(returned, keras.callbacks.History):
            result = metrics_of(returned, goal)
        elif session.next_epoch == session.work.initial_epoch:
            result = numbers({name: values[-1] for name, values in returned.history.items()})
        if result:
            last = rows.pop() if rows else self._row(session.next_epoch, {})
            session.next_epoch = last.epoch + 1
            rows.append(replace_metrics(last, result))
            self.best, self.best_epoch = goal.value(result), last.epoch
            session.best_weights = session.model.get_weights()
        if not rows and session.next_epoch == session.work.initial_epoch:
            raise kt_errors.FatalValueError("the hypermodel's fit trained no epoch")
        known = sorted({name for row in rows for name in row.logs})
        if rows and not result and not set(goal.parts or (goal.name,)) <= set(known):
            raise kt_errors.FatalValueError(
                f"no epoch reports the objective {goal.name}; reported are: {', '.join(known)}"
            )


def metrics_of(returned: Any, goal: Objective) -> dict[str, float]:
    """Return the metrics that a hypermodel's `fit` returned (KerasTuner's tuner_utils.py).

    A History counts with its best epoch, a number is the objective, and a list is averaged.
    """
    if isinstance(returned, keras.callbacks.History):
        return best_epoch_of(returned.history, goal)
    if isinstance(returned, list | tuple) and returned:
        each = [metrics_of(item, goal) for item in returned]
        names = {name: None for one in each for name in one}
        return {n: float(np.mean([one[n] for one in each if n in one])) for n in names}
    if _is_number(returned):
        return {goal.name: float(returned)}
    if isinstance(returned, dict):
        missing = [name for name in goal.parts or (goal.name,) if name not in returned]
        if missing:
            raise kt_errors.FatalValueError(
                f"the dictionary that the hypermodel's fit returned has no {missing[0]}"
            )
        return {key: float(value) for key, value in returned.items()}
    raise kt_errors.FatalTypeError(
        f"the hypermodel's fit returned {type(returned).__name__}: return a History, a dictionary "
        "of metrics or a number"
    )


def best_epoch_of(history: dict[str, list[Any]], goal: Objective) -> dict[str, float]:
    """Return the metrics of the best epoch of a History. history: the values of each by epoch."""
    best: dict[str, float] = {}
    for values in zip(*history.values(), strict=False):
        logs = numbers(dict(zip(history, values, strict=True)))
        if not best or goal.better(goal.value(logs), goal.value(best)):
            best = logs
    return best


def numbers(logs: dict[str, Any]) -> dict[str, float]:
    """Return the logs that are numbers. Keras also logs arrays, such as an F1 score by class."""
    return {name: float(value) for name, value in logs.items() if _is_number(value)}


def replace_metrics(row: EpochRow, result: dict[str, float]) -> EpochRow:
    """Return the epoch with the metrics that followed it."""
    fields = vars(row).copy()
    fields["metrics"] = dict(row.metrics)
    for name, value in result.items():
        if name in ("loss", "accuracy", "val_loss", "val_accuracy"):
            fields[name] = value
        else:
            fields["metrics"][name] = value
    return EpochRow(**fields)


def judged_held_out(model: keras.Model, x: Any, y: Any, epoch: int, objective: str) -> HeldOut:
    """Return a model's results on held-out examples.

    epoch: the epoch whose weights the model has.
    objective: name of the objective, whose value without `val_` is a metric of the model.
    """
    found = model.evaluate(x, y, batch_size=500, verbose=0, return_dict=True)
    value = found.get(objective.removeprefix("val_"))
    output = model.output_shape
    classes = np.issubdtype(y.dtype, np.integer) and isinstance(output, tuple) and len(output) == 2
    if classes and max(output[-1], 2) > int(y.max()):
        value = None if objective == "val_accuracy" else value
        return HeldOut(epoch, value=value, **scored(model, x, y))
    return HeldOut(epoch, value=value, loss=float(found["loss"]))


def weights_file(model: keras.Model) -> bytes:
    """Return the content of the file that Keras saves a model's weights in."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / WEIGHTS
        model.save_weights(path)
        return path.read_bytes()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) or getattr(value, "shape", None) == ()


def _one_line(error: BaseException) -> str:
    return failure_line(f"{type(error).__name__}: {error}")
