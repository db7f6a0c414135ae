"""`--fix`: the search space with hyperparameters fixed or narrowed."""

import difflib
import math
from collections.abc import Iterable, Sequence
from typing import Any

import keras_tuner as kt
from keras_tuner.engine import hyperparameters as kinds

from search.networks.baselines import BASELINES, built_in, complete
from search.networks.spaces import Space
from search.records.errors import Misuse
from search.records.trial import Values


def narrowed(fixes: Sequence[str], space: Space | None = None) -> kt.HyperParameters:
    """Return the hyperparameters of a space, the built-in one by default, narrowed by fixes.

    fixes: `NAME=VALUE`, `NAME=VALUE,VALUE` or, for numbers, `NAME=LOW:HIGH`.

    Hyperparameters that are not searched are fixed at their defaults unless a fix names them.
    Raises Misuse if a name is unknown or fixed twice, if a value is outside the space, or if a fix
    has no effect because of another fix.
    """
    space = space or built_in()
    replaced: dict[str, list[Any]] = {}
    for fix in fixes:
        name, equals, text = fix.partition("=")
        said = f"--fix {fix}"
        if not equals or not text:
            raise Misuse(f"{said}: write NAME=VALUE, NAME=VALUE,VALUE or NAME=LOW:HIGH")
        entries = named(space, name, said)
        if name in replaced:
            raise Misuse(f"{said}: {name} is fixed twice")
        replaced[name] = _replacements(entries, text, said)
    for name, value in space.unsearched.items():
        replaced.setdefault(name, [kinds.Fixed(name, value)])
    narrow = kt.HyperParameters()
    for hp in space.parameters.space:
        found = (new for new in replaced.get(hp.name, []) if new.conditions == hp.conditions)
        narrow.merge([next(found, hp)])
    for own in replaced.values():
        _check_reachable(own, narrow)
    return narrow


def within(space: kt.HyperParameters) -> tuple[list[Values], list[str]]:
    """Return the baselines that a narrowed space admits, and the names of the other baselines."""
    configurations = {name: complete(changes) for name, changes in BASELINES.items()}
    inside = [v for v in configurations.values() if admits(space, v)]
    return inside, [name for name, v in configurations.items() if not admits(space, v)]


def admits(space: kt.HyperParameters, values: Values) -> bool:
    """Return whether a complete configuration lies in a narrowed space."""
    return all(_holds(hp, values[hp.name]) for hp in space.space if values.get(hp.name) is not None)


def named(space: Space, name: str, said: str) -> list[Any]:
    """Return the hyperparameters of a name, of which there are several under other conditions.

    said: how a message begins.
    Raises Misuse if there is none.
    """
    found = [hp for hp in space.parameters.space if hp.name == name]
    if not found:
        known = {hp.name for hp in space.parameters.space}
        near = difflib.get_close_matches(name, sorted(known), 3, 0.4) or sorted(known)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise Misuse(f"{said}: there is no hyperparameter {name}{hint}")
    return found


def value_of(found: Sequence[Any], word: str, said: str) -> Any:
    """Return a value as its hyperparameter has it. Raises Misuse if it is outside the space.

    found: the hyperparameters of the name. The value is one of the first that holds it.
    """
    errors: list[Misuse] = []
    for hp in found:
        try:
            return _value(hp, word, said)
        except Misuse as error:
            errors.append(error)
    raise errors[0]


def in_range(hp: Any, value: Any) -> bool:
    """Return whether a value is one of a hyperparameter's. A number may stand beside its steps."""
    if isinstance(hp, kinds.Fixed):
        return bool(value == hp.value)
    if isinstance(hp, kinds.Choice):
        return value in hp.values
    if isinstance(hp, kinds.Boolean):
        return isinstance(value, bool)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and bool(hp.min_value <= value <= hp.max_value)


def _holds(hp: Any, value: Any) -> bool:
    steps = isinstance(hp, kinds.Int | kinds.Float) and hp.step
    return in_range(hp, value) and (not steps or _on_grid(hp, value))


def _on_grid(hp: Any, value: float) -> bool:
    """Return whether a number is one of those that a step allows."""
    if isinstance(hp, kinds.Int):
        on_grid = (value - hp.min_value) % hp.step == 0
        return bool(value in log_steps(hp) if hp.sampling == "log" else on_grid)
    if hp.sampling == "log":
        steps = math.log(value / hp.min_value, hp.step)
    else:
        steps = (value - hp.min_value) / hp.step
    return math.isclose(steps, round(steps), abs_tol=1e-6)


