"""What the tests of every room share, beside fixtures."""

import shutil
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest


def given(data):
    """Return the arguments of a trial on these examples, as a worker gives them to `fit`."""
    from search.data.pool import Halved
    from search.running.subject import FitArguments

    validation = data.x_validation, data.y_validation
    held_out = (data.x_held_out, data.y_held_out) if isinstance(data, Halved) else None
    return FitArguments((data.x_train, data.y_train), {"validation_data": validation}, held_out)


def made_once(
    tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]
) -> Path:
    """Return a folder that one of the pytest processes has made for all of them.

    make: fills the folder that it is given. If it fails, the next process tries again.
    """
    base = tmp_path_factory.getbasetemp()
    # Under xdist, each process has its own folder in the one that they share.
    shared = base.parent if base.name.startswith("popen-") else base
    folder = shared / name
    with filelock.FileLock(shared / f"{name}.lock"):
        if not folder.exists():
            partial = shared / f"{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            make(partial)
            partial.rename(folder)
    return folder
