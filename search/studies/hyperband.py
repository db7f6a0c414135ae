"""KerasTuner's Hyperband with its faults corrected, and with draws that learn.

Draws, brackets and promotions follow from the seed and the trials alone. So no crash between two
files can make them disagree.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

import keras_tuner as kt

from search.records.trial import (
    COMPLETED,
    ENDED,
    FAILED,
    GIVEN,
    RANDOM,
    RUNNING,
    Values,
    configuration,
)
from search.studies.brackets import BLOCK, Bracket, Next
from search.studies.draws import DrawingOracle
from search.studies.objectives import objective_of
from search.studies.oracles import IDLE, STOPPED, Trial
from search.studies.samplers import ENOUGH, Seen, centre, guided

DRAWN = ("tuner/draw", "tuner/sampler")
"""Labels of a draw: its number, and what made it. Promoted trials keep them."""

COSTLY = 8
"""An epoch of a draw that is not random costs at most so many times an epoch of textbook values."""

RANDOM_EVERY = 3
"""One draw in so many is always random, so that Hyperband's guarantee holds. BOHB has the same share
(Falkner et al. 2018, and HpBandSter's `random_fraction`)."""


class HyperbandOracle(DrawingOracle, kt.oracles.HyperbandOracle):
    """Hyperband (Li et al. 2018, JMLR 18-185) on KerasTuner's schedule, corrected.

    Differences from `keras_tuner/src/tuners/hyperband.py`:
    - A failed trial counts as a loser, so its bracket continues.
    - A space with too few configurations still promotes.
    - `tuner/bracket` is the trial's own bracket.
    - Seed 0 is a valid seed.
    - The promoted set depends on the scores alone. Ties go to the configuration drawn first.
    - A random draw depends on the seed and its number alone. Another draw also depends on the trials
      that it learns from (`learned_from`), which its number decides.
    - Trials that may begin are begun in an order of ours. The result does not depend on it.

    first: configurations that come before any random configuration.
    textbook: values near which some draws are made (`search.studies.samplers`). None: all draws are
    random. So they are if the space has too few configurations to choose from.
    cost: returns a number that is proportional to the seconds of a configuration's epochs.
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

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the next trial's values."""
        found = self._next()
        if found is None:
            return {"status": IDLE if self.ongoing_trials else STOPPED}
        labels = self._labels(found.bracket, found.rung)
        if isinstance(found.source, int):
            self._draw_of[trial_id] = found.source
            found.bracket.enter(0, trial_id, None)
            labels |= {"tuner/draw": found.source, "tuner/sampler": self.sampler_of(found.source)}
        else:
            found.bracket.enter(found.rung, trial_id, found.source)
            parent = self.trials[found.source].hyperparameters.values
            labels |= {name: parent[name] for name in DRAWN if name in parent}
            labels |= {"tuner/trial_id": found.source}
        return {"status": RUNNING, "values": {**found.values, **labels}}

    def _next(self) -> Next | None:
        """Return the trial to begin next, None if there is none now.

        The textbook values come first, as in PriorBand (Mallik et al. 2023), but at a third of the
        longest budget, where one trial costs little, and then at the longest. A draw that would
        outlast everything else is begun before it does. Otherwise earlier brackets come first, in a
        bracket promotions before draws, and the longest rung first.
        """
        textbook = self._next_of_textbook()
        if textbook:
            return textbook
        size = self._get_num_brackets()
        for start in range(0, len(self.brackets), size):
            ready = list(self._ready(self.brackets[start : start + size]))
            if ready:
                longest = max(ready, key=self._seconds)
                lasts = self._seconds(longest) * self.workers >= self._seconds_left(ready)
                return longest if lasts else ready[0]
        return None

    def _next_of_textbook(self) -> Next | None:
        """Return the trial of the textbook values that may begin now."""
        n = self._textbook_draw
        if n is None:
            return None
        bracket = self._bracket_of(n)
        if n not in self._draw_of.values():
            return Next(bracket, 0, self.reserved[0], n)
        certain = (
            t for rung in range(1, len(bracket.rounds)) for t in self._certain(bracket, rung)
        )
        return next((trial for trial in certain if self._is_textbook(str(trial.source))), None)

    def _certain(self, bracket: Bracket, rung: int) -> list[Next]:
        """Return the promotions into a round that are certain now."""
        return [
            Next(bracket, rung, configuration(self.trials[n].hyperparameters.values), n)
            for n in self._winners(bracket, rung)
        ]

    def _ready(self, brackets: Sequence[Bracket]) -> Iterator[Next]:
        """Yield the trials of some brackets that may begin now."""
        for bracket in brackets:
            # An exhausted space is noticed here, and then fewer trials decide promotions.
            draws = list(self._drawable(bracket))
            for rung in reversed(range(1, len(bracket.rounds))):
                yield from sorted(self._certain(bracket, rung), key=self._seconds)
            # In a block, cheap configurations come first, so that promotions may begin early.
            yield from sorted(draws, key=self._turn)

    def _drawable(self, bracket: Bracket) -> Iterator[Next]:
        """Yield the draws of a bracket that may begin now."""
        unknown = None
        for n in self.open_draws(bracket.draws):
            # All draws of a block learn from the same trials, and those of later blocks from more.
            if unknown is None or self.is_random(n):
                values = self.drawn(n)
                if values:
                    yield Next(bracket, 0, values, n)
                else:
                    unknown = n

    def _turn(self, draw: Next) -> tuple[int, bool, float]:
        n = int(draw.source)
        return draw.bracket.block(n), n >= len(self.first), self._cost(draw.values)

    def _seconds(self, trial: Next) -> float:
        """Return the expected seconds of a trial, in the unit of `cost`."""
        return self._epochs(trial) * self._cost(trial.values)

    def _epochs(self, trial: Next) -> int:
        last = self._get_epochs(trial.bracket.number, trial.rung)
        return last - (self._get_epochs(trial.bracket.number, trial.rung - 1) if trial.rung else 0)

    def _cost(self, values: Values) -> float:
        return self.cost(values) if self.cost else 1.0

    def _seconds_left(self, ready: Sequence[Next]) -> float:
        """Return the expected seconds of all trials that have not begun.

        ready: those that may begin now. Others are expected to cost as much as the textbook values,
        or what is usual among `ready` if there are none.
        """
        unknown = -sum(map(self._epochs, ready))
        for bracket, rung, size, epochs in self.sizes():
            unknown += (size - len(bracket.rounds[rung])) * epochs
        known = self.reserved or [trial.values for trial in ready]
        usual = median(map(self._cost, known))
        return sum(map(self._seconds, ready)) + unknown * usual

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

    def _winners(self, bracket: Bracket, rung: int) -> list[str]:
        """Return the trials whose promotion into a round is certain now, the best first.

        The textbook values are always promoted. They take the place of another trial.
        """
        before = bracket.rounds[rung - 1]
        promoted = {bracket.parents[name] for name in bracket.rounds[rung]}
        waiting = [t for t in before if self.trials[t].status == COMPLETED and t not in promoted]
        failed = sum(self.trials[t].status == FAILED for t in before)
        size = self._get_size(bracket.number, rung)
        losers = self.entrants(bracket, rung - 1) - size
        free = size - len(bracket.rounds[rung])
        textbook = [t for t in self._sure(before) if t not in promoted]
        first = [t for t in textbook if t in waiting]
        free -= len(textbook)
        others = [t for t in waiting if t not in first]
        certain = max(0, min(free, len(others) + failed - losers))
        return [*first, *sorted(others, key=lambda name: self._rank(bracket, name))[:certain]]

    def _sure(self, entrants: Sequence[str]) -> list[str]:
        """Return the trial of the textbook values, which has a place of its own unless it failed."""
        return [t for t in entrants if self._is_textbook(t) and self.trials[t].status != FAILED]

    def _is_textbook(self, trial_id: str) -> bool:
        draw = self.trials[trial_id].hyperparameters.values.get("tuner/draw")
        return draw is not None and draw == self._textbook_draw

    def _rank(self, bracket: Bracket, name: str) -> tuple[float, int]:
        return self.rank(self.trials[name].score), self._draw_of[bracket.root(name)]

    def can_be_promoted(self, trial_id: str) -> bool:
        for bracket in self.brackets:
            for rung, entrants in enumerate(bracket.rounds[:-1]):
                if trial_id in entrants:
                    done = [t for t in entrants if self.trials[t].status == COMPLETED]
                    sure = self._sure(entrants)
                    own = self._rank(bracket, trial_id)
                    ahead = [t for t in done if t not in sure and self._rank(bracket, t) < own]
                    promoted = {bracket.parents[t] for t in bracket.rounds[rung + 1]}
                    places = self._get_size(bracket.number, rung + 1) - len(sure)
                    may = trial_id in sure or len(ahead) < places
                    return trial_id not in promoted and may
        return False

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
            bracket.empty()
        places = [bracket for bracket in self.brackets for _ in bracket.draws]
        self._guided.clear()
        roots = self.restore_draws(len(places))
        for n, (bracket, root) in enumerate(zip(places, roots, strict=False)):
            if root:
                bracket.enter(0, root, None)
                trial = self.trials[root]
                if not self.is_random(n):
                    sampler = str(trial.hyperparameters.values["tuner/sampler"])
                    self._guided[n] = self._without_late(trial), sampler
        for trial in sorted(
            self.trials.values(), key=lambda t: t.hyperparameters.values["tuner/round"]
        ):
            parent = trial.hyperparameters.values.get("tuner/trial_id")
            if parent:
                bracket = next(b for b in self.brackets if parent in b.parents)
                rung = trial.hyperparameters.values["tuner/round"]
                bracket.enter(rung, trial.trial_id, parent)

    def get_state(self) -> dict[str, Any]:
        begun = [b for b in self.brackets if b.rounds[0]] or self.brackets[:1]
        self._brackets = [b.state() for b in begun]
        self._current_bracket = begun[-1].number
        self._current_iteration = (len(begun) - 1) // self._get_num_brackets()
        self._seed_state = self.seed + len(self._draws)
        return super().get_state()
