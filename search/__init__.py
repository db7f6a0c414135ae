"""Runs hyperparameter studies: on the command line, and from Python as KerasTuner is used.

`search.Hyperband` and `search.RandomSearch` take what KerasTuner's classes take. They are imported
on first use, so `import search` does not import TensorFlow.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.records.errors import Failure, Misuse
    from search.tuners import Hyperband, RandomSearch

__all__ = ["Failure", "Hyperband", "Misuse", "RandomSearch"]


def __getattr__(name: str) -> Any:
    """Return a class of the Python interface."""
    if name in ("Hyperband", "RandomSearch"):
        from search.quiet import import_quietly

        return getattr(import_quietly("search.tuners"), name)
    if name in ("Failure", "Misuse"):
        from search.records import errors

        return getattr(errors, name)
    raise AttributeError(f"module 'search' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
