"""What a study minimises or maximises."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from search.records.trial import EpochRow

Direction = Literal["min", "max"]


@dataclass(frozen=True)
class Objective:
    """A quantity of an epoch, and the direction in which it is better.

    parts: for a list of objectives, the direction of each by name. The value is then the sum of
    those to minimise minus the sum of those to maximise (KerasTuner's MultiObjective).
    """

    name: str = "val_accuracy"
    direction: Direction = "max"
    parts: dict[str, Direction] | None = None

    @property
    def is_accuracy(self) -> bool:
        """Whether values are shares of examples that are classified correctly."""
        return self.name.endswith("accuracy") or self.name in ("acc", "val_acc")

    def value(self, logs: dict[str, float]) -> float:
        """Return the objective's value in an epoch's logs, NaN if the epoch does not report it."""
        if self.parts is None:
            return logs.get(self.name, math.nan)
        values = [(logs.get(name, math.nan), way) for name, way in self.parts.items()]
        return sum(value if way == "min" else -value for value, way in values)

    def better(self, a: float, b: float) -> bool:
        """Return whether a value is better than another. Every value is better than NaN."""
        if math.isnan(a) or math.isnan(b):
            return math.isnan(b) and not math.isnan(a)
        return a > b if self.direction == "max" else a < b

    def reaches(self, value: float | None, target: float) -> bool:
        """Return whether a value is at least as good as a target."""
        return value is not None and (value == target or self.better(value, target))

    def best(self, rows: Iterable[EpochRow]) -> EpochRow | None:
        """Return the epoch with the best value, the first of several, None if none has a value."""
        found: EpochRow | None = None
        for row in rows:
            value = self.value(row.logs)
            if not math.isnan(value) and (
                found is None or self.better(value, self.value(found.logs))
            ):
                found = row
        return found


VAL_ACCURACY = Objective()
