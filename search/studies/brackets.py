"""Brackets of Hyperband: which trial entered which round, and from which trial it was promoted."""

from dataclasses import dataclass, field
from typing import Any

from search.records.trial import Values

BLOCK = 6
"""Number of draws in a row that learn from the same trials, so that workers need not wait."""


@dataclass
class Bracket:
    """One bracket of one iteration.

    number: number of promotions in the bracket.
    rounds: for each round, the trials that entered it, in order.
    draws: numbers of its draws.
    parents: by trial, the trial that was promoted, None in the first round.
    """

    number: int
    rounds: list[list[str]]
    draws: range
    parents: dict[str, str | None] = field(default_factory=dict)

    def enter(self, rung: int, trial_id: str, parent: str | None) -> None:
        """Add a trial to a round."""
        self.rounds[rung].append(trial_id)
        self.parents[trial_id] = parent

    def root(self, trial_id: str) -> str:
        """Return the trial of the first round from which a trial was promoted."""
        while parent := self.parents[trial_id]:
            trial_id = parent
        return trial_id

    def rung_of(self, trial_id: str) -> int:
        """Return the round that a trial entered."""
        return next(rung for rung, entrants in enumerate(self.rounds) if trial_id in entrants)

    def block(self, n: int) -> int:
        """Return the block of draws to which draw n belongs."""
        return (n - self.draws.start) // BLOCK

    def empty(self) -> None:
        """Forget all trials."""
        self.rounds = [[] for _ in self.rounds]
        self.parents = {}

    def state(self) -> dict[str, Any]:
        """Return the bracket as KerasTuner records it (hyperband.py)."""
        return {
            "bracket_num": self.number,
            "rounds": [
                [{"past_id": self.parents[name], "id": name} for name in entrants]
                for entrants in self.rounds
            ],
        }


@dataclass(frozen=True)
class Next:
    """A trial that may begin now.

    values: its configuration. source: the number of its draw, or the trial that is promoted.
    """

    bracket: Bracket
    rung: int
    values: Values
    source: int | str
