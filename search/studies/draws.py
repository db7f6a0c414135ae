"""Random configurations of a space. Configuration n depends on the seed and on n alone."""

from collections.abc import Callable, Sequence

import keras_tuner as kt

from search.networks.exploring import drawn
from search.records.trial import Values, configuration, key_of

COLLISIONS = 1000
"""Attempts to draw a configuration that differs from the earlier ones, before the space counts as
exhausted."""


class Draws:
    """The sequence of a study's configurations. All of them are different.

    space: returns the space. It is asked once, at the first draw, so that hyperparameters that are
    found later do not change the sequence.
    first: configurations that come before any random configuration.
    """

    def __init__(
        self, space: Callable[[], kt.HyperParameters], seed: int, first: Sequence[Values] = ()
    ):
        self.seed = seed
        self.first = list(first)
        self._find_space = space
        self._space: kt.HyperParameters | None = None
        self._drawn: list[Values] = []

    @property
    def space(self) -> kt.HyperParameters:
        """The space that configurations are drawn from."""
        if self._space is None:
            self._space = self._find_space().copy()
        return self._space

    def __len__(self) -> int:
        return len(self._drawn)

    def __getitem__(self, n: int) -> Values | None:
        """Return configuration n, counted from 0. None if the space has no more."""
        while len(self._drawn) <= n:
            values = self._different(len(self._drawn))
            if values is None:
                return None
            self._drawn.append(values)
        return self._drawn[n]

    def _different(self, n: int) -> Values | None:
        if n < len(self.first):
            return self.first[n]
        for attempt in range(COLLISIONS):
            values: Values = drawn(self.space, f"{self.seed} {n} {attempt}").values
            if values not in self._drawn:
                return values
        return None

    def key(self, values: Values) -> str:
        """Return a text that is equal for trials of the same drawn configuration.

        Hyperparameters that were found later do not count.
        """
        names = {hp.name for hp in self.space.space}
        own = configuration(values).items()
        return key_of({name: value for name, value in own if name in names})
