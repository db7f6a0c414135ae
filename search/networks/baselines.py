"""The assignment's own networks, by exercise, as configurations of the space."""

from functools import cache
from typing import Any

import keras_tuner as kt

from search.networks.narrowing import admits
from search.networks.space import declare
from search.records.trial import Values

DEEP = {"layers": 3, "units_1": 512, "units_2": 256, "units_3": 128}


BASELINES: dict[str, Values] = {
    "1 sigmoid": {"activation": "sigmoid"},
    "1 relu, 2 glorot_uniform, 3 adam": {},
    "2 zeros": {"initializer": "zeros"},
    "2 random_normal": {"initializer": "random_normal"},
    "3 momentum": {"optimizer": "momentum"},
    "3 rmsprop": {"optimizer": "rmsprop"},
    "4 final": {**DEEP, "batch_norm": True, "dropout": 0.3, "batch_size": 64},
}
"""By name, changes to the space's defaults: 3 × Dense(128), ReLU, Glorot, Adam, batch size 32."""


def complete(changes: Values) -> Values:
    """Return the space's defaults with these changes, without inactive values."""
    # 0 and 0.0 are the same dictionary key, but different values in a trial's file.
    return dict(_completed(tuple((name, v, type(v)) for name, v in changes.items())))


@cache
def _completed(typed: tuple[tuple[str, Any, type], ...]) -> Values:
    """Return the complete configuration, cached because KerasTuner takes 3 ms to make it."""
    changes = {name: value for name, value, _ in typed}
    hp = kt.HyperParameters()
    hp.values = dict(changes)
    declare(hp)
    return {p.name: changes.get(p.name, p.default) for p in hp.space if hp.is_active(p)}


def within(space: kt.HyperParameters) -> tuple[list[Values], list[str]]:
    """Return the baselines that a narrowed space admits, and the names of the other baselines."""
    configurations = {name: complete(changes) for name, changes in BASELINES.items()}
    inside = [v for v in configurations.values() if admits(space, v)]
    return inside, [name for name, v in configurations.items() if not admits(space, v)]
