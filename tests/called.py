"""The command lines, called in this process: what they print, and their exit code."""

import contextlib
import io
import sys

from tests.drivers import Ended


def search(*arguments: object) -> Ended:
    """Return what `python -m search` does with these arguments."""
    from search.__main__ import main

    return _called(main, "search", arguments)


def analysis(*arguments: object) -> Ended:
    """Return what `python -m analysis` does with these arguments."""
    from analysis.__main__ import main

    return _called(main, "analysis", arguments)


def _called(main, program, arguments):
    before, sys.argv = sys.argv, [program, *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main()
    finally:
        sys.argv = before
    return Ended(code, out.getvalue(), err.getvalue())
