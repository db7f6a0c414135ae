"""Oracles over trial files that are the whole truth; one that goes through a list of trials.

What a study has done is what its trial files say. `oracle.json` is written so that stock
KerasTuner can reload the project, and never read.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner as kt
from keras_tuner.engine import trial as kt_trial

from search.records.folder import Study
from search.records.trial import COMPLETED, FAILED, RUNNING, Values, configuration, key_of

IDLE, STOPPED = "IDLE", "STOPPED"


class Trial(kt_trial.Trial):
    """KerasTuner's trial with one more key in its file, which stock KerasTuner passes over.

    run: how the trial was trained: seed, times, attempts and a row an epoch (search/tuner.py).
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.run: dict[str, Any] = {}

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "run": self.run}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self.run = state.get("run", {})


class RecordedOracle(kt.Oracle):
    """What the oracles of this project share: where trials are kept, begun, ended and reloaded."""

    study: Study
    labels: tuple[str, ...]
    """KerasTuner's own values that tell trials apart, for TensorBoard."""
    patience: int | None = None
    """Of early stopping (`workers.Work`); None: every trial has all its epochs."""

    def create_trial(self, tuner_id: str) -> Trial:
        """The next trial, written before it is returned; IDLE: ask later; STOPPED: no more.

        A trial that a crash cut off comes first. Differs from KerasTuner's (oracle.py) in that an
        identifier is never given twice, even where a trial file was lost.
        """
        if self._retry_queue:
            trial = self.trials[self._retry_queue.pop(0)]
        else:
            number = max((int(name) for name in self.trials), default=-1) + 1
            trial_id = f"{number:04d}"
            response = self.populate_space(trial_id)
            space = self.hyperparameters.copy()
            space.values = response.get("values") or {}
            trial = Trial(space, trial_id, response["status"])
            if trial.status != RUNNING:
                return trial
            self.trials[trial_id] = trial
            self.start_order.append(trial_id)
            self._record_values(trial)
        self.ongoing_trials[tuner_id] = trial
        self._save_trial(trial)
        return trial

    def end_trial(self, trial: Trial) -> None:
        """Records a trial that is COMPLETED or FAILED, its file first."""
        self._run_times[trial.trial_id] += 1
        if trial.status == COMPLETED:
            self.score_trial(trial)
        self.end_order.append(trial.trial_id)
        self._save_trial(trial)
        self.release(trial)
        self.save()

    def planned(self) -> tuple[int, int]:
        """Trials and epochs of the whole study, as far as is known now."""
        raise NotImplementedError

    def can_be_promoted(self, trial_id: str) -> bool:
        """Whether a completed trial may yet start another, which then needs its checkpoint."""
        return False

    def wants_weights(self, trial: Trial) -> bool:
        """Whether a completed trial's weights are to be kept, even if others are better."""
        return False

    def watched_from(self, trial: Trial) -> int:
        """The first epoch, from 0, that early stopping looks at: Keras' `start_from_epoch`."""
        return 0

    def record(self) -> dict[str, Any]:
        """What `study.json` has to say of the list of trials."""
        return {}

    def release(self, trial: Trial) -> None:
        """Frees the slot of a trial, ended or left for a later run."""
        for tuner_id, ongoing in list(self.ongoing_trials.items()):
            if ongoing is trial:
                del self.ongoing_trials[tuner_id]

    def _save_trial(self, trial: Trial) -> None:
        self.study.write_json(f"trial_{trial.trial_id}/trial.json", trial.get_state())

    def save(self) -> None:
        self.study.write_json("oracle.json", self.get_state())

    def restore(self, trials: Sequence[Trial]) -> None:
        """Takes up the trials of an earlier run, in any order; unfinished ones come first again."""
        self.trials = {t.trial_id: t for t in sorted(trials, key=lambda t: t.trial_id)}
        self.start_order = list(self.trials)
        for trial_id, trial in self.trials.items():
            self._record_values(trial)
            if trial.status in (COMPLETED, FAILED):
                self.end_order.append(trial_id)
                self._run_times[trial_id] = 1
            else:
                self._retry_queue.append(trial_id)

    def trial_seed(self, trial: Trial) -> int:
        """The seed of a trial's weights and batches: of the study's seed and its configuration."""
        values = sorted(configuration(trial.hyperparameters.values).items())
        return random.Random(f"{self.seed} {values}").getrandbits(31)

    def split_seed(self, trial: Trial) -> int:
        """The seed of the split that a trial is trained and validated on."""
        return int(self.seed)


@dataclass(frozen=True)
class Entry:
    """A configuration to be trained from scratch for `epochs` epochs.

    seed: of the split, the initial weights and the order of the data.
    """

    values: Values
    epochs: int
    seed: int

    def labelled(self) -> Values:
        """The values that its trial has."""
        labels = {"tuner/epochs": self.epochs, "tuner/initial_epoch": 0, "tuner/seed": self.seed}
        return {**self.values, **labels}


class ListOracle(RecordedOracle):
    """A list of entries, each trained once however often it is in the list.

    entries: the list in order, as it follows from the trials so far; it may only grow.
    """

    labels = ("tuner/epochs", "tuner/seed")

    def __init__(
        self,
        study: Study,
        space: kt.HyperParameters,
        entries: Callable[[list[Trial]], list[Entry]],
        objective: kt.Objective | None = None,
    ):
        self.study = study
        self._entries = entries
        super().__init__(
            objective=objective or kt.Objective("val_accuracy", "max"),
            hyperparameters=space,
            tune_new_entries=False,
            seed=1,  # nothing is drawn; without one KerasTuner would write a random one
        )

    def entries(self) -> list[Entry]:
        """The list as it is known now, each trial of it once."""
        entries = self._entries(list(self.trials.values()))
        return list({key_of(entry.labelled()): entry for entry in entries}.values())

    def restore(self, trials: Sequence[Trial]) -> None:
        """A trial from before a hyperparameter was in the space had it at its default."""
        for trial in trials:
            space = self.hyperparameters.copy()
            space.values = values = dict(trial.hyperparameters.values)
            for hp in space.space:
                if hp.name not in values and space.is_active(hp):
                    values[hp.name] = hp.default
            if values != trial.hyperparameters.values:
                trial.hyperparameters.values = values
                self._save_trial(trial)
        super().restore(trials)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The first entry of the list that has no trial."""
        begun = {key_of(t.hyperparameters.values) for t in self.trials.values()}
        for entry in self.entries():
            values = entry.labelled()
            if key_of(values) not in begun:
                return {"status": RUNNING, "values": values}
        return {"status": IDLE if self.ongoing_trials else STOPPED}

    def planned(self) -> tuple[int, int]:
        """Trials and epochs of the list as far as it is known now."""
        entries = self.entries()
        return len(entries), sum(entry.epochs for entry in entries)

    def trial_seed(self, trial: Trial) -> int:
        return int(trial.hyperparameters.values["tuner/seed"])

    split_seed = trial_seed
