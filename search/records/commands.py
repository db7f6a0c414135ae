"""Runs a command line: an error becomes one line and an exit code."""

from collections.abc import Callable

import typer
from rich.console import Console
from typer.exceptions import TyperException

from search.records.errors import Failure, Interrupted, Misuse

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
"""Exit codes: the command failed, it was misused, or Ctrl-C stopped it."""

log = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
"""Writes messages to stderr, so that standard output holds results alone."""


def app(purpose: str) -> typer.Typer:
    """Return a command line without commands, with the settings that both packages share."""
    return typer.Typer(
        help=purpose,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
    )


def run_app(app: typer.Typer, program: str) -> int:
    """Run the command that was typed, and return its exit code.

    program: name of the package, with which every error line begins.
    """
    return ended(lambda: app(standalone_mode=False, prog_name=f"python -m {program}"), program)


def ended(call: Callable[[], int | None], program: str) -> int:
    """Call a program's function, and return its exit code. An error becomes one line."""
    try:
        code = call() or 0
        # Typer turns Ctrl-C into an exit code, without a word.
        line = "interrupted" if code == INTERRUPTED else ""
    except (KeyboardInterrupt, typer.Abort):
        line, code = "interrupted", INTERRUPTED
    except Interrupted as error:
        line, code = f"interrupted; {error}", INTERRUPTED
    except (Misuse, TyperException) as error:
        text = error.format_message() if isinstance(error, TyperException) else str(error)
        # Typer puts the kind of Python's error before its text.
        text = text.replace("Value error, ", "")
        # A command line without a command gets the help, which is no complaint.
        line, code = text if text.startswith("Usage:") else f"{program}: {text}", MISUSED
    except Failure as error:
        line, code = f"{program}: {error}", FAILED
    except OSError as error:
        named = f"cannot read or write {error.filename}: {error.strerror}"
        line, code = f"{program}: {named if error.filename else error}", FAILED
    if line:
        log.print(line)
    return code
