"""Controlled comparisons of any hyperparameters: arms × seeds, one factor varied or all together."""

from itertools import product
from typing import Any

from search.networks import narrowing
from search.networks.spaces import Space
from search.records.arguments import CompareArguments
from search.records.errors import Misuse
from search.records.parts import PlannedPart
from search.records.trial import Values

COMPARE = "compare"
"""Name of the exercise that such parts belong to."""

FACTORIAL = "factorial"


def parts_of(
    arguments: CompareArguments, space: Space, seeds: tuple[int, ...]
) -> list[PlannedPart]:
    """Return a part for each hyperparameter that varies, or a single part of all combinations.

    The reference is the value at which the hyperparameter stands by default, if it is compared,
    otherwise the first value.
    Raises Misuse if a hyperparameter or value is not in the space.
    """
    base: Values = {}
    for text in arguments.at:
        name, values = _read(space, text, "--at")
        if len(values) > 1:
            raise Misuse(f"--at {text}: give one value, or --vary to compare several")
        base[name] = values[0]
    varied = dict(_read(space, text, "--vary") for text in arguments.vary)
    for name, values in varied.items():
        if len(values) < 2 or len(set(values)) < len(values):
            raise Misuse(f"--vary {name}: give at least two different values")
        if name in base:
            raise Misuse(f"--vary {name}: it is also fixed by --at")
    if arguments.factorial:
        return [_part(arguments, space, seeds, FACTORIAL, base, varied)]
    return [
        _part(arguments, space, seeds, name, base, {name: values})
        for name, values in varied.items()
    ]


def _part(
    arguments: CompareArguments,
    space: Space,
    seeds: tuple[int, ...],
    part: str,
    base: Values,
    varied: dict[str, list[Any]],
) -> PlannedPart:
    default = space.complete(base)
    arms: dict[str, Values] = {}
    reference = ""
    for values in product(*varied.values()):
        changes = dict(zip(varied, values, strict=True))
        name = ", ".join(f"{key}={_spelt(value)}" for key, value in changes.items())
        arms[name] = space.complete({**base, **changes})
        missing = [key for key in changes if key not in arms[name]]
        if missing:
            raise Misuse(
                f"--vary {missing[0]}: it is not used in the configuration {name}: set what it "
                "depends on by --at"
            )
        if all(default.get(key) == value for key, value in changes.items()):
            reference = name
    reference = reference or next(iter(arms))
    return PlannedPart(COMPARE, part, reference, arguments.epochs, seeds, arms)


def _read(space: Space, text: str, option: str) -> tuple[str, list[Any]]:
    """Return the name and the values of NAME=VALUE,VALUE."""
    name, equals, values = text.partition("=")
    if not equals or not values:
        raise Misuse(f"{option} {text}: write NAME=VALUE{',VALUE' if option == '--vary' else ''}")
    given = f"{option} {text}"
    hp = narrowing.entry(space.parameters, name, given)
    return name, narrowing.values_of(hp, values, given)


def _spelt(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
