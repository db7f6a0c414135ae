"""Controlled studies of any hypermodel's own hyperparameters: one at a time, or crossed."""

from collections.abc import Sequence
from itertools import product
from typing import Any

from search.networks import narrowing
from search.networks.spaces import Space
from search.records.arguments import CompareArguments
from search.records.errors import Misuse
from search.records.parts import PlannedPart
from search.records.trial import Values
from search.studies.oracles import ListOracle

FACTORIAL = "factorial"
"""Name of the part that crosses all varied hyperparameters."""


def compared(
    arguments: CompareArguments, space: Space, seeds: tuple[int, ...]
) -> list[PlannedPart]:
    """Return the parts of a study: one for each varied hyperparameter, or one that crosses them.

    What is not varied has its default, unless --at gives another value. The reference is the arm
    that changes nothing, or the first arm.
    Raises Misuse if a name or a value is not in the space, or if a value has no effect.
    """
    at = _fixed(arguments.at, space)
    varied = {name: _values(space, name, words) for name, words in _split("--vary", arguments.vary)}
    for name in varied:
        if name in at:
            raise Misuse(f"--at {name}={text(at[name])}: {name} is varied, so it cannot be fixed")
    if arguments.factorial:
        return [_part(FACTORIAL, varied, at, arguments, space, seeds)]
    return [
        _part(name, {name: values}, at, arguments, space, seeds) for name, values in varied.items()
    ]


def _part(
    part: str,
    varied: dict[str, list[Any]],
    at: Values,
    arguments: CompareArguments,
    space: Space,
    seeds: tuple[int, ...],
) -> PlannedPart:
    """Return the part that crosses some hyperparameters' values."""
    base = space.complete(at)
    arms: dict[str, Values] = {}
    reference = ""
    for values in product(*varied.values()):
        changes = dict(zip(varied, values, strict=True))
        name = text(values[0])
        if arguments.factorial:
            name = ", ".join(f"{key}={text(value)}" for key, value in changes.items())
        arms[name] = configuration = space.complete(at | changes)
        for key in changes:
            _check_used(space, key, configuration, f"--vary {key}")
        if configuration == base:
            reference = name
    reference = reference or next(iter(arms))
    return PlannedPart("compare", part, reference, arguments.epochs, seeds, arms)


def text(value: Any) -> str:
    """Return a value as a person types it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _split(option: str, given: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return names and the words of their values. Raises Misuse if a name comes twice."""
    found = [(name, words.split(",")) for name, _, words in (one.partition("=") for one in given)]
    names = [name for name, _ in found]
    for name, words in found:
        if names.count(name) > 1:
            raise Misuse(f"{option} {name}={','.join(words)}: {name} is given twice")
    return found


def _values(space: Space, name: str, words: list[str]) -> list[Any]:
    """Return the values of a varied hyperparameter."""
    said = f"--vary {name}={','.join(words)}"
    found = narrowing.named(space, name, said)
    values: list[Any] = []
    for word in words:
        value = narrowing.value_of(found, word, said)
        if value in values:
            raise Misuse(f"{said}: {word} is given twice")
        values.append(value)
    if len(values) < 2:
        raise Misuse(f"{said}: give at least two values to compare, or fix one by --at")
    return values


def _fixed(given: Sequence[str], space: Space) -> Values:
    """Return the values that --at gives."""
    at: Values = {}
    for name, words in _split("--at", given):
        said = f"--at {name}={','.join(words)}"
        if len(words) != 1:
            raise Misuse(f"{said}: give one value, or compare several by --vary")
        at[name] = narrowing.value_of(narrowing.named(space, name, said), words[0], said)
    for name in at:
        _check_used(space, name, space.complete(at), f"--at {name}={text(at[name])}")
    return at


def _check_used(space: Space, name: str, configuration: Values, said: str) -> None:
    """Raise Misuse if a configuration has no use for a hyperparameter."""
    if name in configuration:
        return
    for hp in narrowing.named(space, name, said):
        for condition in hp.conditions:
            if not condition.is_active(configuration):
                allowed = ", ".join(map(text, condition.values))
                hint = f"add --at {condition.name}={text(condition.values[0])}"
                raise Misuse(
                    f"{said}: {name} is only used if {condition.name} is {allowed}: {hint}"
                )


class CompareOracle(ListOracle):
    """The oracle of a comparison.

    Raises Misuse if a name or a value is not in the space.
    """

    def __init__(
        self,
        arguments: CompareArguments,
        seeds: tuple[int, ...],
        space: Space,
        objective: Any = "val_accuracy",
    ):
        parts = compared(arguments, space, seeds)
        super().__init__(space.parameters, lambda trials: parts, objective)
