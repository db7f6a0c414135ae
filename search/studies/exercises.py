"""The assignment's exercises as controlled studies: arms × seeds, one factor varied in each.

Every arm of a part has the same seeds. A seed fixes the split, the initial weights of layers of the
same shape, and the order of the images. Differences between arms are therefore paired.
"""

from collections.abc import Sequence
from itertools import product

from search.networks.baselines import BASELINES, built_in, complete
from search.networks.space import ACTIVATIONS, INITIALIZERS, OPTIMIZERS
from search.records.arguments import Exercise
from search.records.objective import Objective
from search.records.parts import CROSSED, PlannedPart
from search.records.seeds import LEARNING_RATE_SEEDS
from search.records.trial import Values
from search.studies.arms import level, mean_scores
from search.studies.oracles import ListOracle, Trial

EPOCHS = 10
"""Epochs of exercises 1 to 3, as in the assignment, and of an ablation study."""


FINAL_EPOCHS = 40
"""Epochs of exercise 4, enough for the unregularised network to overfit."""


DEPTHS = range(1, 7)


RATES = {
    "sgd": (0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
    "momentum": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
    "rmsprop": (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    "adam": (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    "adamw": (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    "nadam": (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
}
"""Learning rates to try for each optimizer, half a decade apart, around Keras' default."""


L1, L2 = 1e-5, 1e-4
"""Strengths of exercise 4. The penalty is strength × Σ|w| or strength × Σw² over all kernels."""


def activation(seeds: tuple[int, ...]) -> list[PlannedPart]:
    """Return exercise 1: activations in the assignment's network, and by depth."""
    arms = {name: complete({"activation": name}) for name in ACTIVATIONS}
    parts = [PlannedPart("activation", "activation", "relu", EPOCHS, seeds, arms)]
    for depth in DEPTHS:
        units = {f"units_{i}": 128 for i in range(1, depth + 1)}
        arms = {
            name: complete({"layers": depth, **units, "activation": name})
            for name in ("sigmoid", "tanh", "relu")
        }
        parts.append(PlannedPart("activation", "depth", "relu", EPOCHS, seeds, arms, depth))
    return parts


def initializer(seeds: tuple[int, ...]) -> list[PlannedPart]:
    """Return exercise 2: initializers, output layer included, under ReLU and under sigmoid."""
    arms = {name: complete({"initializer": name}) for name in INITIALIZERS}
    sigmoid = {
        name: complete({"initializer": name, "activation": "sigmoid"})
        for name in ("zeros", "random_normal", "glorot_uniform")
    }
    return [
        PlannedPart("initializer", "initializer", "glorot_uniform", EPOCHS, seeds, arms),
        PlannedPart(
            "initializer", "initializer under sigmoid", "glorot_uniform", EPOCHS, seeds, sigmoid
        ),
    ]


def optimizer(seeds: tuple[int, ...], trials: Sequence[Trial]) -> list[PlannedPart]:
    """Return exercise 3: optimizers at Keras' defaults, then at their best learning rates.

    The last part is missing until the whole grid of learning rates has been trained.
    """
    defaults = {name: complete({"optimizer": name}) for name in OPTIMIZERS}
    grid = {
        f"{name} {rate:g}": complete({"optimizer": name, f"{name}_lr": rate})
        for name, rates in RATES.items()
        for rate in rates
    }
    tried = PlannedPart("optimizer", "learning rates", "", EPOCHS, LEARNING_RATE_SEEDS, grid)
    parts = [PlannedPart("optimizer", "defaults", "sgd", EPOCHS, seeds, defaults), tried]
    scores = mean_scores(tried, trials, Objective(), level)
    if scores is not None:
        tuned = {
            name: grid[max((f"{name} {rate:g}" for rate in RATES[name]), key=scores.__getitem__)]
            for name in OPTIMIZERS
        }
        parts.append(PlannedPart("optimizer", "tuned", "sgd", EPOCHS, seeds, tuned))
    return parts


def regularization(seeds: tuple[int, ...]) -> list[PlannedPart]:
    """Return exercise 4: dropout, batch normalisation and L2 crossed, and L1 alone.

    A second part crosses batch normalisation with a rate that falls, since its moving statistics lag
    behind under a constant rate. All are changes to the assignment's final network. No trial stops early: the effect of early
    stopping is computed from the same curves.
    """
    bare = {**BASELINES["4 final"], "batch_norm": False, "dropout": 0.0}
    choices: dict[str, Values] = {
        "dropout": {"dropout": BASELINES["4 final"]["dropout"]},
        "batch norm": {"batch_norm": True},
        "L2": {"use_l2": True, "l2": L2},
    }
    arms = {}
    for switches in product((False, True), repeat=len(choices)):
        names = [name for name, on in zip(choices, reversed(switches), strict=True) if on]
        changes = {key: value for name in names for key, value in choices[name].items()}
        arms[" + ".join(names) or "none"] = complete({**bare, **changes})
    arms["L1"] = complete({**bare, "use_l1": True, "l1": L1})
    falling: Values = {"schedule": "cosine"}
    normed = choices["batch norm"]
    crossed = {
        "none": arms["none"],
        "batch norm": arms["batch norm"],
        "schedule": complete({**bare, **falling}),
        "batch norm + schedule": complete({**bare, **normed, **falling}),
    }
    return [
        PlannedPart("regularization", "regularization", "none", FINAL_EPOCHS, seeds, arms),
        PlannedPart("regularization", CROSSED, "none", FINAL_EPOCHS, seeds, crossed),
    ]


def parts_of(
    exercise: Exercise, seeds: tuple[int, ...], trials: Sequence[Trial]
) -> list[PlannedPart]:
    """Return the parts of an exercise. trials: trials so far, on which later parts depend."""
    if exercise == "activation":
        return activation(seeds)
    if exercise == "initializer":
        return initializer(seeds)
    if exercise == "optimizer":
        return optimizer(seeds, trials)
    return regularization(seeds)


class ExercisesOracle(ListOracle):
    """The oracle of a study of exercises. A trial that several parts share is trained once."""

    refreshes = True

    def __init__(self, exercises: Sequence[Exercise], seeds: tuple[int, ...]):
        super().__init__(
            built_in(max(DEPTHS)).parameters,
            lambda trials: [p for n in exercises for p in parts_of(n, seeds, trials)],
        )