def log_steps(hp: Any) -> list[int]:
    """Return the values of an Int that is sampled in steps of a factor."""
    values = [hp.min_value]
    while values[-1] * (hp.step or 1) <= hp.max_value and hp.step:
        values.append(values[-1] * hp.step)
    return values


def _replacements(found: Iterable[Any], text: str, said: str) -> list[Any]:
    """Return what replaces the hyperparameters of a name: those whose values hold the fix."""
    made, errors = [], []
    for hp in found:
        try:
            made.append(_replacement(hp, text, said))
        except Misuse as error:
            errors.append(error)
    if not made:
        raise errors[0]
    return made


def _replacement(hp: Any, text: str, said: str) -> Any:
    if ":" in text and isinstance(hp, kinds.Int | kinds.Float):
        low, _, high = text.partition(":")
        ends = [_value(hp, end, said) for end in (low, high)]
        if ends[0] >= ends[1]:
            raise Misuse(f"{said}: the low end, {low}, must be below the high end, {high}")
        config = hp.get_config() | {"min_value": ends[0], "max_value": ends[1]}
        config["default"] = min(max(hp.default, ends[0]), ends[1])
        return type(hp)(**config | {"conditions": hp.conditions})
    values = [_value(hp, word, said) for word in text.split(",")]
    if len(values) == 1:
        return kinds.Fixed(hp.name, values[0], conditions=hp.conditions)
    default = hp.default if hp.default in values else values[0]
    return kinds.Choice(hp.name, values, default=default, conditions=hp.conditions)


def _value(hp: Any, word: str, said: str) -> Any:
    """Return a value in a hyperparameter's type. Raises Misuse if it is outside the space."""
    try:
        value = _read(hp, word)
    except ValueError:
        value = None
    if value is None or not _holds(hp, value):
        raise Misuse(
            f"{said}: {word or 'nothing'} is not among the values of {hp.name}: {_space(hp)}"
        )
    return value


def _read(hp: Any, word: str) -> Any:
    if isinstance(hp, kinds.Boolean):
        return {"true": True, "false": False}.get(word.lower())
    if isinstance(hp, kinds.Choice | kinds.Fixed):
        values = hp.values if isinstance(hp, kinds.Choice) else [hp.value]
        # A number may be typed in another way than Python writes it: 1e-3, 0.001.
        return next((v for v in values if str(v) == word or _equal(v, word)), None)
    return int(word) if isinstance(hp, kinds.Int) else float(word)


def _equal(value: Any, word: str) -> bool:
    """Return whether a word is a number's value."""
    if isinstance(value, bool | str):
        return False
    try:
        return bool(value == float(word))
    except ValueError:
        return False


def _space(hp: Any) -> str:
    if isinstance(hp, kinds.Boolean):
        return "true, false"
    if isinstance(hp, kinds.Choice | kinds.Fixed):
        return ", ".join(map(str, hp.values if isinstance(hp, kinds.Choice) else [hp.value]))
    if isinstance(hp, kinds.Int) and hp.step and hp.sampling == "log":
        return ", ".join(map(str, log_steps(hp)))
    steps = ""
    if hp.step and not (isinstance(hp, kinds.Int) and hp.step == 1):
        steps = f" in {'factors' if hp.sampling == 'log' else 'steps'} of {hp.step:g}"
    return f"{hp.min_value:g} to {hp.max_value:g}{steps}"


def _check_reachable(replaced: Sequence[Any], space: kt.HyperParameters) -> None:
    """Raise Misuse if no value of the space makes any of these hyperparameters count."""
    missing = [condition for hp in replaced if (condition := _unmet(hp, space))]
    if len(missing) == len(replaced):
        name, condition = replaced[0].name, missing[0]
        allowed = ", ".join(map(str, condition.values))
        raise Misuse(
            f"--fix {name} contradicts --fix {condition.name}: {name} is only used if "
            f"{condition.name} is {allowed}"
        )


def _unmet(hp: Any, space: kt.HyperParameters) -> Any:
    """Return a condition that no value of its parent fulfils, None if there is none."""
    for condition in hp.conditions:
        parents = [parent for parent in space.space if parent.name == condition.name]
        if not any(_holds(parent, value) for parent in parents for value in condition.values):
            return condition
    return None
