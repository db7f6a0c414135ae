"""The search space of a study, and the configurations that studies begin with."""

from collections.abc import Callable
from dataclasses import dataclass

import keras_tuner as kt

from search.networks import baselines
from search.networks.space import OPTIMIZERS, declare
from search.records.trial import Values


@dataclass(frozen=True)
class Space:
    """The hyperparameters of a hypermodel.

    complete: returns the defaults with changes, without inactive values.
    choice_of: returns the choice that a hyperparameter belongs to. The hyperparameters of a choice
    change together.
    """

    parameters: kt.HyperParameters
    baseline: Values
    """The configuration that others are compared with: the assignment's final network in the
    built-in space, the defaults in any other."""
    complete: Callable[[Values], Values]
    choice_of: Callable[[str], str]

    def with_choice(self, values: Values, choice: str, of: Values) -> Values:
        """Return the values with one choice taken from another configuration.

        of: the other configuration.

        Values that become inactive are dropped. Values that become active take their defaults.
        """
        kept = {name: value for name, value in values.items() if self.choice_of(name) != choice}
        taken = {name: value for name, value in of.items() if self.choice_of(name) == choice}
        return self.complete(kept | taken)

    def differing(self, values: Values, other: Values) -> list[str]:
        """Return the choices in which two configurations differ, in the space's order."""
        choices = dict.fromkeys(self.choice_of(name) for name in [*values, *other])
        return [c for c in choices if self.with_choice(values, c, other) != values]


def built_in() -> Space:
    """Return the space of the dense networks."""
    parameters = kt.HyperParameters()
    declare(parameters)
    final = baselines.complete(baselines.BASELINES["4 final"])
    return Space(parameters, final, baselines.complete, _built_in_choice)


def _built_in_choice(name: str) -> str:
    if name == "layers" or name.startswith("units_"):
        return "layers and units"
    if name in ("optimizer", "nesterov") or name.split("_", maxsplit=1)[0] in OPTIMIZERS:
        return "optimizer"
    return name.removeprefix("use_")


def space_of(parameters: kt.HyperParameters) -> Space:
    """Return the space of an own hypermodel. A choice is a hyperparameter and all that depend on it."""
    parents = {hp.name: hp.conditions[0].name for hp in parameters.space if hp.conditions}

    def choice_of(name: str) -> str:
        while name in parents:
            name = parents[name]
        return name

    def complete(changes: Values) -> Values:
        made = kt.HyperParameters()
        for hp in parameters.space:
            made.merge([hp])
            if made.is_active(hp):
                made.values[hp.name] = changes.get(hp.name, hp.default)
        known = {hp.name for hp in parameters.space}
        # A hyperparameter that was found while a trial was built is not in the space.
        found = {name: value for name, value in changes.items() if name not in known}
        return {**made.values, **found}

    return Space(parameters, complete({}), complete, choice_of)
