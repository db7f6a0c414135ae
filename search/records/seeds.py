"""Which seeds choose and which seeds judge."""

MOST_SEEDS = 100
"""The seeds above are those that something is chosen on."""


def other_seeds(count: int, taken: int) -> tuple[int, ...]:
    """The first seeds but that of a search: its split's validation images chose configurations."""
    return tuple(seed for seed in range(1, count + 2) if seed != taken)[:count]


TUNING_SEEDS = tuple(MOST_SEEDS + n for n in (1, 2, 3))
"""Learning rates are chosen on these and compared on others, so that choosing does not flatter."""


CHOICE_SEEDS = tuple(MOST_SEEDS + n for n in (11, 12, 13))
"""Configurations are compared on these; the chosen one is judged on others."""


RACE_SEEDS = tuple(MOST_SEEDS + n for n in range(21, 30))
"""Changes are raced on these and the path is measured on others, so that racing does not flatter."""
