"""Imports TensorFlow without the lines it writes to stderr before any of its log levels holds."""

import contextlib
import importlib
import os
import sys
from types import ModuleType
from typing import Any


def import_quietly(module: str) -> ModuleType:
    """The module, imported while file descriptor 2, where C++ writes, goes nowhere."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        return importlib.import_module(module)
    finally:
        with contextlib.suppress(OSError):
            os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def dask_setup(worker: Any) -> None:
    """Dask's hook: a worker imports what it will train with while it starts."""
    import_quietly("search.space")
    importlib.import_module("search.diagnostics")
