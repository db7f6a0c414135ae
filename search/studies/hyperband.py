"""KerasTuner's Hyperband with its faults corrected, and with draws that learn.

Draws, brackets and promotions follow from the seed and the trials alone. So no crash between two
files can make them disagree.
"""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from search.records.trial import (
    COMPLETED,
    FAILED,
    RUNNING,
    Values,
    configuration,
)
from search.studies.brackets import Bracket, Next
from search.studies.learning import LearningOracle
from search.studies.oracles import IDLE, STOPPED, Trial

DRAWN = ("tuner/draw", "tuner/sampler")
"""Labels of a draw: its number, and what made it. Promoted trials keep them."""


class HyperbandOracle(LearningOracle):
    """Hyperband (Li et al. 2018, JMLR 18-185) on KerasTuner's schedule, corrected.

    Differences from `keras_tuner/src/tuners/hyperband.py`:
    - A failed trial counts as a loser, so its bracket continues.
    - A space with too few configurations still promotes.
    - `tuner/bracket` is the trial's own bracket.
    - Seed 0 is a valid seed.
    - The promoted set depends on the scores alone. Ties go to the configuration drawn first.
    - Two draws in three learn (`LearningOracle`, which has the arguments).
    - Trials that may begin are begun in an order of ours. The result does not depend on it.
    """

    labels = ("tuner/bracket", "tuner/round", "tuner/epochs")

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
