"""Command-line options from dataclasses: fields give names, help texts and defaults."""

import ast
import inspect
import json
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_origin, get_type_hints

import typer

from search.records.arguments import Arguments
from search.records.errors import Misuse
from search.records.reading import Invalid, typed

StudyName = Annotated[str, typer.Option("--study", help="Name of the study and of its folder.")]
SearchName = Annotated[str, typer.Option("--study", help="Name of the search.")]

Config = Annotated[
    Path | None,
    typer.Option(help="JSON file of arguments, such as the output of --json. Options override it."),
]

METAVARS = {
    "fix": "NAME=VALUE",
    "vary": "NAME=VALUE,VALUE",
    "at": "NAME=VALUE",
    "data": "PATH",
    "hypermodel": "FILE.py:NAME",
}


def options(**groups: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace parameters of a command by one option for each field of a dataclass.

    groups: the dataclass of each replaced parameter. For a subclass of Arguments, the command gets
    a dictionary of the values that were given on the command line or by --config. A continued study
    keeps its other values. For another dataclass, the command gets an instance.
    """

    def replaced(command: Callable[..., None]) -> Callable[..., None]:
        expanded: dict[str, dict[str, inspect.Parameter]] = {
            name: _parameters(kind) for name, kind in groups.items()
        }

        def called(**values: Any) -> None:
            for group, kind in groups.items():
                own = {name: values.pop(name) for name in expanded[group]}
                values[group] = (
                    _given(kind, own) if issubclass(kind, Arguments) else _instance(kind, own)
                )
            command(**values)

        kept = [
            parameter
            for name, parameter in inspect.signature(command).parameters.items()
            if name not in groups
        ]
        signature = [*kept, *(p for group in expanded.values() for p in group.values())]
        called.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in signature}
        called.__name__, called.__doc__ = command.__name__, command.__doc__
        return called

    return replaced


def _parameters(kind: type) -> dict[str, inspect.Parameter]:
    """Return an option for each field that the command line offers."""
    helps, types = field_docstrings(kind), get_type_hints(kind)
    arguments = issubclass(kind, Arguments)
    names = kind.OPTIONS if issubclass(kind, Arguments) else tuple(types)
    offered = {f.name: f for f in fields(kind) if f.name in names}
    made = {
        name: _parameter(name, types[name], helps.get(name, ""), offered[name], arguments)
        for name in offered
    }
    if arguments:
        made["config"] = inspect.Parameter(
            "config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Config
        )
    return made


def _parameter(
    name: str, kind: Any, text: str, field: Field[Any], silent: bool
) -> inspect.Parameter:
    """Return the option of a field.

    silent: the option is None if it is not given, and its help text names the default.
    """
    default = None if field.default is MISSING else field.default
    if get_origin(kind) is tuple:
        kind, default = list[str], default or None
    if silent:
        if default is not None:
            text = f"{text} [default: {default}]"
        kind, default = kind | None, None
    flag = f"--{name.replace('_', '-')}"
    option = typer.Option(flag, help=text, metavar=METAVARS.get(name))
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, option],
    )


def field_docstrings(kind: type) -> dict[str, str]:
    """Return the docstring under each field of a class and of those it inherits, on one line."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if is_dataclass(each):
            found |= _own_docstrings(each)
    return found


def _own_docstrings(kind: type) -> dict[str, str]:
    """Return the docstring under each field that a class itself declares."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for before, after in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(after, ast.Expr):
            name, text = before.target, after.value
            if isinstance(name, ast.Name) and isinstance(text, ast.Constant):
                found[name.id] = " ".join(str(text.value).split())
    return found


def _given(kind: type[Arguments], values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of --config, overridden by those of the command line."""
    config = values.pop("config")
    given = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value is not None
    }
    return (_read_config(kind, config) if config else {}) | given


def _read_config(kind: type[Arguments], path: Path) -> dict[str, Any]:
    """Return the arguments in a file, which holds an object of arguments or a summary.

    Raises Misuse if the file cannot be read, or if an argument is unknown or has the wrong type.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or f"it is not JSON ({error})"
        raise Misuse(f"--config {path}: {reason}") from error
    if isinstance(content, dict):
        content = content.get("arguments", content)
    if not isinstance(content, dict):
        raise Misuse(f"--config {path}: expected a JSON object of arguments")
    types = get_type_hints(kind)
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(content) - names)
    if unknown:
        raise Misuse(
            f"--config {path}: {unknown[0]} is not an argument of `search {kind.COMMAND}`, which "
            f"takes {', '.join(kind.OPTIONS)}"
        )
    offered = (*kind.OPTIONS, "exercises")
    try:
        return {
            name: typed(value, types[name], at=name)
            for name, value in content.items()
            if name in offered and value is not None
        }
    except Invalid as error:
        raise Misuse(f"--config {path}: {error}") from error


def _instance(kind: type, values: dict[str, Any]) -> Any:
    made = kind(**values)
    made.check()
    return made


def choices(names: Iterable[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the known names among these, in the known order. Raises Misuse for another name."""
    for name in names:
        if name not in known:
            raise Misuse(f"{name!r} is not one of {', '.join(known)}")
    return tuple(name for name in known if name in names)
