"""The ablation path from the baseline to the chosen network, and leave-one-out.

The path follows Fawcett and Hoos (2016, "Analysing differences between algorithm configurations
through ablation"). Each step makes the change that gains most among the remaining differences. Here
a race decides each step. Leave-one-out reverts each choice of the chosen network alone to the
space's default.
"""

from collections.abc import Sequence
from typing import Any

from search.networks.baselines import built_in
from search.networks.spaces import Space
from search.records.objective import Objective
from search.records.parts import BASELINE, FINAL, PlannedPart
from search.records.seeds import RACE_SEEDS
from search.records.trial import Values
from search.studies.arms import mean_scores, ranked
from search.studies.oracles import ListOracle, Trial

FACTOR = 3
"""One in this many changes of a round of a race advances to the next round."""


def race(
    step: int,
    current: Values,
    target: Values,
    trials: Sequence[Trial],
    space: Space,
    goal: Objective,
    epochs: int,
) -> tuple[list[PlannedPart], str | None]:
    """Return the rounds of one step so far, and the winning choice or None if it is undecided.

    This is successive halving (Jamieson and Talwalkar 2016) with one more seed in each round. After
    each round, the best third of the changes, rounded up, advances. A hopeless change therefore
    takes a single seed.
    """
    choices = space.differing(current, target)
    arms = {choice: space.with_choice(current, choice, target) for choice in choices}
    rounds: list[PlannedPart] = []
    while len(arms) > 1:
        seeds = RACE_SEEDS[: len(rounds) + 1]
        rounds.append(PlannedPart("path", "race", "", epochs, seeds, arms, step))
        scores = mean_scores(rounds[-1], trials, goal)
        if scores is None:
            return rounds, None
        best = ranked(scores, goal)[: -(-len(arms) // FACTOR)]
        arms = {choice: arms[choice] for choice in choices if choice in best}
    return rounds, next(iter(arms))


class AblationOracle(ListOracle):
    """The oracle of the path to `target`, and of reverting each of its choices.

    Races come first. Each race waits for the previous race.
    """

    def __init__(
        self,
        target: Values,
        seeds: tuple[int, ...],
        epochs: int,
        space: Space | None = None,
        objective: Any = "val_accuracy",
    ):
        self.target = target
        self.seeds = seeds
        self.epochs = epochs
        self.space = space or built_in()
        super().__init__(self.space.parameters, self._following, objective)

    def _following(self, trials: Sequence[Trial]) -> list[PlannedPart]:
        """Return the races so far, the path as far as it is decided, and leave-one-out."""
        space = self.space
        current = space.baseline
        steps = {BASELINE: current}
        races: list[PlannedPart] = []
        while space.differing(current, self.target):
            rounds, winner = race(
                len(steps), current, self.target, trials, space, self.goal, self.epochs
            )
            races += rounds
            if winner is None:
                break
            current = space.with_choice(current, winner, self.target)
            steps[winner] = current
        default = space.complete({})
        left_out = {FINAL: self.target} | {
            choice: space.with_choice(self.target, choice, default)
            for choice in space.differing(self.target, default)
        }
        return [
            *races,
            PlannedPart("path", "path", BASELINE, self.epochs, self.seeds, steps),
            PlannedPart("path", "leave-one-out", FINAL, self.epochs, self.seeds, left_out),
        ]
