"""A search space as controlled studies see it: defaults, choices, and what depends on what."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras_tuner as kt
from keras_tuner.engine import hyperparameters as kinds

from search.records.trial import Values


def configured(parameters: kt.HyperParameters, value_of: Callable[[Any], Any]) -> Values:
    """Return a configuration of a space, without inactive values.

    value_of: returns the value of an active hyperparameter. Parents come before what depends on them.
    """
    made = kt.HyperParameters()
    for hp in parameters.space:
        made.merge([hp])
        if made.is_active(hp):
            made.values[hp.name] = value_of(hp)
    return dict(made.values)


def stated_defaults(parameters: kt.HyperParameters) -> Values:
    """Return the defaults of a hypermodel that its author has chosen.

    A default that is the first value says nothing, because KerasTuner fills it in.
    """
    found: Values = {}
    for hp in parameters.space:
        low = next((getattr(hp, n) for n in ("min_value", "value") if hasattr(hp, n)), False)
        first = hp.values[0] if isinstance(hp, kinds.Choice) else low
        if hp.default != first:
            found.setdefault(hp.name, hp.default)
    return found


@dataclass(frozen=True, eq=False)
class Space:
    """The hyperparameters of a hypermodel.

    parameters: without values. Parents stand before what depends on them.
    base: changes to the defaults that make the baseline of a final network.
    unsearched: hyperparameters that a search fixes at these values unless --fix names them.
    textbook: values near which a search draws too. A search does not depend on them being right.
    """

    parameters: kt.HyperParameters
    base: Values = field(default_factory=dict)
    unsearched: Values = field(default_factory=dict)
    textbook: Values = field(default_factory=dict)

    @property
    def baseline(self) -> Values:
        """The configuration that a final network is compared with."""
        return self.complete(self.base)

    def complete(self, changes: Values) -> Values:
        """Return the defaults with these changes, without inactive values.

        A hyperparameter that the space does not know, because only a trial has found it, is kept.
        """
        found: Values = {}
        for hp in self.parameters.space:
            if hp.name not in found and all(c.is_active(found) for c in hp.conditions):
                found[hp.name] = changes.get(hp.name, hp.default)
        known = {hp.name for hp in self.parameters.space}
        return found | {name: value for name, value in changes.items() if name not in known}

    def choice_of(self, name: str) -> str:
        """Return the choice that a hyperparameter belongs to.

        The hyperparameters of a choice change together: a hyperparameter and those that depend on
        it. The first of them gives the choice its name.
        """
        return self._choices.get(name, name)

    @cached_property
    def _choices(self) -> dict[str, str]:
        """The choice of each hyperparameter, in the space's order."""
        found: dict[str, str] = {}
        for hp in self.parameters.space:
            joined = [hp.name, *(condition.name for condition in hp.conditions)]
            choices = {found.get(name, name) for name in joined}
            first = next((choice for choice in found.values() if choice in choices), hp.name)
            found |= {name: first for name, choice in found.items() if choice in choices}
            found[hp.name] = first
        return found

    def with_choice(self, values: Values, choice: str, of: Values) -> Values:
        """Return the values with one choice taken from another configuration.

        of: the other configuration.

        Values that become inactive are dropped. Values that become active take their defaults.
        """
        kept = {name: v for name, v in values.items() if self.choice_of(name) != choice}
        taken = {name: v for name, v in of.items() if self.choice_of(name) == choice}
        return self.complete(kept | taken)

    def differing(self, values: Values, other: Values) -> list[str]:
        """Return the choices in which two configurations differ, in the space's order."""
        names = list({**values, **other})
        choices = dict.fromkeys(self.choice_of(name) for name in names)
        return [c for c in choices if self.with_choice(values, c, other) != values]
