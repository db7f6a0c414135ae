"""Runs a command line: an error becomes one line and an exit code."""

from collections.abc import Callable

import typer
from rich.console import Console
from typer.exceptions import TyperException

from search.records.errors import Failure, Misuse

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
"""Exit codes: the command failed, it was misused, or Ctrl-C stopped it."""

log = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
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


def carry_out(app: typer.Typer, program: str) -> int:
    """Run the command that was typed, and return its exit code.

    program: name of the package, with which every error line begins.
    """
    return ended(lambda: app(standalone_mode=False, prog_name=f"python -m {program}"), program)


def ended(call: Callable[[], int | None], program: str) -> int:
    """Call a program's function, and return its exit code. An error becomes one line."""
    try:
        return call() or 0
    except TyperException as error:
        return _failed(program, error.format_message(), MISUSED)
    except Misuse as error:
        return _failed(program, str(error), MISUSED)
    except Failure as error:
        return _failed(program, str(error), FAILED)
    except OSError as error:
        reason = f"cannot read or write {error.filename}: {error.strerror}"
        return _failed(program, reason, FAILED)
    except (KeyboardInterrupt, typer.Abort):
        log.print("interrupted")
        return INTERRUPTED


def _failed(program: str, line: str, code: int) -> int:
    log.print(f"{program}: {line}")
    return code
