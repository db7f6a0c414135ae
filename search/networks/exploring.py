"""Finds the hyperparameters that a hypermodel asks for, by building it."""

import contextlib
import copy
import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
from keras_tuner.src import errors as kt_errors

from search.records.errors import Misuse
from search.records.objective import Objective
from search.records.reading import Json

QUIET_DRAWS = 3
"""Builds in a row that find nothing new, after which the space counts as explored."""


class Drawing(kt.HyperParameters):
    """Hyperparameters whose new entries have a random value instead of their default.

    The value depends on the seed and the name alone, so a trial's configuration does not depend on
    what other trials have found.

    seed: the trial's seed.
    tune_new: KerasTuner's `tune_new_entries`. False: a new entry has its default.
    allow_new: KerasTuner's `allow_new_entries`. False: a new entry raises RuntimeError.
    """

    def __init__(self, seed: int | str = 0, tune_new: bool = True, allow_new: bool = True):
        super().__init__()
        self.seed = seed
        self.tune_new = tune_new
        self.allow_new = allow_new

    @classmethod
    def of(
        cls, config: Json, seed: int | str, tune_new: bool = True, allow_new: bool = True
    ) -> "Drawing":
        """Return a trial's hyperparameters from KerasTuner's config of its space and values."""
        found: Drawing = cls.from_config(config)
        found.seed, found.tune_new, found.allow_new = seed, tune_new, allow_new
        return found

    def _register(self, hyperparameter: Any, overwrite: bool = False) -> Any:
        hp = hyperparameter
        if not self.allow_new:
            raise RuntimeError(f"`allow_new_entries` is `False`, but found new entries [{hp}]")
        known = hp.name in self.values
        value = super()._register(hp, overwrite)
        if self.tune_new and not known and self.is_active(hp):
            value = self.values[hp.name] = hp.random_sample(f"{self.seed} {hp.name}")
        return value


def explored(
    hypermodel: kt.HyperModel,
    space: kt.HyperParameters | None = None,
    allow_new: bool = True,
    tune_new: bool = True,
    objective: Objective | None = None,
) -> kt.HyperParameters:
    """Return a space with the hyperparameters that builds of a hypermodel ask for.

    As KerasTuner does, it builds the defaults and then a configuration for each conditional scope.
    Then it builds random configurations, until none of three finds anything new: what an `if` of
    Python hides is found too. The result is the same in every process. Only the defaults must
    build. Another configuration that does not build shows what it asked for before that.

    space: declared in advance. It stays as it is.
    objective: the epochs must report it. None: this is not checked.
    Raises Misuse if the defaults do not build, or if no epoch would report the objective,
    RuntimeError as KerasTuner does if a new hyperparameter is not allowed.
    """
    found = space.copy() if space else kt.HyperParameters()

    def take_up(hp: kt.HyperParameters) -> bool:
        """Add what is new. Return whether anything was."""
        new = [entry for entry in hp.space if not found._exists(entry.name, entry.conditions)]
        if new and not allow_new:
            raise RuntimeError(f"`allow_new_entries` is `False`, but found new entries {new}")
        if tune_new:
            found.merge(new)
        return bool(new) and tune_new

    hp = found.copy()
    hypermodel.declare_hyperparameters(hp)
    take_up(hp)
    _activate_scopes(hypermodel, found, take_up, objective)
    quiet, draw = 0, 0
    while quiet < QUIET_DRAWS and found.space and (tune_new or not allow_new):
        hp = Drawing.of(found.get_config(), f"explored {draw}")
        hp.values = {}
        for entry in found.space:
            if hp.is_active(entry) and entry.name not in hp.values:
                hp.values[entry.name] = entry.random_sample(f"explored {draw} {entry.name}")
        _try(hypermodel, hp)
        quiet = 0 if take_up(hp) else quiet + 1
        draw += 1
    return found


def _activate_scopes(
    hypermodel: kt.HyperModel,
    found: kt.HyperParameters,
    take_up: Callable[[kt.HyperParameters], bool],
    objective: Objective | None,
) -> None:
    """Build the defaults, and then a configuration for each conditional scope (base_tuner.py)."""
    waiting: list[Any] = []
    seen: list[Any] = []
    hp = found.copy()
    try:
        model = built(hypermodel, hp)
    except kt_errors.FailedTrialError:
        pass  # the hypermodel itself says that this trial, not the study, fails
    else:
        if objective:
            check_objective(hypermodel, model, objective)
    while True:
        take_up(hp)
        seen += copy.deepcopy(hp.active_scopes)
        waiting += copy.deepcopy(hp.inactive_scopes)
        waiting = [scope for scope in waiting if scope not in seen]
        if not waiting:
            return
        # KerasTuner tries a scope that no values activate for ever. Here it is tried once.
        seen.append(waiting[0])
        hp = found.copy()
        hp.values |= {condition.name: condition.values[0] for condition in waiting[0]}
        for entry in hp.space:
            if not hp.is_active(entry):
                hp.values.pop(entry.name, None)
            elif entry.name not in hp.values:
                hp.values[entry.name] = entry.default
        _try(hypermodel, hp)


