"""Random search: every configuration is trained once, from the first epoch to the last."""

from collections.abc import Sequence
from typing import Any

import keras_tuner as kt

from search.records.errors import Failure
from search.records.trial import RUNNING
from search.studies.draws import Draws
from search.studies.oracles import IDLE, STOPPED, RecordedOracle, Trial


class RandomSearchOracle(RecordedOracle, kt.oracles.RandomSearchOracle):
    """KerasTuner's random search (tuners/randomsearch.py). Draw n depends on the seed and n alone.

    initial_epoch, epochs: of every trial, as the program's call of `search` says.
    """

    labels = ()

    def __init__(
        self,
        space: kt.HyperParameters | None,
        max_trials: int,
        seed: int,
        objective: Any = None,
        executions: int = 1,
        **kwargs: Any,
    ):
        super().__init__(
            objective=objective, max_trials=max_trials, seed=seed, hyperparameters=space, **kwargs
        )
        self.seed = self._seed_state = seed
        self.executions = executions
        self.initial_epoch, self.epochs = 0, 1
        self.draws = Draws(lambda: self.hyperparameters, seed)
        self._number_of: dict[str, int] = {}
        self._exhausted = False

    def epochs_of(self, trial: Trial) -> tuple[int, int]:
        """Return the first epoch of a trial, counted from 0, and the epoch it stops before."""
        return self.initial_epoch, self.epochs

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the values of the first configuration that no trial has."""
        taken = set(self._number_of.values())
        n = next(n for n in range(len(taken) + 1) if n not in taken)
        values = self.draws[n] if n < self.max_trials else None
        if values is None:
            self._exhausted = n < self.max_trials
            return {"status": IDLE if self.ongoing_trials else STOPPED}
        self._number_of[trial_id] = n
        return {"status": RUNNING, "values": dict(values)}

    def planned(self) -> tuple[int, int]:
        """Return the trials and epochs of the whole study."""
        trials = len(self.trials) if self._exhausted else self.max_trials
        return trials, trials * self.executions * (self.epochs - self.initial_epoch)

    def restore(self, trials: Sequence[Trial]) -> None:
        """Take up earlier trials. Raises Failure if they do not belong to this study."""
        super().restore(trials)
        self._number_of.clear()
        waiting = {self.draws.key(t.hyperparameters.values): t.trial_id for t in trials}
        for n in range(self.max_trials):
            values = self.draws[n] if waiting else None
            if values is None:
                break
            found = waiting.pop(self.draws.key(values), None)
            if found:
                self._number_of[found] = n
        if waiting:
            raise Failure(
                f"trials such as {min(waiting.values())} do not follow from this study's seed and "
                f"space ({len(waiting)} in all): choose another name for the study"
            )
        for trial in trials:
            self.update_space(trial.hyperparameters)
