"""Imports TensorFlow fast, and without the lines it writes to stderr before its log levels hold."""

import contextlib
import gc
import importlib
import os
import sys
from types import ModuleType


def import_quietly(module: str) -> ModuleType:
    """The module, imported while file descriptor 2, where C++ writes, goes nowhere.

    What it brings stays for the life of the process: looking through it for garbage, while it is
    imported and again at exit, would take as long as a quarter of the import.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    gc.disable()
    try:
        os.dup2(nowhere, 2)
        return importlib.import_module(module)
    finally:
        gc.enable()
        gc.freeze()
        with contextlib.suppress(OSError):
            os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