def _try(hypermodel: kt.HyperModel, hp: kt.HyperParameters) -> None:
    """Build a model for the hyperparameters that it asks for. Its trial may fail, not the study."""
    with contextlib.suppress(Exception, SystemExit):
        hypermodel.build(hp)


def built(hypermodel: kt.HyperModel, hp: kt.HyperParameters) -> keras.Model:
    """Build a model. Raises Misuse with file, line and cause if that raises or returns no model.

    Raises KerasTuner's FailedTrialError if the hypermodel does.
    """
    try:
        model = hypermodel.build(hp)
    except kt_errors.FailedTrialError:
        raise
    except (Exception, SystemExit) as error:
        raise Misuse(f"{place_of(error)}: the hypermodel does not build: {said(error)}") from error
    if not isinstance(model, keras.Model):
        raise Misuse(
            f"{_place_of_build(hypermodel)}: the hypermodel returns {type(model).__name__}, "
            "not a Keras model"
        )
    return model


def check_objective(hypermodel: kt.HyperModel, model: keras.Model, goal: Objective) -> None:
    """Raise Misuse if it is certain that no epoch reports an objective.

    That is certain of a compiled model with one output that Keras itself trains.
    """
    own_fit = type(hypermodel).fit is not kt.HyperModel.fit
    own_step = type(model).train_step is not keras.Model.train_step
    own_metrics = type(model).metrics is not keras.Model.metrics
    if own_fit or own_step or own_metrics or len(getattr(model, "outputs", None) or ()) != 1:
        return
    if not model.compiled:
        raise Misuse(
            f"{_place_of_build(hypermodel)}: the hypermodel returns a model that is not compiled"
        )
    compiled = model._compile_metrics
    metrics = getattr(compiled, "_user_metrics", None) or []
    weighted = getattr(compiled, "_user_weighted_metrics", None)
    if weighted or not isinstance(metrics, list):
        return
    names = [_metric_name(metric) for metric in metrics]
    if None in names:
        return
    reported = ["loss", *map(str, names)]
    reported += [f"val_{name}" for name in reported]
    missing = [name for name in goal.parts or (goal.name,) if name not in reported]
    if missing:
        raise Misuse(
            f"--objective {missing[0]}: no epoch reports it; the model reports "
            f"{', '.join(reported)}"
        )


def _metric_name(metric: Any) -> str | None:
    """Return the name under which Keras logs a compiled metric, None if it is not certain."""
    if isinstance(metric, str):
        return metric
    name = getattr(metric, "name", None) or getattr(metric, "__name__", None)
    return name if isinstance(name, str) else None


def place_of(error: BaseException) -> str:
    """Return file and line of the user's code that raised an error."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename)}, line {error.lineno}"
    ours = Path(__file__).parents[1], Path(traceback.__file__).parent
    theirs = [
        frame
        for frame in frames
        if "site-packages" not in frame.filename
        and not any(folder in Path(frame.filename).parents for folder in ours)
        and not frame.filename.startswith("<frozen")
    ]
    last = (theirs or frames)[-1]
    return f"{_short(last.filename)}, line {last.lineno}"


def said(error: BaseException) -> str:
    """Return the kind of an error and the first line of its text."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__


def _place_of_build(hypermodel: kt.HyperModel) -> str:
    """Return file and line of the function that builds."""
    build = getattr(hypermodel, "hypermodel", hypermodel).build  # without what a tuner adds
    if getattr(build, "__name__", "") == "_build_wrapper":  # KerasTuner's, around the user's
        build = hypermodel._build
    try:
        code = inspect.unwrap(build).__code__
    except AttributeError:
        return type(hypermodel).__name__
    return f"{_short(code.co_filename)}, line {code.co_firstlineno}"


def _short(name: str) -> str:
    """Return a path as a person would type it: from the working directory on, if it is inside."""
    path = Path(name)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else name
