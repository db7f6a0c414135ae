"""From JSON to the records, strictly: a wrong field is named, and never guessed."""

import re
from typing import Any, TypeVar

import msgspec

Json = dict[str, Any]

T = TypeVar("T")


class Invalid(ValueError):
    """Content that is not what its record says. The text names the field."""


def typed(content: object, kind: type[T], at: str = "") -> T:
    """Return JSON content as a record.

    kind: a dataclass, or any type that msgspec converts to.
    at: where in the file the content stands, such as "run".
    Raises Invalid if a field is missing or of another type. Fields that the record does not have
    are ignored.
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
