"""The parts of a controlled study: arms that are compared on the same seeds."""

from dataclasses import dataclass

from search.records.trial import Values, key_of, trained_from_scratch

BASELINE, FINAL, AUGMENTED = "assignment", "final", "augmented"
"""Names of arms: the assignment's final network, a search's final network, and the search's network
on augmented images."""

LEVEL_EPOCHS = 3
"""Epochs at the end whose mean is the level of a run. A single epoch is noisy."""

CROSSED = "batch norm by schedule"
"""Name of the part of exercise 4 that crosses batch normalisation with a falling rate."""


@dataclass(frozen=True)
class PlannedPart:
    """Arms to be compared on the same seeds."""

    exercise: str
    name: str
    reference: str
    """The arm that the other arms are compared with. Empty if the part only chooses an arm."""
    epochs: int
    seeds: tuple[int, ...]
    arms: dict[str, Values]
    """Configurations by name of the arm."""
    level: int | None = None
    """A number that distinguishes parts of the same name, such as the number of layers."""

    def keys(self) -> dict[tuple[str, int], str]:
        """Return the `key_of` value of each trial by (arm, seed), one seed after another.

        In this order, an unfinished study still holds complete comparisons.
        """
        return {
            (arm, seed): key_of(trained_from_scratch(values, self.epochs, seed))
            for seed in self.seeds
            for arm, values in self.arms.items()
        }
