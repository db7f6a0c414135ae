"""Oracles decide which trial comes next. They write no file.

`restore` takes up the trials of a study's trial files, and everything else follows from these
trials. `oracle.json` is written for stock KerasTuner and never read.
"""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import Any

import keras_tuner as kt
from keras_tuner.engine import trial as kt_trial

from search.records.objective import Objective
from search.records.parts import PlannedPart
from search.records.reading import Json
from search.records.trial import (
    COMPLETED,
    ENDED,
    FAILED,
    RUNNING,
    TrialFile,
    TrialRun,
    Values,
    configuration,
    key_of,
    trained_from_scratch,
    trial_run,
)
from search.studies.objectives import goal_of, objective_of

IDLE, STOPPED, INVALID = "IDLE", "STOPPED", "INVALID"
"""KerasTuner's other states of a trial. An invalid trial is trained again, or has failed."""


class Trial(kt_trial.Trial):
    """KerasTuner's trial, with the record of how it was trained.

    run: None until the tuner begins the trial.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.run: TrialRun | None = None

    @classmethod
    def of(cls, file: TrialFile) -> "Trial":
        """Return the trial of a trial file."""
        trial: Trial = cls.from_state({**vars(file), "run": {}})
        trial.run = file.run
        return trial

    @property
    def trained(self) -> TrialRun:
        """The record of the training. Raises ValueError before the trial has begun."""
        if self.run is None:
            raise ValueError(f"trial {self.trial_id} has not begun")
        return self.run

    def get_state(self) -> dict[str, Any]:
        """Return the content of the trial's file."""
        return {**super().get_state(), "run": self.run.to_file() if self.run else {}}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take up the content of a trial file. Raises Invalid if `run` does not fit its record."""
        super().set_state(state)
        self.run = trial_run(state["run"]) if state.get("run") else None


class RecordedOracle(kt.Oracle):
    """The base of this project's oracles: how trials are created, ended and restored."""

    labels: tuple[str, ...] = ()
    """KerasTuner's own values that TensorBoard shows with each trial."""
    patience: int | None = None
    """Epochs without improvement that stop a trial early. None: no trial stops early."""
    skips_idle: bool = False
    """Whether a trial ends before its first epoch if none of its weight matrices has a gradient."""
    refreshes: bool = False
    """Whether trained models are validated with fresh statistics of batch normalisation as well."""
    executions: int = 1
    """How often a trial trains its configuration, on different seeds."""
    workers: int = 1
    """Number of trials that run at a time. It changes the order of trials, not their results."""
    initial_epoch: int = 0
    epochs: int = 1
    """Epochs of the trials that do not name their own. As in Keras, `initial_epoch` counts."""

    @property
    def goal(self) -> Objective:
        """What the study optimises."""
        return goal_of(self.objective)

    def epochs_of(self, trial: Trial) -> tuple[int, int]:
        """Return the first epoch of a trial, counted from 0, and the number at which it ends."""
        values = trial.hyperparameters.values
        if "tuner/epochs" in values:
            return int(values.get("tuner/initial_epoch", 0)), int(values["tuner/epochs"])
        return self.initial_epoch, self.epochs

    def create_trial(self, tuner_id: str) -> Trial:
        """Return the next trial.

        Its status is RUNNING, IDLE if no trial can begin now, or STOPPED if no trial is left.
        Trials that a crash interrupted come first. Unlike in KerasTuner (oracle.py), no identifier
        is used twice, even if a trial file was lost.
        """
        if self._retry_queue:
            trial = self.trials[self._retry_queue.pop(0)]
            trial.status = RUNNING
        else:
            number = max((int(name) for name in self.trials), default=-1) + 1
            trial_id = f"{number:04d}"
            response = self.populate_space(trial_id)
            if response["status"] != RUNNING:
                return Trial(self.hyperparameters.copy(), trial_id, response["status"])
            space = self.space_for(trial_id, response["values"])
            space.values = dict(response["values"])
            trial = Trial(space, trial_id, RUNNING)
            trial.hyperparameters.values = dict(response["values"])
            self.trials[trial_id] = trial
            self.start_order.append(trial_id)
            self._record_values(trial)
        self.ongoing_trials[tuner_id] = trial
        return trial

    def _record_values(self, trial: Trial) -> None:
        """Record a trial's values, and leave them as they are.

        KerasTuner removes or draws again a value whose name has another, inactive declaration. Its
        trials do so too when they are made.
        """
        values = dict(trial.hyperparameters.values)
        super()._record_values(trial)
        trial.hyperparameters.values = values

    def space_for(self, trial_id: str, values: Values) -> kt.HyperParameters:
        """Return a copy of the space that a new trial begins with."""
        return self.hyperparameters.copy()

    def learn(self, trial: Trial, found: Json) -> None:
        """Take up the hyperparameters that a trial's build and fit asked for.

        found: KerasTuner's config of the space and its values, as the worker returns it.
        """

    def end_trial(self, trial: Trial) -> None:
        """Record that a trial is COMPLETED, FAILED or INVALID, and score it.

        An invalid trial, or one without a score, is trained again as often as KerasTuner's
        `max_retries_per_trial` says, and has failed after that.
        """
        if trial.status == COMPLETED:
            self.score_trial(trial)
            if trial.score is None or math.isnan(trial.score):
                trial.status = INVALID
                trial.message = trial.message or f"no epoch has a value of {self.goal.name}"
        self._run_times[trial.trial_id] += 1
        if not self._retry(trial):
            self.end_order.append(trial.trial_id)
        self.release(trial)

    def _retry(self, trial: Trial) -> bool:
        """Return whether an invalid trial is trained again, and queue it. Otherwise it has failed."""
        if trial.status != INVALID:
            return False
        if self._run_times[trial.trial_id] > self.max_retries_per_trial:
            trial.status = FAILED
            return False
        self._retry_queue.append(trial.trial_id)
        return True

    def score_trial(self, trial: Trial) -> None:
        """Set a trial's score: the mean over its executions of the best value of each.

        The score is NaN if an execution has none. `best_step` is the best epoch of the first
        execution. If no epoch on record has a value, the score is that of KerasTuner's metrics.
        """
        run, goal = trial.run, self.goal
        best = [goal.best(run.execution(n)) for n in range(run.executions)] if run else []
        if not any(best) and trial.metrics.exists(goal.name):
            super().score_trial(trial)
            return
        values = [math.nan if row is None else goal.value(row.logs) for row in best]
        finite = bool(values) and all(map(math.isfinite, values))
        trial.score = fmean(values) if finite else math.nan
        trial.best_step = best[0].epoch if best and best[0] else 0

    def last_value(self, trial: Trial) -> float | None:
        """Return the objective in the last epoch that has a value, as a mean over the executions.

        If an execution has no such epoch on record, it is the score.
        """
        run, goal = trial.run, self.goal
        rows = [run.execution(n) for n in range(run.executions)] if run else []
        each = [[v for row in own if math.isfinite(v := goal.value(row.logs))] for own in rows]
        return fmean(values[-1] for values in each) if each and all(each) else trial.score

    def learned_from(self, trial: Trial) -> tuple[str, ...]:
        """Return the trials that the draw of a trial's configuration has learned from."""
        return ()

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Return the best trials, the best first. As in KerasTuner, others fill up the list."""
        done = [t for t in self.trials.values() if t.status == COMPLETED]
        done.sort(key=lambda trial: self.rank(trial.score))
        if len(done) < num_trials:
            done += [t for t in self.trials.values() if t.status != COMPLETED]
        return done[:num_trials]

    def rank(self, score: float | None) -> float:
        """Return a number that is smaller for a better score, and infinite without a score."""
        if score is None or math.isnan(score):
            return math.inf
        return -score if self.objective.direction == "max" else score

    def planned(self) -> tuple[int, int]:
        """Return the trials and epochs of the whole study, as far as they are known now."""
        raise NotImplementedError

    def can_be_promoted(self, trial_id: str) -> bool:
        """Return whether a completed trial may still be promoted, which needs its checkpoint."""
        return False

    def wants_weights(self, trial: Trial) -> bool:
        """Return whether a completed trial keeps its weights even if other trials are better."""
        return False

    def watched_from(self, trial: Trial) -> int:
        """Return the first epoch, from 0, that may be restored: Keras' `start_from_epoch`."""
        return 0

    def recorded(self) -> dict[str, Any]:
        """Return the fields of `study.json` that describe the list of trials."""
        return {}

    def release(self, trial: Trial) -> None:
        """Free the slot of a trial that has ended or waits for a later run."""
        for tuner_id, ongoing in list(self.ongoing_trials.items()):
            if ongoing is trial:
                del self.ongoing_trials[tuner_id]

    def restore(self, trials: Sequence[Trial]) -> None:
        """Take up an earlier run's trials, in any order. Unfinished trials come first again.

        Trials that were taken up before are forgotten.
        """
        for known in (self.ongoing_trials, self.end_order, self._retry_queue, self._run_times):
            known.clear()
        self.trials = {t.trial_id: t for t in sorted(trials, key=lambda t: t.trial_id)}
        self.start_order = list(self.trials)
        for trial_id, trial in self.trials.items():
            self._record_values(trial)
            if trial.status in ENDED:
                self.end_order.append(trial_id)
                self._run_times[trial_id] = 1
            else:
                self._retry_queue.append(trial_id)

    def trial_seed(self, trial: Trial) -> int:
        """Return the seed of weights and batches, from the study's seed and the trial's values."""
        values = sorted(configuration(trial.hyperparameters.values).items())
        return random.Random(f"{self.seed} {values}").getrandbits(31)

    def split_seed(self, trial: Trial) -> int:
        """Return the seed of the split that a trial is trained and validated on."""
        return int(self.seed)


