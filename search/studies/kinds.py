"""The oracle and the networks of each kind of study."""

from typing import Any

from search.records.arguments import Arguments
from search.records.datasets import SHAPES


def hypermodel(arguments: Arguments) -> Any:
    """The networks that a study's values speak of."""
    from search.networks.dense import DenseNetworks

    shape = SHAPES[arguments.dataset]
    return DenseNetworks(shape.features, shape.classes, shape.train_size, arguments.horizon)
