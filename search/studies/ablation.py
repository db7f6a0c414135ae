"""The ablation path from the assignment's final network to the chosen network, and leave-one-out.

The path follows Fawcett and Hoos (2016, "Analysing differences between algorithm configurations
through ablation"). Each step makes the change that gains most among the remaining differences. Here
a race decides each step. Leave-one-out reverts each choice of the chosen network alone to the
space's default.
"""

from collections.abc import Sequence

import keras_tuner as kt

from search.networks.baselines import BASELINES, complete
from search.networks.space import OPTIMIZERS, declare
from search.records.parts import BASELINE, FINAL, PlannedPart
from search.records.seeds import RACE_SEEDS
from search.records.trial import Values
from search.studies.arms import mean_scores
from search.studies.exercises import EPOCHS
from search.studies.oracles import ListOracle, Trial

FACTOR = 3
"""One in this many changes of a round of a race advances to the next round."""


def choice_of(name: str) -> str:
    """Return the choice that a hyperparameter belongs to.

    The hyperparameters of a choice change together.
    """
    if name == "layers" or name.startswith("units_"):
        return "layers and units"
    if name in ("optimizer", "nesterov") or name.split("_", maxsplit=1)[0] in OPTIMIZERS:
        return "optimizer"
    return name.removeprefix("use_")


def with_choice(values: Values, choice: str, of: Values) -> Values:
    """Return the values with one choice taken from another configuration.

    of: the other configuration.

    Values that become inactive are dropped. Values that become active take their defaults.
    """
    kept = {name: value for name, value in values.items() if choice_of(name) != choice}
    return complete(kept | {name: value for name, value in of.items() if choice_of(name) == choice})


def differing(values: Values, other: Values) -> list[str]:
    """Return the choices in which two configurations differ, in the space's order."""
    names = list({**values, **other})
    choices = dict.fromkeys(choice_of(name) for name in names)
    return [choice for choice in choices if with_choice(values, choice, other) != values]


def race(
    step: int, current: Values, target: Values, trials: Sequence[Trial]
) -> tuple[list[PlannedPart], str | None]:
    """Return the rounds of one step so far, and the winning choice or None if it is undecided.

    This is successive halving (Jamieson and Talwalkar 2016) with one more seed in each round. After
    each round, the best third of the changes, rounded up, advances. A hopeless change therefore
    takes a single seed.
    """
    choices = differing(current, target)
    arms = {choice: with_choice(current, choice, target) for choice in choices}
    rounds: list[PlannedPart] = []
    while len(arms) > 1:
        seeds = RACE_SEEDS[: len(rounds) + 1]
        rounds.append(PlannedPart("path", "race", "", EPOCHS, seeds, arms, step))
        scores = mean_scores(rounds[-1], trials)
        if scores is None:
            return rounds, None
        best = sorted(arms, key=scores.__getitem__, reverse=True)[: -(-len(arms) // FACTOR)]
        arms = {choice: arms[choice] for choice in choices if choice in best}
    return rounds, next(iter(arms))


class AblationOracle(ListOracle):
    """The oracle of the path to `target`, and of reverting each of its choices.

    Races come first. Each race waits for the previous race.
    """

    def __init__(self, target: Values, seeds: tuple[int, ...]):
        self.target = target
        self.seeds = seeds
        space = kt.HyperParameters()
        declare(space)
        super().__init__(space, self._following)

    def _following(self, trials: Sequence[Trial]) -> list[PlannedPart]:
        """Return the races so far, the path as far as it is decided, and leave-one-out."""
        current = complete(BASELINES["4 final"])
        steps = {BASELINE: current}
        races: list[PlannedPart] = []
        while differing(current, self.target):
            rounds, winner = race(len(steps), current, self.target, trials)
            races += rounds
            if winner is None:
                break
            current = with_choice(current, winner, self.target)
            steps[winner] = current
        default = complete({})
        left_out = {FINAL: self.target} | {
            choice: with_choice(self.target, choice, default)
            for choice in differing(self.target, default)
        }
        return [
            *races,
            PlannedPart("path", "path", BASELINE, EPOCHS, self.seeds, steps),
            PlannedPart("path", "leave-one-out", FINAL, EPOCHS, self.seeds, left_out),
        ]
