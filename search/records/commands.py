"""How a command line ends: one line for an error, and the exit code."""

from collections.abc import Callable

import typer
from rich.console import Console
from typer.exceptions import TyperException

from search.records.errors import Failure, Interrupted, Misuse

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
"""Exit codes: it could not be done, it was asked wrongly, Ctrl-C."""

log = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
"""Where messages go, so that results alone are on standard output."""


def app(purpose: str) -> typer.Typer:
    """Return a command line without commands, as both packages set it up."""
    return typer.Typer(
        help=purpose,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
    )


def carry_out(app: typer.Typer, program: str) -> int:
    """Run the command that the arguments name, and return its exit code.

    program: the package, which names the sender of every error line.
    """
    return ended(lambda: app(standalone_mode=False, prog_name=f"python -m {program}"), program)


def ended(call: Callable[[], int | None], program: str) -> int:
    """Call what a program does, and return its exit code; an error becomes one line."""
    try:
        code = call() or 0
        # Typer turns Ctrl-C into an exit code, without a word.
        line = "interrupted" if code == INTERRUPTED else ""
    except (KeyboardInterrupt, typer.Abort):
        line, code = "interrupted", INTERRUPTED
    except Interrupted as error:
        line, code = f"interrupted; {error}", INTERRUPTED
    except (Misuse, TyperException) as error:
        text = error.format_message() if isinstance(error, TyperException) else error
        line, code = f"{program}: {text}", MISUSED
    except Failure as error:
        line, code = f"{program}: {error}", FAILED
    except OSError as error:
        reason = f"cannot read or write {error.filename}: {error.strerror}"
        line, code = f"{program}: {reason}", FAILED
    if line:
        log.print(line)
    return code
