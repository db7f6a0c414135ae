"""KerasTuner's Hyperband with its faults corrected.

Draws, brackets and promotions follow from the seed and the trials alone. So no crash between two
files can make them disagree.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras_tuner as kt

from search.records.trial import COMPLETED, FAILED, RUNNING, Values, configuration
from search.studies.draws import DrawingOracle
from search.studies.objectives import objective_of
from search.studies.oracles import IDLE, STOPPED, Trial


@dataclass
class Bracket:
    """One bracket of one iteration.

    number: number of promotions in the bracket.
    rounds: for each round, the trials that entered it, in order.
    parents: by trial, the trial that was promoted, None in the first round.
    """

    number: int
    rounds: list[list[str]]
    parents: dict[str, str | None] = field(default_factory=dict)

    def state(self) -> dict[str, Any]:
        """Return the bracket as KerasTuner records it (hyperband.py)."""
        return {
            "bracket_num": self.number,
            "rounds": [
                [{"past_id": self.parents[name], "id": name} for name in entrants]
                for entrants in self.rounds
            ],
        }


class HyperbandOracle(DrawingOracle, kt.oracles.HyperbandOracle):
    """Hyperband (Li et al. 2018, JMLR 18-185) on KerasTuner's schedule, corrected.

    Differences from `keras_tuner/src/tuners/hyperband.py`:
    - A failed trial counts as a loser, so its bracket continues.
    - A space with too few configurations still promotes.
    - `tuner/bracket` is the trial's own bracket.
    - Seed 0 is a valid seed.
    - The promoted set depends on the scores alone. Ties go to the configuration drawn first.
    - The n-th draw depends on the seed and n alone.

    first: configurations that come before any random configuration.
    min_epochs: brackets are left out if their first round is shorter, before it is rounded up. This
    is r of Li et al. KerasTuner's oracle has this number, but no argument for it.
    options: KerasTuner's, such as `tune_new_entries` and `max_retries_per_trial`.
    """

    labels = ("tuner/bracket", "tuner/round", "tuner/epochs")

    def __init__(
        self,
        space: kt.HyperParameters,
        max_epochs: int,
        factor: int = 3,
        iterations: int = 1,
        seed: int = 0,
        first: Sequence[Values] = (),
        min_epochs: int = 1,
        objective: Any = "val_accuracy",
        executions: int = 1,
        **options: Any,
    ):
        super().__init__(
            space,
            seed,
            first,
            objective=objective_of(objective),
            max_epochs=max_epochs,
            factor=factor,
            hyperband_iterations=iterations,
            **options,
        )
        self.min_epochs = min_epochs
        self.executions = executions
        self.brackets = [
            Bracket(number, [[] for _ in range(number + 1)])
            for _ in range(iterations)
            for number in reversed(range(self._get_num_brackets()))
        ]

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the next trial's values, in KerasTuner's order.

        Earlier brackets come first. In a bracket, the first round comes before promotions.
        """
        for bracket in self.brackets:
            values = self._draw_for(bracket, trial_id) or self._promote_in(bracket, trial_id)
            if values:
                return {"status": RUNNING, "values": values}
        return {"status": IDLE if self.ongoing_trials else STOPPED}

    def planned(self) -> tuple[int, int]:
        sizes = [(trials, trials * epochs) for _, _, trials, epochs in self.sizes()]
        epochs = sum(epochs for _, epochs in sizes)
        return sum(trials for trials, _ in sizes), epochs * self.executions

    def sizes(self) -> Iterator[tuple[Bracket, int, int, int]]:
        """Yield (bracket, round, planned trials, epochs of each trial in this round)."""
        for bracket in self.brackets:
            for rung in range(bracket.number + 1):
                before = self._get_epochs(bracket.number, rung - 1) if rung else 0
                epochs = self._get_epochs(bracket.number, rung) - before
                yield bracket, rung, self.entrants(bracket, rung), epochs

    def entrants(self, bracket: Bracket, rung: int) -> int:
        """Return how many trials can enter a round: as planned, or fewer if too few remain."""
        planned = self._get_size(bracket.number, rung)
        if rung == 0:
            return min(planned, len(bracket.rounds[0])) if self._exhausted else planned
        failed = sum(self.trials[t].status == FAILED for t in bracket.rounds[rung - 1])
        return min(planned, self.entrants(bracket, rung - 1) - failed)

    def _draw_for(self, bracket: Bracket, trial_id: str) -> Values | None:
        if len(bracket.rounds[0]) >= self._get_size(bracket.number, 0):
            return None
        values = self.next_draw(trial_id)
        if values is None:
            return None
        self._enter(bracket, 0, trial_id, None)
        return {**values, **self._labels(bracket, 0)}

    def _promote_in(self, bracket: Bracket, trial_id: str) -> Values | None:
        for rung in range(1, len(bracket.rounds)):
            winner = self._winner(bracket, rung)
            if winner:
                self._enter(bracket, rung, trial_id, winner)
                return {
                    **configuration(self.trials[winner].hyperparameters.values),
                    **self._labels(bracket, rung),
                    "tuner/trial_id": winner,
                }
        return None

    def _winner(self, bracket: Bracket, rung: int) -> str | None:
        """Return the next trial to promote into a round, None if no promotion is certain yet."""
        before = bracket.rounds[rung - 1]
        promoted = {bracket.parents[name] for name in bracket.rounds[rung]}
        waiting = [t for t in before if self.trials[t].status == COMPLETED and t not in promoted]
        failed = sum(self.trials[t].status == FAILED for t in before)
        losers = self.entrants(bracket, rung - 1) - self._get_size(bracket.number, rung)
        if not waiting or len(bracket.rounds[rung]) >= self._get_size(bracket.number, rung):
            return None
        if len(waiting) + failed <= losers:
            return None
        return min(waiting, key=lambda name: self._rank(bracket, name))

    def _rank(self, bracket: Bracket, name: str) -> tuple[float, int]:
        root = name
        while parent := bracket.parents[root]:
            root = parent
        return self.rank(self.trials[name].score), self._draw_of[root]

    def can_be_promoted(self, trial_id: str) -> bool:
        for bracket in self.brackets:
            for rung, entrants in enumerate(bracket.rounds[:-1]):
                if trial_id in entrants:
                    ahead = [
                        t
                        for t in entrants
                        if self.trials[t].status == COMPLETED
                        and self._rank(bracket, t) < self._rank(bracket, trial_id)
                    ]
                    promoted = {bracket.parents[t] for t in bracket.rounds[rung + 1]}
                    size = self._get_size(bracket.number, rung + 1)
                    return trial_id not in promoted and len(ahead) < size
        return False

    def _enter(self, bracket: Bracket, rung: int, trial_id: str, parent: str | None) -> None:
        bracket.rounds[rung].append(trial_id)
        bracket.parents[trial_id] = parent

    def _labels(self, bracket: Bracket, rung: int) -> Values:
        return {
            "tuner/epochs": self._get_epochs(bracket.number, rung),
            "tuner/initial_epoch": self._get_epochs(bracket.number, rung - 1) if rung else 0,
            "tuner/bracket": bracket.number,
            "tuner/round": rung,
        }

    def restore(self, trials: Sequence[Trial]) -> None:
        """Take up earlier trials and rebuild the brackets.

        Raises Failure if the trials do not belong to this study.
        """
        super().restore(trials)
        for bracket in self.brackets:
            bracket.rounds = [[] for _ in bracket.rounds]
            bracket.parents = {}
        places = [b for b in self.brackets for _ in range(self._get_size(b.number, 0))]
        for bracket, root in zip(places, self.restore_draws(len(places)), strict=False):
            if root:
                self._enter(bracket, 0, root, None)
        for trial in sorted(
            self.trials.values(), key=lambda t: t.hyperparameters.values["tuner/round"]
        ):
            parent = trial.hyperparameters.values.get("tuner/trial_id")
            if parent:
                bracket = next(b for b in self.brackets if parent in b.parents)
                rung = trial.hyperparameters.values["tuner/round"]
                self._enter(bracket, rung, trial.trial_id, parent)

    def get_state(self) -> dict[str, Any]:
        begun = [b for b in self.brackets if b.rounds[0]] or self.brackets[:1]
        self._brackets = [b.state() for b in begun]
        self._current_bracket = begun[-1].number
        self._current_iteration = (len(begun) - 1) // self._get_num_brackets()
        self._seed_state = self.seed + len(self._draws)
        return super().get_state()
