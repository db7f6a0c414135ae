"""Loads a hypermodel that a person names on the command line."""

import difflib
import functools
import hashlib
import importlib
import importlib.util
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import keras
import keras_tuner as kt
from keras_tuner.src.engine.hypermodel import get_hypermodel

from search.networks.exploring import where
from search.records.errors import Misuse


@dataclass(frozen=True)
class Loaded:
    """A hypermodel, and where it comes from."""

    hypermodel: kt.HyperModel
    source: dict[str, str]
    """SHA-256 by name of the source file. Empty for the built-in networks."""
    module: ModuleType | None = None
    """The module that defines it, with the classes that its models may need when they are loaded."""


@functools.cache
def load(spec: str) -> Loaded:
    """Return the hypermodel at FILE.py:NAME or MODULE:NAME.

    Raises Misuse if the file or module cannot be imported, or if it has no such hypermodel.
    """
    place, colon, name = spec.rpartition(":")
    if not colon or not place or not name:
        raise Misuse(f"--hypermodel {spec}: write FILE.py:NAME or MODULE:NAME")
    module = _file(Path(place), spec) if place.endswith(".py") else _module(place, spec)
    if not hasattr(module, name):
        own = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
        near = difflib.get_close_matches(name, own, 3, 0.4)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise Misuse(f"--hypermodel {spec}: there is no {name} in {place}{hint}")
    file = Path(str(module.__file__))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Loaded(_hypermodel(getattr(module, name), spec), {file.name: digest}, module)


def _file(path: Path, spec: str) -> ModuleType:
    """Import a file as a module of its own."""
    if not path.is_file():
        raise Misuse(f"--hypermodel {spec}: there is no file {path}")
    name = f"hypermodel_{path.stem}"
    found = importlib.util.spec_from_file_location(name, path.resolve())
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    # The file may import its neighbours, as it could if it were run.
    sys.path.insert(0, str(path.resolve().parent))
    try:
        found.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise Misuse(f"--hypermodel {spec}: cannot import {path}: {where(error)}") from error
    # Workers on other machines do not have the file.
    cloudpickle.register_pickle_by_value(module)
    return module


def _module(name: str, spec: str) -> ModuleType:
    sys.path.insert(0, "")
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise Misuse(f"--hypermodel {spec}: cannot import {name}: {where(error)}") from error
    finally:
        sys.path.remove("")


def _hypermodel(found: Any, spec: str) -> kt.HyperModel:
    """Return a hypermodel from a class, an instance or a function."""
    if inspect.isclass(found) and issubclass(found, kt.HyperModel):
        try:
            return found()
        except TypeError as error:
            raise Misuse(
                f"--hypermodel {spec}: {found.__name__} needs arguments ({error}): name an instance, "
                "or a function that builds a model"
            ) from error
    if isinstance(found, kt.HyperModel):
        return found
    if inspect.isclass(found) or isinstance(found, keras.Model) or not callable(found):
        raise Misuse(
            f"--hypermodel {spec}: {spec.rpartition(':')[2]} is no hypermodel: name a "
            "keras_tuner.HyperModel, or a function that takes hyperparameters and builds a model"
        )
    return get_hypermodel(found)
