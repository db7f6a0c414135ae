"""The Keras code of a report builds the network that the search has trained."""

import keras
import keras_tuner as kt
import pytest

from analysis.report.keras_code import code, parameters
from search.networks.baselines import BASELINES, TEXTBOOK, complete
from search.networks.dense import DenseNetworks
from search.records.datasets import DATASETS

FACTS = DATASETS["digits"]
DEEP = {
    "layers": 2, "units_1": 32, "units_2": 64, "norm_first": True, "batch_norm": True, "use_l2": True,
    "l2": 1e-5, "dropout": 0.2, "input_dropout": 0.1, "precision": "bfloat16", "activation": "gelu",
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        TEXTBOOK,
        DEEP | {"optimizer": "adamw", "adamw_decay": 0.01, "schedule": "warmup"},
        {
            "optimizer": "momentum",
            "momentum": 0.8,
            "schedule": "cosine",
            "use_l1": True,
            "l1": 1e-6,
        },
        {"optimizer": "rmsprop", "label_smoothing": 0.1},
        {"optimizer": "nadam"},
        {"optimizer": "sgd"},
        BASELINES["4 final"],
    ],
)
def test_the_code_builds_the_same_network(changes):
    values = complete(changes)
    hp = kt.HyperParameters()
    hp.values = {**values, "tuner/epochs": 5}
    ours = DenseNetworks(FACTS).build(hp)
    names: dict[str, keras.Model] = {}
    exec(code(values, FACTS, 5), names)
    theirs = names["model"]
    assert theirs.count_params() == ours.count_params() == parameters(values, FACTS)
    for one, other in zip(ours.layers, theirs.layers, strict=True):
        first, second = one.get_config(), other.get_config()
        for config in (first, second):
            config.pop("name")
        assert (type(one), first) == (type(other), second)
    first, second = ours.optimizer.get_config(), theirs.optimizer.get_config()
    assert first.keys() == second.keys()
    assert {**first, "name": ""} == {**second, "name": ""}
    smoothing = values["label_smoothing"]
    assert getattr(theirs.loss, "label_smoothing", 0) == smoothing
