"""What a Python program gives a tuner: read, explored, or refused in one line."""

import contextlib
import hashlib
import inspect
import os
import re
from collections.abc import Iterator
from typing import Any

import keras
import keras_tuner as kt
from keras_tuner.src.engine.hypermodel import DefaultHyperModel, get_hypermodel

from search.networks.exploring import explored
from search.records.errors import Misuse
from search.running.program import ProgramModel

UNHEARD = (
    "run_trial",
    "_build_and_fit_model",
    "save_model",
    "on_trial_begin",
    "on_trial_end",
    "on_epoch_begin",
    "on_epoch_end",
    "on_batch_begin",
    "on_batch_end",
)
"""Methods of KerasTuner's tuners that run where the model trains, which is on a worker here."""


def refuse(tuner: type[kt.Tuner], strategy: Any, logger: Any, tuner_id: Any) -> None:
    """Raise Misuse if an argument or a method of a class of tuners cannot be honoured."""
    if keras.backend.backend() != "tensorflow":
        raise Misuse(
            f"Keras runs on {keras.backend.backend()}: set KERAS_BACKEND=tensorflow, which this "
            "project trains with"
        )
    if strategy is not None:
        raise Misuse(
            "distribution_strategy: every trial trains on one worker: leave the argument out, "
            "and give workers= or scheduler= to train several trials at a time"
        )
    if logger is not None:
        raise Misuse("logger: KerasTuner has dropped this argument: leave it out")
    if tuner_id is not None or "KERASTUNER_ORACLE_IP" in os.environ:
        raise Misuse(
            "tuner_id and KERASTUNER_ORACLE_IP: this project has no chief: give workers= or "
            "scheduler= instead"
        )
    overridden = [n for n in UNHEARD if getattr(tuner, n) is not getattr(kt.Tuner, n)]
    if overridden:
        raise Misuse(
            f"{tuner.__name__}.{overridden[0]} would not be called, because trials run in "
            "workers: override HyperModel.fit, or give callbacks to search"
        )


@contextlib.contextmanager
def in_words_of_python() -> Iterator[None]:
    """Spell the arguments in messages of Misuse as programs do: `time_budget=5x`."""
    try:
        yield
    except Misuse as error:
        said = re.sub(
            r"--([a-z-]+)(?: ([^\s:,]+)(?=:))?",
            lambda found: found[1].replace("-", "_") + (f"={found[2]}" if found[2] else ""),
            str(error),
        )
        raise Misuse(said) from None


def hypermodel_of(given: Any) -> kt.HyperModel:
    """Return the hypermodel of an instance, a class or a function. Raises ValueError for None."""
    if given is None:
        raise ValueError("hypermodel is None: give a HyperModel, or a function that builds a model")
    if inspect.isclass(given) and issubclass(given, kt.HyperModel):
        given = given()
    return get_hypermodel(given)


def name_of(hypermodel: Any) -> str:
    """Return the name of a hypermodel's class or function."""
    return getattr(hypermodel, "__name__", None) or type(hypermodel).__name__


def oracle_options(tune: bool, allow: bool, retries: int, consecutive: int) -> dict[str, Any]:
    """Return the arguments that KerasTuner's tuners hand on to their oracles."""
    return {
        "tune_new_entries": tune,
        "allow_new_entries": allow,
        "max_retries_per_trial": retries,
        "max_consecutive_failed_trials": consecutive,
    }


def whole_space(
    program: ProgramModel, given: kt.HyperParameters | None, options: dict[str, Any]
) -> kt.HyperParameters:
    """Return the whole space, found by building models. given: what the program declares."""
    kt.Oracle(hyperparameters=given, **options)  # raises if nothing may be added to nothing
    return explored(
        program,
        given,
        options["allow_new_entries"],
        options["tune_new_entries"],
    )


def source_hash(hypermodel: kt.HyperModel) -> str:
    """Return the SHA-256 of a hypermodel's source, of nothing if Python cannot find the source."""
    plain = type(hypermodel) is DefaultHyperModel
    try:
        source = inspect.getsource(hypermodel.build if plain else type(hypermodel))
    except (OSError, TypeError):
        source = ""
    return hashlib.sha256(source.encode()).hexdigest()
