"""What a trial file holds."""

from typing import Any

Values = dict[str, Any]


RUNNING, COMPLETED, FAILED = "RUNNING", "COMPLETED", "FAILED"


def configuration(values: Values) -> Values:
    """The values without KerasTuner's `tuner/*` labels: what all rungs of a chain share."""
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def key_of(values: Values) -> str:
    """The same for the same values, in whatever order."""
    return repr(sorted(values.items()))


WEIGHTS = "checkpoint.weights.h5"
"""The best epoch's weights, where KerasTuner looks for them."""
