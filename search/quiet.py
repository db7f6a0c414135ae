"""Imports TensorFlow fast, and without the messages that it writes before log levels apply."""

import contextlib
import gc
import importlib
import os
import sys
from types import ModuleType


def import_quietly(module: str) -> ModuleType:
    """Import a module without messages from C++ code on stderr, and return the module.

    The module's objects stay for the life of the process. Garbage collection therefore skips them:
    searching them during the import and again at exit would add a quarter to the import time.
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
