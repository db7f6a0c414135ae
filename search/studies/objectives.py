"""What a study optimises, as KerasTuner's objects and as the record of the study."""

from typing import Any

import keras_tuner as kt
from keras_tuner.src.engine import objective as kt_objective

from search.records.errors import Misuse
from search.records.objective import Objective

KNOWN = {"loss": "min", "val_loss": "min", "accuracy": "max", "val_accuracy": "max"}
"""Directions for which KerasTuner need not be asked. It makes a metric to tell, which starts
TensorFlow."""


def objective_of(asked: Any) -> kt.Objective:
    """Return the objective that KerasTuner makes of a name, an objective, a list or None.

    A name may carry its direction, as in `val_f1:max`.
    Raises Misuse if the direction is neither given nor known.
    """
    if isinstance(asked, list):
        return kt_objective.MultiObjective([objective_of(item) for item in asked])
    if isinstance(asked, Objective):
        return _recorded(asked)
    if not isinstance(asked, str):
        return kt_objective.create_objective(asked)
    if asked in KNOWN:
        return kt.Objective(asked, KNOWN[asked])
    name, colon, direction = asked.rpartition(":")
    if colon:
        if not name or direction not in ("min", "max"):
            raise Misuse(f"--objective {asked}: write NAME, NAME:min or NAME:max")
        return kt.Objective(name, direction)
    try:
        return kt_objective.create_objective(asked)
    except ValueError:
        raise Misuse(
            f"--objective {asked}: whether less or more is better cannot be told from the name: "
            f"write {asked}:min or {asked}:max"
        ) from None


def goal_of(objective: kt.Objective) -> Objective:
    """Return the record of an objective."""
    parts = getattr(objective, "name_to_direction", None)
    return Objective(objective.name, objective.direction, dict(parts) if parts else None)


def _recorded(goal: Objective) -> kt.Objective:
    """Return the objective of a record."""
    if goal.parts is None:
        return kt.Objective(goal.name, goal.direction)
    return kt_objective.MultiObjective([kt.Objective(*part) for part in goal.parts.items()])
