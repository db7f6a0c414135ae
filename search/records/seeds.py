"""Which seeds choose and which seeds judge.

| seeds | what they do |
| --- | --- |
| 1 to 100 | judge: arms are compared on them, final networks are trained on them |
| 101 to 106 | choose the learning rates of exercise 3 |
| 111 to 113 | choose the final network among a search's best configurations |
| 121 to 129 | decide the races of an ablation path |

A seed fixes the split, the initial weights and the order of the images. A choice that was made on
some seeds is judged on other seeds, so that choosing does not make the estimate optimistic. A
search has one seed, usually 1. Its final network is not judged on this seed, because the seed's
validation images took part in the choice.
"""

from search.records.errors import Misuse

LAST_JUDGING_SEED = 100

LEARNING_RATE_SEEDS = (101, 102, 103, 104, 105, 106)

CHOICE_SEEDS = (111, 112, 113)

RACE_SEEDS = tuple(range(121, 130))


def judging_seeds(count: int, taken: int | None = None) -> tuple[int, ...]:
    """Return the first `count` seeds that judge, without the seed `taken` by a search."""
    return tuple(seed for seed in range(1, count + 2) if seed != taken)[:count]


def check_seeds(count: int) -> None:
    """Raise Misuse if there is only one seed, or if the seeds reach those reserved for choosing."""
    if count < 2:
        raise Misuse(f"--seeds {count}: must be at least 2, because one seed shows no spread")
    if count > LAST_JUDGING_SEED:
        raise Misuse(
            f"--seeds {count}: must be at most {LAST_JUDGING_SEED}, because higher seeds are "
            "reserved for choosing"
        )
