"""Finds the search space of a hypermodel by building models, as KerasTuner does."""

import copy
import traceback
from typing import Any

import keras
import keras_tuner as kt
from keras_tuner.src import errors as kt_errors

from search.records.errors import Misuse

UNCHANGED = 3
"""Number of random configurations in a row that declare nothing new, which end the exploration."""

MOST = 50
"""Number of random configurations that are built at most."""


class Drawing(kt.HyperParameters):
    """Hyperparameters of one trial. An entry that a build declares for the first time is drawn.

    The drawn value depends on the trial's seed and on the name of the entry alone. It does not
    matter whether another trial declared the entry before. KerasTuner gives the first trial the
    default.
    """

    seed: int | None = None
    """Seed of the trial. None: new entries have their defaults."""

    @classmethod
    def of(cls, config: dict[str, Any], seed: int | None) -> "Drawing":
        """Return hyperparameters from KerasTuner's config."""
        made: Drawing = cls.from_config(config)
        made.seed = seed
        return made

    def _register(self, hyperparameter: Any, overwrite: bool = False) -> Any:
        """Add an entry, and return its value. KerasTuner calls this for every new entry."""
        new = hyperparameter.name not in self.values
        value = super()._register(hyperparameter, overwrite)
        if self.seed is None or not new or not self.is_active(hyperparameter):
            return value
        value = hyperparameter.random_sample(f"{self.seed} {hyperparameter.name}")
        self.values[hyperparameter.name] = value
        return value


def explored(
    hypermodel: kt.HyperModel,
    space: kt.HyperParameters,
    allow_new: bool = True,
    tune_new: bool = True,
) -> kt.HyperParameters:
    """Return a space with every hyperparameter that a hypermodel declares.

    Builds the default configuration, one configuration for each conditional scope
    (keras_tuner/src/engine/base_tuner.py), and random configurations until they declare nothing new.
    The result depends on the hypermodel alone.

    space: hyperparameters that are known already. It is not changed.
    allow_new: whether the hypermodel may declare others.
    tune_new: whether others become part of the space.
    Raises Misuse if a build raises or returns no model, RuntimeError if `allow_new` forbids an
    entry.
    """
    oracle = kt.Oracle(hyperparameters=space.copy())
    oracle.allow_new_entries, oracle.tune_new_entries = allow_new, tune_new
    declared = oracle.get_space()
    hypermodel.declare_hyperparameters(declared)
    oracle.update_space(declared)
    _activate_scopes(hypermodel, oracle)
    unchanged = 0
    for n in range(MOST):
        known = len(oracle.hyperparameters.space)
        if unchanged == UNCHANGED or not known:
            break
        sample = drawn(oracle.hyperparameters, f"explore {n}")
        built(hypermodel, sample)
        oracle.update_space(sample)
        unchanged = unchanged + 1 if len(oracle.hyperparameters.space) == known else 0
    found: kt.HyperParameters = oracle.get_space()
    complete_with_defaults(found)
    return found


def _activate_scopes(hypermodel: kt.HyperModel, oracle: kt.Oracle) -> None:
    """Build models until every conditional scope was active once."""
    never: list[Any] = []
    once: list[Any] = []
    hp = oracle.get_space()
    while True:
        built(hypermodel, hp)
        oracle.update_space(hp)
        for conditions in hp.active_scopes:
            if conditions not in once:
                once.append(copy.deepcopy(conditions))
            if conditions in never:
                never.remove(conditions)
        never += [copy.deepcopy(c) for c in hp.inactive_scopes if c not in once and c not in never]
        if not never:
            return
        hp = oracle.get_space()
        for condition in never[0]:
            hp.values[condition.name] = condition.values[0]
        # A scope that cannot become active must not hold the search up.
        once.append(never.pop(0))
        complete_with_defaults(hp)


def complete_with_defaults(hp: kt.HyperParameters) -> None:
    """Give active entries without a value their default, and remove values of inactive entries."""
    active = [entry for entry in hp.space if hp.is_active(entry)]
    for entry in active:
        hp.values.setdefault(entry.name, entry.default)
    kept = {entry.name for entry in active if hp.is_active(entry)}
    known = {entry.name for entry in hp.space}
    hp.values = {n: v for n, v in hp.values.items() if n in kept or n not in known}


def drawn(space: kt.HyperParameters, seed: str) -> kt.HyperParameters:
    """Return a random configuration. Each value depends on the seed and its own name alone."""
    sample = kt.HyperParameters()
    for hp in space.space:
        sample.merge([hp])
        if sample.is_active(hp):
            sample.values[hp.name] = hp.random_sample(f"{seed} {hp.name}")
    return sample


def built(hypermodel: kt.HyperModel, hp: kt.HyperParameters) -> keras.Model:
    """Build a model that is only looked at.

    Raises Misuse, with file, line and error, if the hypermodel cannot build this configuration.
    """
    keras.backend.clear_session()
    try:
        model = hypermodel.build(hp)
    except kt_errors.FailedTrialError:
        return None
    except Exception as error:
        raise Misuse(f"the hypermodel cannot build {_told(hp)}: {where(error)}") from error
    if not isinstance(model, keras.Model):
        raise Misuse(
            f"the hypermodel's build returned {type(model).__name__} instead of a Keras model"
        )
    return model


def where(error: Exception) -> str:
    """Return an error with the last line of user code that it passed, on one line."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        f for f in frames if not any(p in f.filename for p in ("/keras", "/tensorflow", "search/"))
    ]
    place = f"{own[-1].filename}:{own[-1].lineno}: " if own else ""
    lines = str(error).strip().splitlines() or [""]
    return f"{place}{type(error).__name__}: {lines[0]}"


def _told(hp: kt.HyperParameters) -> str:
    values = ", ".join(f"{name}={value}" for name, value in hp.values.items())
    return f"the configuration {values}" if values else "a model"
