"""Random configurations in a sequence that the seed alone decides, and trials that belong to it."""

import random
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import keras_tuner as kt

from search.networks.spaces import configured
from search.records.errors import Failure
from search.records.reading import Json
from search.records.trial import Values, configuration
from search.studies.oracles import RecordedOracle, Trial


class DrawingOracle(RecordedOracle):
    """An oracle whose first trials are random configurations.

    The n-th draw depends on the seed and n alone. Hyperparameters that a trial asks for later than
    the space was explored are drawn in its worker (`search.networks.exploring.Drawing`), so the
    order in which they are found changes nothing.

    first: configurations that come before any random configuration.
    reserved: configurations that are not drawn at random.
    """

    def __init__(
        self,
        space: kt.HyperParameters,
        seed: int,
        first: Sequence[Values] = (),
        reserved: Sequence[Values] = (),
        **options: Any,
    ):
        self.explored = space.copy()
        """The space before any trial. KerasTuner's `hyperparameters` also holds what came later."""
        self.first = list(first)
        self.reserved = list(reserved)
        self._draws: list[Values] = []
        self._draw_of: dict[str, int] = {}
        self._exhausted = False
        self._wider: tuple[int, kt.HyperParameters] | None = None
        super().__init__(hyperparameters=space, seed=seed, **options)
        # KerasTuner replaces the seed 0 by a random seed.
        self.seed = self._seed_state = seed
        self._max_collisions = 1000

    def draw(self, n: int) -> Values | None:
        """Return configuration n of the study's sequence, None if the space has no more.

        n: counted from 0. All configurations of the sequence are different.
        """
        while len(self._draws) <= n:
            values = self._different(len(self._draws))
            if values is None:
                return None
            self._draws.append(values)
        return self._draws[n]

    def open_draws(self, numbers: range) -> Iterator[int]:
        """Yield which of these configurations of the sequence no trial has yet.

        Nothing is yielded if there is none now or none at all.
        """
        taken = set(self._draw_of.values())
        for n in numbers:
            if n in taken:
                continue
            if self._exhausted:
                return
            if self.draw(n) is None:
                earlier_are_open = not taken.issuperset(range(n))
                if earlier_are_open or (self.tune_new_entries and self.ongoing_trials):
                    return  # a trial may still find more to draw from
                if not self._widen() or self.draw(n) is None:
                    self._exhausted = True
                    return
            yield n

    def _widen(self) -> bool:
        """Draw from now on what earlier trials have found as well. Return whether there is more.

        This happens once, when the explored space is exhausted and all its trials have ended, so
        that it does not depend on their order.
        """
        if self._wider or not self.tune_new_entries:
            return False
        wider = self.explored.copy()
        for name in sorted(self._draw_of, key=self._draw_of.__getitem__):
            wider.merge(self.trials[name].hyperparameters, overwrite=False)
        if len(wider.space) == len(self.explored.space):
            return False
        self._wider = len(self._draws), wider
        return True

    def _different(self, n: int) -> Values | None:
        if n < len(self.first):
            return self.first[n]
        taken: Iterable[Values] = [*self._draws, *self.reserved]
        space = self.explored
        if self._wider:
            space = self._wider[1]
            roots = (self.trials[name] for name in self._draw_of)
            taken = [*taken, *(configuration(root.hyperparameters.values) for root in roots)]
        for attempt in range(self._max_collisions):
            seed = f"{self.seed} {n} {attempt}"
            values = configured(space, partial(_random_value, seed))
            if values not in taken:
                return values
        return None

    def space_for(self, trial_id: str, values: Values) -> kt.HyperParameters:
        """Return the space of a new trial: its parent's, or the one that it was drawn from."""
        parent = self.trials.get(values.get("tuner/trial_id"))
        if parent:
            return parent.hyperparameters.copy()
        if self._wider and self._draw_of[trial_id] >= self._wider[0]:
            return self._wider[1].copy()
        return self.explored.copy()

    def learn(self, trial: Trial, found: Json) -> None:
        """Take up a trial's hyperparameters. Raises RuntimeError if no new ones are allowed."""
        trial.hyperparameters = kt.HyperParameters.from_config(found)
        self.update_space(trial.hyperparameters)
        self._record_values(trial)

    def trial_seed(self, trial: Trial) -> int:
        """Return the seed of weights and batches: the parent's, or one from the drawn values."""
        values = trial.hyperparameters.values
        parent = self.trials.get(values.get("tuner/trial_id"))
        if parent:
            return parent.run.seed if parent.run else self.trial_seed(parent)
        n = self._draw_of.get(trial.trial_id)
        drawn = None if n is None else self.drawn(n)
        return self._seed_of(drawn or configuration(values))

    def drawn(self, n: int) -> Values | None:
        """Return configuration n as a trial has it, without late entries. None if unknown."""
        return self.draw(n)

    def _seed_of(self, drawn: Values) -> int:
        return random.Random(f"{self.seed} {sorted(drawn.items())}").getrandbits(31)

    def _compute_values_hash(self, values: Values) -> str:
        return super()._compute_values_hash(configuration(values))

    def restore(self, trials: Sequence[Trial]) -> None:
        """Take up earlier trials, in any order. Unfinished trials come first again.

        Raises Failure if the trials were drawn from another space.
        """
        super().restore(trials)
        self._draws.clear()
        self._draw_of.clear()
        self._exhausted, self._wider = False, None
        own = _entries(self.explored)
        for trial in self.trials.values():
            theirs = _entries(trial.hyperparameters)
            changed = sorted(key[0] for key in own if own[key] != theirs.get(key))
            if changed:
                raise Failure(
                    f"the study's trials use a different search space (differing "
                    f"hyperparameters: {len(changed)}, such as {changed[0]}), probably that of an "
                    "earlier version. The study can still be reported but not continued: choose "
                    "another --study name"
                )
            self.update_space(trial.hyperparameters)

    def is_random(self, n: int) -> bool:
        """Return whether configuration n follows from the seed and n alone."""
        return True

    def restore_draws(self, count: int) -> list[str | None]:
        """Find the draw of each trial that was not promoted.

        count: number of draws that the study can have made.
        Return by draw the identifier of its trial, None if its file is gone.
        Raises Failure if a trial does not belong to the sequence.
        """
        roots = {
            name: trial
            for name, trial in self.trials.items()
            if not trial.hyperparameters.values.get("tuner/trial_id")
        }
        found: list[str | None] = []
        numbers = {name: t.hyperparameters.values.get("tuner/draw") for name, t in roots.items()}
        for n in range(count):
            if not roots:
                break
            own = {name: roots[name] for name, number in numbers.items() if number == n}
            root: str | None = next(iter(own), None)
            if self.is_random(n):
                values = self.draw(n) or (self.draw(n) if self._widen() else None)
                if values is None:
                    break
                # Trials of earlier versions have no number.
                unnumbered = {name: t for name, t in roots.items() if numbers[name] is None}
                root = self._root_of(values, own or unnumbered)
            if root:
                del roots[root]
                self._draw_of[root] = n
            found.append(root)
        if roots:
            raise Failure(
                f"trials such as {min(roots)} do not follow from this study's seed "
                f"({len(roots)} in all): choose another --study name"
            )
        return found

    def _root_of(self, drawn: Values, roots: dict[str, Trial]) -> str | None:
        """Return the trial that was drawn with these values, to which it may have added others."""
        grown = None
        seed = self._seed_of(drawn)
        for name, trial in roots.items():
            values = configuration(trial.hyperparameters.values)
            if values == drawn:
                return name
            if trial.run and trial.run.seed == seed and values.items() >= drawn.items():
                grown = grown or name
        return grown


def _random_value(seed: str, hp: Any) -> Any:
    return hp.random_sample(f"{seed} {hp.name}")


def _entries(space: kt.HyperParameters) -> dict[tuple[str, str], Json]:
    """Return the declarations of a space by name and conditions."""
    configs = (hp.get_config() for hp in space.space)
    return {(config["name"], str(config["conditions"])): config for config in configs}
