"""The parts of a controlled study: arms that are compared on the same seeds."""

from dataclasses import dataclass

from search.records.trial import Values, key_of, trained_from_scratch

BASELINE, FINAL, AUGMENTED = "assignment", "final", "augmented"
"""Arms: the assignment's final network, ours, and ours on augmented images."""


@dataclass(frozen=True)
class PlannedPart:
    """Arms to be compared, all else equal."""

    exercise: str
    name: str
    reference: str
    """The arm that the others are compared with. Empty if arms are only tried out."""
    epochs: int
    seeds: tuple[int, ...]
    arms: dict[str, Values]
    """Name to configuration."""
    level: int | None = None
    """Tells parts of the same name apart, such as the number of layers."""

    def keys(self) -> dict[tuple[str, int], str]:
        """Return by (arm, seed) the `key_of` the values of its trial, seed by seed.

        In this order, a list that is cut short still holds whole pairs.
        """
        return {
            (arm, seed): key_of(trained_from_scratch(values, self.epochs, seed))
            for seed in self.seeds
            for arm, values in self.arms.items()
        }
