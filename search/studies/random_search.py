"""KerasTuner's random search, whose draws do not depend on the order of trials."""

from collections.abc import Sequence
from typing import Any

import keras_tuner as kt

from search.records.trial import RUNNING, Values
from search.studies.draws import DrawingOracle
from search.studies.objectives import objective_of
from search.studies.oracles import IDLE, STOPPED, Trial


class RandomSearchOracle(DrawingOracle, kt.oracles.RandomSearchOracle):
    """Random search: every trial is a new configuration, trained from its first epoch.

    options: KerasTuner's, such as `tune_new_entries` and `max_retries_per_trial`.
    """

    def __init__(
        self,
        space: kt.HyperParameters,
        objective: Any = "val_accuracy",
        max_trials: int = 10,
        seed: int = 0,
        first: Sequence[Values] = (),
        executions: int = 1,
        **options: Any,
    ):
        super().__init__(
            space,
            seed,
            first,
            objective=objective_of(objective),
            max_trials=max_trials,
            **options,
        )
        self.executions = executions

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the values of the next draw."""
        n = next(self.open_draws(range(self.max_trials)), None)
        if n is not None:
            self._draw_of[trial_id] = n
            return {"status": RUNNING, "values": self._draws[n]}
        return {"status": IDLE if self.ongoing_trials else STOPPED}

    def planned(self) -> tuple[int, int]:
        """Return the trials, fewer if the space is exhausted, and the epochs of all executions."""
        trials = len(self.trials) if self._exhausted else self.max_trials
        return trials, trials * (self.epochs - self.initial_epoch) * self.executions

    def restore(self, trials: Sequence[Trial]) -> None:
        """Take up earlier trials. Raises Failure if they do not belong to this study."""
        super().restore(trials)
        self.restore_draws(self.max_trials)
