"""The brackets of a Hyperband search and their draws, two in three of which learn."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras_tuner as kt

from search.records.trial import COMPLETED, ENDED, FAILED, GIVEN, RANDOM, Values
from search.studies.brackets import BLOCK, Bracket
from search.studies.draws import DrawingOracle
from search.studies.objectives import objective_of
from search.studies.oracles import Trial
from search.studies.samplers import ENOUGH, Seen, centre, guided

COSTLY = 8
"""An epoch of a draw that is not random costs at most so many times an epoch of textbook values."""

RANDOM_EVERY = 3
"""One draw in so many is always random, so that Hyperband's guarantee holds. BOHB has the same share
(Falkner et al. 2018, and HpBandSter's `random_fraction`)."""


class LearningOracle(DrawingOracle, kt.oracles.HyperbandOracle):
    """Draws for the first rungs of all brackets.

    A random draw depends on the seed and its number alone. Another draw also depends on the trials that
    it learns from (`learned_from`), which its number decides.

    first: configurations that come before any random configuration.
    textbook: values near which some draws are made (`search.studies.samplers`). None: all draws are
    random. So they are if the space has too few configurations to choose from.
    cost: returns a number that is proportional to the seconds of a configuration's epochs.
    min_epochs: brackets are left out if their first round is shorter, before it is rounded up. This
    is r of Li et al. KerasTuner's oracle has this number, but no argument for it.
    options: KerasTuner's, such as `tune_new_entries` and `max_retries_per_trial`.
    """

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
        textbook: Values | None = None,
        cost: Callable[[Values], float] | None = None,
        skips_idle: bool = False,
        **options: Any,
    ):
        reserved = [centre(space, textbook)] if textbook else []
        super().__init__(
            space,
            seed,
            first,
            reserved,
            objective=objective_of(objective),
            max_epochs=max_epochs,
            factor=factor,
            hyperband_iterations=iterations,
            **options,
        )
        self.min_epochs = min_epochs
        self.executions = executions
        self.skips_idle = skips_idle
        self.brackets: list[Bracket] = []
        end = 0
        for _ in range(iterations):
            for number in reversed(range(self._get_num_brackets())):
                size = self._get_size(number, 0)
                rounds: list[list[str]] = [[] for _ in range(number + 1)]
                self.brackets.append(Bracket(number, rounds, range(end, end + size)))
                end += size
        self.cost = cost
        self.textbook = textbook
        self._guided: dict[int, tuple[Values, str] | None] = {}
        self._textbook_draw: int | None = None
        if not self._learns(0):
            self.textbook = None
            self.reserved.clear()
            self._draws.clear()
        if self.textbook:
            start = self.brackets[max(0, self._get_num_brackets() - 2)].draws.start
            self._textbook_draw = max(start, len(self.first))

    def is_random(self, n: int) -> bool:
        """Return whether a draw follows from the seed and its number alone."""
        if n < len(self.first) or not self._learns(n):
            return True
        return n % RANDOM_EVERY == 0 and n != self._textbook_draw

    def _learns(self, n: int) -> bool:
        """Return whether the draws of an iteration learn: if the space has enough random ones."""
        if self.textbook is None:
            return False
        last = self._draws_of_iteration(n).stop - 1
        return self.draw(last) is not None if self._wider is None else last < self._wider[0]

    def _draws_of_iteration(self, n: int) -> range:
        size = self.brackets[self._get_num_brackets() - 1].draws.stop
        return range(n // size * size, (n // size + 1) * size)

    def sampler_of(self, n: int) -> str:
        """Return what drew configuration n."""
        if n < len(self.first) or n == self._textbook_draw:
            return GIVEN
        made = self._guided.get(n)
        return made[1] if made else RANDOM

    def drawn(self, n: int) -> Values | None:
        """Return configuration n, None if it is not known yet."""
        if self.is_random(n):
            return self.draw(n)
        if n == self._textbook_draw and n not in self._guided:
            self._guided[n] = self.reserved[0], GIVEN
        if n not in self._guided:
            bracket = self._bracket_of(n)
            names = self._learned_from(bracket, n)
            if names is None:
                return None
            self._guided[n] = self._made(bracket, n, names)
        made = self._guided[n]
        return made[0] if made else self.draw(n)

    def _made(self, bracket: Bracket, n: int, names: Sequence[str]) -> tuple[Values, str] | None:
        """Make a draw that learns from trials. None if the space has no other configuration."""
        known = [*map(self.draw, range(self._draws_of_iteration(n).stop)), *self.reserved]
        known += [self.drawn(m) for m in range(n)]
        taken = [values for values in known if values is not None]
        assert self.textbook is not None
        # In an order that does not depend on which trial began first.
        seen = sorted(map(self._seen, names), key=lambda one: (one.draw, one.rung))
        seed = f"{self.seed} guided {n}"
        return guided(self.explored, self.textbook, seen, seed, taken, self._is_affordable)

    def _is_affordable(self, values: Values) -> bool:
        return not self.reserved or self._cost(values) <= COSTLY * self._cost(self.reserved[0])

    def learned_from(self, trial: Trial) -> tuple[str, ...]:
        """Return the trials that a trial's draw has learned from."""
        n = self._draw_of.get(trial.trial_id)
        if n is None or self.is_random(n) or n == self._textbook_draw:
            return ()
        return tuple(sorted(self._learned_from(self._bracket_of(n), n) or ()))

    def _bracket_of(self, n: int) -> Bracket:
        return next(bracket for bracket in self.brackets if n in bracket.draws)

    def _learned_from(self, bracket: Bracket, n: int) -> list[str] | None:
        """Return the trials that a draw learns from, None as long as they have not all ended.

        They are the earlier blocks of its bracket on the first rung, and the trials of earlier
        brackets on their first rungs, and at the largest budget that has enough trials by plan.
        """
        found: list[str] = []
        block = bracket.block(n)
        for earlier, rung in self._rungs_before(bracket, block):
            if len(earlier.rounds[rung]) < self.entrants(earlier, rung):
                return None
            found += earlier.rounds[rung]
        within = {name: self._draw_of[name] for name in bracket.rounds[0]}
        own = [name for name, m in within.items() if bracket.block(m) < block]
        if len(own) < block * BLOCK:
            return None
        found += own
        return found if all(self.trials[name].status in ENDED for name in found) else None

    def _rungs_before(self, bracket: Bracket, block: int) -> list[tuple[Bracket, int]]:
        """Return the rungs of earlier brackets from which a block of draws learns.

        Draws do not wait for other rungs, because neither skills nor the model depend on them. The
        longest rung does not count before the next iteration.
        """
        place = self.brackets.index(bracket)
        start = place // self._get_num_brackets() * self._get_num_brackets()
        planned = {self._get_epochs(bracket.number, 0): block * BLOCK}
        rungs: list[tuple[Bracket, int, int]] = []
        for number, earlier in enumerate(self.brackets[:place]):
            last = earlier.number if number >= start else earlier.number + 1
            for rung in range(last):
                budget = self._get_epochs(earlier.number, rung)
                planned[budget] = planned.get(budget, 0) + self._get_size(earlier.number, rung)
                rungs.append((earlier, rung, budget))
        largest = max((b for b, size in planned.items() if size >= ENOUGH), default=None)
        return [(b, rung) for b, rung, budget in rungs if rung == 0 or budget == largest]

    def _seen(self, name: str) -> Seen:
        """Return a trial as draws see it: with the value of its last epoch."""
        trial = self.trials[name]
        place, bracket = next(
            (number, bracket)
            for number, bracket in enumerate(self.brackets)
            if name in bracket.parents
        )
        loss = self.rank(self.last_value(trial)) if trial.status == COMPLETED else math.inf
        return Seen(
            self._draw_of[bracket.root(name)],
            self._without_late(trial),
            str(trial.hyperparameters.values.get("tuner/sampler", RANDOM)),
            place,
            bracket.rung_of(name),
            self.epochs_of(trial)[1],
            loss if math.isfinite(loss) else None,
        )

    def _without_late(self, trial: Trial) -> Values:
        """Return a trial's values without what it asked for later than the space was explored."""
        names = {hp.name for hp in self.explored.space}
        return {k: v for k, v in trial.hyperparameters.values.items() if k in names}

    def entrants(self, bracket: Bracket, rung: int) -> int:
        """Return how many trials can enter a round: as planned, or fewer if too few remain."""
        planned = self._get_size(bracket.number, rung)
        if rung == 0:
            return min(planned, len(bracket.rounds[0])) if self._exhausted else planned
        failed = sum(self.trials[t].status == FAILED for t in bracket.rounds[rung - 1])
        return min(planned, self.entrants(bracket, rung - 1) - failed)

    def _cost(self, values: Values) -> float:
        return self.cost(values) if self.cost else 1.0
