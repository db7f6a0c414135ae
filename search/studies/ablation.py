"""The ablation path from the assignment's final network to ours, and ours with one choice undone.

As in Fawcett and Hoos (2016, "Analysing differences between algorithm configurations through
ablation"): of all that still differs, the one change that gains most is made, and so on; here with
a race in each step. Leave-one-out is the other way round: each choice of ours put back to the
space's default, all else kept.
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
"""Of the changes in a round of a race, one in this many goes on to the next."""


def choice_of(name: str) -> str:
    """The choice that a hyperparameter is part of: those of one choice change together."""
    if name == "layers" or name.startswith("units_"):
        return "layers and units"
    if name in ("optimizer", "nesterov") or name.split("_", maxsplit=1)[0] in OPTIMIZERS:
        return "optimizer"
    return name.removeprefix("use_")


def with_choice(values: Values, choice: str, of: Values) -> Values:
    """The values with one choice made as another configuration makes it; what that leaves without
    effect goes, what it brings into effect comes at its default.
    """
    kept = {name: value for name, value in values.items() if choice_of(name) != choice}
    return complete(kept | {name: value for name, value in of.items() if choice_of(name) == choice})


def differing(values: Values, other: Values) -> list[str]:
    """The choices in which two configurations differ, in the space's order."""
    names = list({**values, **other})
    choices = dict.fromkeys(choice_of(name) for name in names)
    return [choice for choice in choices if with_choice(values, choice, other) != values]


def race(
    step: int, current: Values, target: Values, trials: Sequence[Trial]
) -> tuple[list[PlannedPart], str | None]:
    """The rounds of one step as far as its trials go, and the choice that won once it is decided.

    Successive halving (Jamieson and Talwalkar 2016), a seed a round: after each, the best third,
    rounded up, goes on; a hopeless change has one seed.
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
    """The trials of the path to `target`, and of reverting each of its choices.

    Races come first: each waits for the race before it.
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
