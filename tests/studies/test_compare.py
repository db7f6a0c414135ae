"""Comparisons of any hypermodel's own hyperparameters, one at a time or crossed."""

import keras_tuner as kt
import pytest

from search.networks.baselines import built_in, complete
from search.networks.spaces import Space
from search.records.arguments import CompareArguments
from search.records.errors import Misuse
from search.records.folder import StudyFolder
from search.records.parts import PlannedPart
from search.studies.compare import CompareOracle, compared
from search.studies.kinds import oracle_of
from tests.planted import planted_study


def parts(*vary, at=(), factorial=False, space=None):
    arguments = CompareArguments(vary=vary, at=at, factorial=factorial, epochs=4)
    arguments.check()
    return compared(arguments, space or built_in(), (1, 2))


def test_one_at_a_time_by_hand():
    activation, depth = parts("activation=relu,tanh", "layers=1,2", at=["dropout=0.2"])
    arms = {name: complete({"activation": name, "dropout": 0.2}) for name in ("relu", "tanh")}
    assert activation == PlannedPart("compare", "activation", "relu", 4, (1, 2), arms)
    # The default, 3 layers, is not among them, so the first is the reference.
    assert (depth.name, depth.reference, list(depth.arms)) == ("layers", "1", ["1", "2"])
    assert depth.arms["2"] == complete({"layers": 2, "dropout": 0.2})


def test_crossed_by_hand():
    (part,) = parts("batch_norm=true,false", "optimizer=sgd,adam", factorial=True)
    assert part.name == "factorial"
    assert part.reference == "batch_norm=false, optimizer=adam"
    assert list(part.arms) == [
        "batch_norm=true, optimizer=sgd",
        "batch_norm=true, optimizer=adam",
        "batch_norm=false, optimizer=sgd",
        "batch_norm=false, optimizer=adam",
    ]
    assert part.arms["batch_norm=true, optimizer=sgd"] == complete(
        {"batch_norm": True, "optimizer": "sgd"}
    )


def test_the_base_is_what_at_leaves_and_names_the_reference():
    (part,) = parts("adamw_lr=0.01,0.001", at=["optimizer=adamw"])
    assert part.reference == "0.001"
    assert part.arms["0.01"] == complete({"optimizer": "adamw", "adamw_lr": 0.01})


def test_trials_of_an_own_space_are_arms_times_seeds():
    hp = kt.HyperParameters()
    hp.Int("filters", 8, 16, step=8)
    space = Space(hp)
    arguments = CompareArguments(
        hypermodel="own.py:Net", objective="val_loss", vary=("filters=8,16",), seeds=3, epochs=4
    )
    oracle = oracle_of(arguments, space)
    assert isinstance(oracle, CompareOracle)
    assert oracle.planned() == (6, 24)
    assert (oracle.goal.name, oracle.goal.direction) == ("val_loss", "min")
    trial = oracle.create_trial("slot")
    assert trial.hyperparameters.values["filters"] == 8
    assert (oracle.trial_seed(trial), oracle.epochs_of(trial)) == (1, (0, 4))


@pytest.mark.parametrize(
    ("vary", "at", "said"),
    [
        ([], [], "nothing is compared: give --vary NAME=VALUE,VALUE"),
        (["layers"], [], "--vary layers: write NAME=VALUE,VALUE"),
        (["layers=1,,2"], [], "--vary layers=1,,2: write NAME=VALUE,VALUE"),
        (["layers=2"], [], "--vary layers=2: give at least two values"),
        (["layers=2,2"], [], "--vary layers=2,2: 2 is given twice"),
        (["layers=2,9"], [], "--vary layers=2,9: 9 is not among the values of layers: 1 to 5"),
        (["layer=1,2"], [], "there is no hyperparameter layer; did you mean layers"),
        (["layers=1,2", "layers=3,4"], [], "layers is given twice"),
        (["layers=1,2"], ["layers=3"], "--at layers=3: layers is varied"),
        (["layers=1,2"], ["dropout=0.1,0.2"], "--at dropout=0.1,0.2: give one value"),
        (["layers=1,2"], ["l2=1e-4"], "l2 is only used if use_l2 is true: add --at use_l2=true"),
        (["momentum=0.5,0.9"], [], "momentum is only used if optimizer is momentum: add --at"),
        (["optimizer=sgd,adam", "sgd_lr=0.1,0.2"], ["optimizer=sgd"], "optimizer is varied"),
    ],
)
def test_what_cannot_be_compared_is_refused(vary, at, said):
    with pytest.raises(Misuse) as refused:
        parts(*vary, at=at)
    assert said in str(refused.value)


def test_crossing_values_that_exclude_each_other_is_refused():
    with pytest.raises(Misuse, match="sgd_lr is only used if optimizer is sgd"):
        parts("optimizer=sgd,adam", "sgd_lr=0.1,0.2", factorial=True)


def test_values_names_and_seeds_are_added_when_it_is_continued(tmp_path):
    kept = planted_study(tmp_path, "c", CompareArguments(vary=("layers=1,2",), seeds=2))
    folder = StudyFolder(tmp_path, "c")
    given = {"vary": ("layers=2,3", "dropout=0.1,0.2"), "seeds": 4}
    grown = folder.settled(CompareArguments, given)
    assert grown.vary == ("layers=1,2,3", "dropout=0.1,0.2")
    assert grown.seeds == 4
    assert kept.settled(CompareArguments, {}).vary == ("layers=1,2",)
    with pytest.raises(Misuse, match=r"started with --at nothing, not dropout=0\.1"):
        folder.settled(CompareArguments, {"at": ("dropout=0.1",)})
