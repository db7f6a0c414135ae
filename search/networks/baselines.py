"""The built-in space, and the assignment's own networks by exercise in it."""

from functools import cache
from typing import Any

import keras_tuner as kt

from search.networks.space import MAX_LAYERS, OPTIMIZERS, UNSEARCHED, declare
from search.networks.spaces import Space
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


TEXTBOOK: Values = {
    "layers": 3,
    **{f"units_{i}": 256 for i in range(1, MAX_LAYERS + 1)},
    "activation": "relu",
    "initializer": "he_normal",
    "batch_size": 128,
    "optimizer": "adam",
    "sgd_lr": 0.1,
    "momentum_lr": 0.03,
    "momentum": 0.9,
    "nesterov": True,
    "rmsprop_lr": 2e-3,
    "rmsprop_rho": 0.9,
    **{f"{name}_lr": 2e-3 for name in ("adam", "adamw", "nadam")},
    **{f"{name}_beta_1": 0.9 for name in ("adam", "adamw", "nadam")},
    **{f"{name}_beta_2": 0.999 for name in ("adam", "adamw", "nadam")},
    "adamw_decay": 4e-3,
    "schedule": "warmup",
    "input_dropout": 0.0,
    "dropout": 0.0,
    "batch_norm": False,
    "label_smoothing": 0.0,
    "use_l1": False,
    "use_l2": False,
}
"""What textbooks name for any data: ReLU with He's initializer, Adam at its authors' values, and a
rate that warms up and falls (Géron 2022, Hands-On Machine Learning, table 11-3; Kingma and Ba 2015;
Godbole et al. 2023, Deep Learning Tuning Playbook). Numbers that no source names stand in the middle
of the space. The rates of adaptive optimizers are Keras' defaults for its batch of 32, times the square
root of the batches' ratio (Malladi et al. 2022, On the SDEs and Scaling Rules for Adaptive Gradient
Algorithms). Regularisation is left out at first, as the playbook advises."""


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


class DenseSpace(Space):
    """The built-in space. It completes configurations that are deeper than a search draws."""

    def complete(self, changes: Values) -> Values:
        """Return the defaults with these changes, without inactive values."""
        return complete(changes)

    def choice_of(self, name: str) -> str:
        """Return the choice that a hyperparameter belongs to, layers and units being one."""
        if name == "layers" or name.startswith("units_"):
            return "layers and units"
        if name in ("optimizer", "nesterov") or name.split("_", maxsplit=1)[0] in OPTIMIZERS:
            return "optimizer"
        return name.removeprefix("use_")


@cache
def built_in(deepest: int = 0) -> DenseSpace:
    """Return the space of the dense networks.

    deepest: number of layers that the space has room for, if more than a search draws.
    """
    parameters = kt.HyperParameters()
    parameters.values = {"layers": deepest}
    declare(parameters)
    parameters.values = complete({})
    return DenseSpace(parameters, BASELINES["4 final"], UNSEARCHED, TEXTBOOK)
