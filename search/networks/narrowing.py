"""`--fix`: the search space with hyperparameters fixed or narrowed."""

import difflib
from collections.abc import Sequence
from typing import Any

import keras_tuner as kt
from keras_tuner.engine import hyperparameters as kinds

from search.networks.space import UNSEARCHED, declare
from search.records.errors import Misuse
from search.records.trial import Values


def narrowed(fixes: Sequence[str], whole: kt.HyperParameters | None = None) -> kt.HyperParameters:
    """Return a space, narrowed by fixes.

    whole: the space. None: the space of the dense networks.
    fixes: `NAME=VALUE`, `NAME=VALUE,VALUE` or, for numbers, `NAME=LOW:HIGH`.

    Hyperparameters of `space.UNSEARCHED` are fixed at their defaults unless a fix names them.
    Raises Misuse if a name is unknown or fixed twice, if a value is outside the space, or if a fix
    has no effect because of another fix.
    """
    unsearched = {} if whole else UNSEARCHED
    if whole is None:
        whole = kt.HyperParameters()
        declare(whole)
    replaced: dict[str, Any] = {}
    for fix in fixes:
        name, equals, text = fix.partition("=")
        if not equals or not text:
            raise Misuse(f"--fix {fix}: write NAME=VALUE, NAME=VALUE,VALUE or NAME=LOW:HIGH")
        hp = entry(whole, name, f"--fix {fix}")
        if name in replaced:
            raise Misuse(f"--fix {fix}: {name} is fixed twice")
        replaced[name] = _replacement(hp, text, f"--fix {fix}")
    for name, value in unsearched.items():
        replaced.setdefault(name, kinds.Fixed(name, value))
    narrow = kt.HyperParameters()
    for hp in whole.space:
        narrow.merge([replaced.get(hp.name, hp)])
    for name, hp in replaced.items():
        _check_reachable(name, hp, narrow)
    return narrow


def admits(space: kt.HyperParameters, values: Values) -> bool:
    """Return whether a complete configuration lies in a narrowed space."""
    return all(_holds(hp, values[hp.name]) for hp in space.space if values.get(hp.name) is not None)


def _holds(hp: Any, value: Any) -> bool:
    if isinstance(hp, kinds.Fixed):
        return bool(value == hp.value)
    if isinstance(hp, kinds.Choice):
        return value in hp.values
    if isinstance(hp, kinds.Boolean):
        return isinstance(value, bool)
    if not hp.min_value <= value <= hp.max_value:
        return False
    on_grid = isinstance(hp, kinds.Float) or hp.step is None or hp.sampling != "log"
    return on_grid or value in log_steps(hp)


def log_steps(hp: Any) -> list[int]:
    """Return the values of an Int that is sampled in steps of a factor."""
    values = [hp.min_value]
    while values[-1] * (hp.step or 1) <= hp.max_value and hp.step:
        values.append(values[-1] * hp.step)
    return values


def values_of(hp: Any, text: str, option: str) -> list[Any]:
    """Return the values in a text such as `relu,tanh`, in a hyperparameter's type.

    option: the option that the text belongs to, for messages.
    Raises Misuse if a value is outside the space.
    """
    return [_value(hp, word, option) for word in text.split(",")]


def entry(space: kt.HyperParameters, name: str, option: str) -> Any:
    """Return the hyperparameter of a name. Raises Misuse if there is none."""
    known = {hp.name: hp for hp in space.space}
    if name not in known:
        near = difflib.get_close_matches(name, known, 3, 0.4) or sorted(known)
        raise Misuse(
            f"{option}: there is no hyperparameter {name}; did you mean {', '.join(near)}?"
        )
    return known[name]


def _replacement(hp: Any, text: str, option: str) -> Any:
    if ":" in text and isinstance(hp, kinds.Int | kinds.Float):
        low, _, high = text.partition(":")
        ends = [_value(hp, end, option) for end in (low, high)]
        if ends[0] >= ends[1]:
            raise Misuse(f"{option}: the low end, {low}, must be below the high end, {high}")
        config = hp.get_config() | {"min_value": ends[0], "max_value": ends[1]}
        config["default"] = min(max(hp.default, ends[0]), ends[1])
        return type(hp)(**config | {"conditions": hp.conditions})
    values = values_of(hp, text, option)
    if len(values) == 1:
        return kinds.Fixed(hp.name, values[0], conditions=hp.conditions)
    default = hp.default if hp.default in values else values[0]
    return kinds.Choice(hp.name, values, default=default, conditions=hp.conditions)


def _value(hp: Any, word: str, option: str) -> Any:
    """Return a value in a hyperparameter's type. Raises Misuse if it is outside the space."""
    try:
        value = _read(hp, word)
    except ValueError:
        value = None
    if value is None or not _holds(hp, value):
        raise Misuse(
            f"{option}: {word or 'nothing'} is not among the values of {hp.name}: {_space(hp)}"
        )
    return value


def _read(hp: Any, word: str) -> Any:
    if isinstance(hp, kinds.Boolean):
        return {"true": True, "false": False}.get(word.lower())
    if isinstance(hp, kinds.Choice):
        return next((value for value in hp.values if str(value) == word), None)
    return int(word) if isinstance(hp, kinds.Int) else float(word)


def _space(hp: Any) -> str:
    if isinstance(hp, kinds.Boolean):
        return "true, false"
    if isinstance(hp, kinds.Choice):
        return ", ".join(map(str, hp.values))
    if isinstance(hp, kinds.Int) and hp.step and hp.sampling == "log":
        return ", ".join(map(str, log_steps(hp)))
    return f"{hp.min_value:g} to {hp.max_value:g}"


def _check_reachable(name: str, hp: Any, space: kt.HyperParameters) -> None:
    for condition in hp.conditions:
        parent = next(p for p in space.space if p.name == condition.name)
        if not any(_holds(parent, value) for value in condition.values):
            allowed = ", ".join(map(str, condition.values))
            raise Misuse(
                f"--fix {name} contradicts --fix {parent.name}: {name} is only used if "
                f"{parent.name} is {allowed}"
            )
