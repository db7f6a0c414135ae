"""Own hypermodels, loaded from a file or a module by name."""

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import site
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import keras_tuner as kt
from keras_tuner.src.engine.hypermodel import get_hypermodel

from search.networks.exploring import place_of, said
from search.records.errors import Misuse

_LOADED: set[str] = set()
"""Names of the modules that were loaded."""


@dataclass(frozen=True)
class Loaded:
    """A hypermodel, and where it is from.

    source: SHA-256 of each file of its code by name, empty for the built-in networks.
    module: holds the hypermodel's own layers, losses and metrics. None for the built-in networks.
    """

    hypermodel: kt.HyperModel
    source: dict[str, str] = field(default_factory=dict)
    module: ModuleType | None = None


def load(spec: str) -> Loaded:
    """Return the hypermodel that FILE.py:NAME or MODULE:NAME names.

    NAME is a `keras_tuner.HyperModel`, a class of that kind without arguments, or a function that
    builds a model. Code that is not installed is pickled by value from now on, so that workers on
    other machines receive it.
    Raises Misuse, in one line, if there is no such hypermodel or its code does not run.
    """
    place, colon, name = spec.rpartition(":")
    if not colon or not place or not name:
        raise Misuse(f"--hypermodel {spec}: write FILE.py:NAME or MODULE:NAME")
    for known in _LOADED & set(sys.modules):
        del sys.modules[known]  # so that all of it is read again, and found again
    before = set(sys.modules)
    try:
        module = _from_file(Path(place), spec) if place.endswith(".py") else _imported(place)
    except Misuse:
        raise
    except ModuleNotFoundError as error:
        if not f"{place}.".startswith(f"{error.name}."):
            raise Misuse(f"--hypermodel {spec}: {place_of(error)}: {said(error)}") from error
        raise Misuse(f"--hypermodel {spec}: there is no module {place}") from None
    except (Exception, SystemExit) as error:
        raise Misuse(f"--hypermodel {spec}: {place_of(error)}: {said(error)}") from error
    own = _own_modules(module, before)
    _LOADED.update(each.__name__ for each in own)
    hypermodel = _hypermodel(module, name, spec)
    for each in own:
        cloudpickle.register_pickle_by_value(each)
    root = _root(module)
    source = {
        Path(str(each.__file__)).relative_to(root).as_posix(): _digest(Path(str(each.__file__)))
        for each in own or [module]
        if each.__file__
    }
    return Loaded(hypermodel, dict(sorted(source.items())), module)


def packed(hypermodel: kt.HyperModel) -> bytes:
    """Return a hypermodel as bytes that `pickle.loads` reads wherever the packages are installed.

    Plain pickle would only name the file's module, which a worker cannot import.
    """
    content: bytes = cloudpickle.dumps(hypermodel)
    return content


def _from_file(path: Path, spec: str) -> ModuleType:
    """Run a file as a module. Files beside it can be imported, as if Python ran it."""
    if not path.is_file():
        raise Misuse(f"--hypermodel {spec}: there is no file {path}")
    path = path.resolve()
    name = path.stem
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) != str(path):
        name = f"hypermodel_{name}"
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise Misuse(f"--hypermodel {spec}: {path} is no Python file")
    module = importlib.util.module_from_spec(found)
    before = sys.modules.get(name)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        found.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
        raise
    finally:
        sys.path.remove(str(path.parent))
    return module


def _imported(name: str) -> ModuleType:
    """Import a module by name, from the working directory too."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return importlib.import_module(name)


def _hypermodel(module: ModuleType, name: str, spec: str) -> kt.HyperModel:
    """Return the hypermodel of this name in a module."""
    if not hasattr(module, name):
        names = [n for n, value in vars(module).items() if _builds(value) and n[0] != "_"]
        near = difflib.get_close_matches(name, names, 3, 0.4) or sorted(names)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise Misuse(f"--hypermodel {spec}: {module.__name__} has no {name}{hint}")
    found = getattr(module, name)
    if inspect.isclass(found) and issubclass(found, kt.HyperModel):
        try:
            return found()
        except Exception as error:
            raise Misuse(f"--hypermodel {spec}: {place_of(error)}: {said(error)}") from error
    if not _builds(found):
        raise Misuse(
            f"--hypermodel {spec}: {name} is no hypermodel: name a keras_tuner.HyperModel, or a "
            "function that takes its hyperparameters and returns a model"
        )
    return get_hypermodel(found)


def _builds(value: Any) -> bool:
    """Return whether a value is a hypermodel: an instance, a class or a function of one argument."""
    if isinstance(value, kt.HyperModel):
        return True
    if inspect.isclass(value):
        return issubclass(value, kt.HyperModel) and value is not kt.HyperModel
    if not callable(value):
        return False
    try:
        inspect.signature(value).bind(None)
    except (TypeError, ValueError):
        return False
    return True


def _own_modules(module: ModuleType, before: Iterable[str]) -> list[ModuleType]:
    """Return the modules beside this module that it imports, itself included, unless installed."""
    root = _root(module)
    installed = [Path(folder) for folder in (*site.getsitepackages(), sys.prefix)]
    if any(root.is_relative_to(folder) for folder in installed):
        return []
    ours = __name__.partition(".")[0]
    new = {name for name in set(sys.modules) - set(before) if name.partition(".")[0] != ours}
    files = {name: getattr(sys.modules[name], "__file__", None) for name in new}
    beside = [
        sys.modules[name]
        for name, file in sorted(files.items())
        if file and Path(file).resolve().is_relative_to(root) and "site-packages" not in file
    ]
    return [module, *(each for each in beside if each is not module)]


def _root(module: ModuleType) -> Path:
    """Return the folder of a module's file, of its outermost package if it has one."""
    depth = module.__name__.count(".") if "." in module.__name__ else 0
    path = Path(str(module.__file__)).resolve()
    return path.parents[depth + (path.name == "__init__.py")]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
