"""Converts JSON to records, strictly. A wrong field is reported by name and never guessed."""

import re
from typing import Any, TypeVar

import msgspec

Json = dict[str, Any]

T = TypeVar("T")


class Invalid(ValueError):
    """Content that does not fit its record. The message names the field."""


def typed(content: object, kind: type[T], at: str = "") -> T:
    """Return JSON content as a record.

    kind: a dataclass, or another type that msgspec converts to.
    at: where in the file the content stands, such as "run".
    Raises Invalid if a field is missing or has the wrong type. Unknown fields are ignored.
    """
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        place = f"{at}{path.rstrip('`')}".lstrip(".")
        reason = re.sub(r"`", "", reason)
        raise Invalid(f"{place}: {_sentence(reason)}" if place else _sentence(reason)) from None


def _sentence(reason: str) -> str:
    return (
        reason.replace("Object missing required field", "there is no field")
        .replace("Expected", "expected", 1)
        .replace("Invalid", "invalid", 1)
    )