class ListOracle(RecordedOracle):
    """An oracle for the arms and seeds of planned parts. Trials that parts share are trained once.

    parts: returns the parts in order from the trials so far. Later calls may only add trials.
    """

    labels = ("tuner/epochs", "tuner/seed")

    def __init__(
        self,
        space: kt.HyperParameters,
        parts: Callable[[Sequence[Trial]], Iterable[PlannedPart]],
        objective: Any = "val_accuracy",
    ):
        self._parts = parts
        self._known: tuple[int, list[PlannedPart], dict[str, Values]] | None = None
        super().__init__(
            objective=objective_of(objective),
            hyperparameters=space,
            tune_new_entries=False,  # a new hyperparameter has its default, so arms stay alike
            seed=1,  # nothing is drawn, but without a seed KerasTuner would record a random seed
        )

    def parts(self) -> list[PlannedPart]:
        """Return the parts that are known now."""
        return self._planned()[0]

    def _planned(self) -> tuple[list[PlannedPart], dict[str, Values]]:
        """Return the parts, and the values of their trials in order, by `key_of`.

        Both are kept until a trial ends, because only then can they change. The live display asks
        from another thread, so what is kept carries the number of ended trials that it is for.
        """
        ended = len(self.end_order)
        if self._known is None or self._known[0] != ended:
            parts = list(self._parts(list(self.trials.values())))
            trials: dict[str, Values] = {}
            for part in parts:
                for (arm, seed), key in part.keys().items():
                    trials[key] = trained_from_scratch(part.arms[arm], part.epochs, seed)
            self._known = known = ended, parts, trials
            return known[1:]
        return self._known[1:]

    def restore(self, trials: Sequence[Trial]) -> None:
        """Take up earlier trials. A hyperparameter that is newer than a trial gets its default."""
        for trial in trials:
            space = self.hyperparameters.copy()
            space.values = values = dict(trial.hyperparameters.values)
            for hp in space.space:
                if hp.name not in values and space.is_active(hp):
                    values[hp.name] = hp.default
            trial.hyperparameters.values = values
        super().restore(trials)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the values of the first planned trial that has not begun."""
        begun = {key_of(t.hyperparameters.values) for t in self.trials.values()}
        for key, values in self._planned()[1].items():
            if key not in begun:
                return {"status": RUNNING, "values": values}
        return {"status": IDLE if self.ongoing_trials else STOPPED}

    def planned(self) -> tuple[int, int]:
        """Return the trials and epochs of the parts that are known now, and of trials beside them.

        A trial is beside all parts if the arm that it was trained for is not chosen any longer.
        """
        begun = {
            key_of(t.hyperparameters.values): t.hyperparameters.values for t in self.trials.values()
        }
        trials = {**begun, **self._planned()[1]}.values()
        return len(trials), sum(values["tuner/epochs"] for values in trials)

    def recorded(self) -> dict[str, Any]:
        """Return the parts, which show the arm of each trial."""
        return {"parts": tuple(self.parts())}

    def trial_seed(self, trial: Trial) -> int:
        """Return the trial's own seed, which fixes the split as well."""
        return int(trial.hyperparameters.values["tuner/seed"])

    split_seed = trial_seed
