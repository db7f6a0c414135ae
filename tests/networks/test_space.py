"""The search space, its narrowing and the assignment's networks in it."""

import keras
import keras_tuner as kt
import numpy as np
import pytest

from search.networks import baselines, narrowing
from search.networks.dense import DenseNetworks, SmoothedCrossentropy
from search.networks.space import OPTIMIZERS
from search.records.datasets import DATASETS
from search.records.errors import Misuse
from search.studies.hyperband import HyperbandOracle


@pytest.fixture
def networks():
    return DenseNetworks(DATASETS["fashion-mnist"], max_epochs=27)


def draws(count, fixes=()):
    oracle = HyperbandOracle(narrowing.narrowed(fixes), max_epochs=27, seed=5)
    return [oracle.draw(n) for n in range(count)]


def test_defaults_are_the_assignments_network_of_exercises_1_to_3(networks, make_hp):
    model = networks.build(make_hp())
    assert [layer.units for layer in model.layers[2:]] == [128, 128, 128, 10]
    # 784·128 + 128 + 2 (128·128 + 128) + 128·10 + 10
    assert model.count_params() == 134_794
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)


def test_final_network_of_exercise_4(networks, make_hp):
    model = networks.build(make_hp(**baselines.BASELINES["4 final"]))
    assert [layer.name for layer in model.layers[:2]] == ["flat", "scaled"]
    names = [type(layer).__name__ for layer in model.layers[2:]]
    assert names == ["Dense", "BatchNormalization", "Dropout"] * 3 + ["Dense"]
    assert [layer.rate for layer in model.layers if hasattr(layer, "rate")] == [0.3] * 3


def test_normalisation_stands_behind_the_activation_or_before_it(networks, make_hp):
    behind = networks.build(make_hp(batch_norm=True, layers=1))
    before = networks.build(make_hp(batch_norm=True, norm_first=True, layers=1))
    names = [type(layer).__name__ for layer in before.layers[2:]]
    assert names == ["Dense", "BatchNormalization", "Activation", "Dense"]
    # The first 128 biases are gone, which normalisation would take away.
    assert before.count_params() == behind.count_params() - 128
    assert before.get_layer("hidden_1").activation is keras.activations.linear
    assert before.get_layer("activation_1").activation is keras.activations.relu


def test_bfloat16_is_of_the_hidden_layers_products_alone(networks, make_hp):
    model = networks.build(make_hp(precision="bfloat16", batch_norm=True, dropout=0.1))
    assert {layer.compute_dtype for layer in model.layers[2:-1]} == {"bfloat16"}
    assert model.get_layer("output").compute_dtype == "float32"
    assert {weights.dtype for weights in model.weights} == {"float32"}


def test_zeros_reach_the_output_layer_too(networks, make_hp):
    model = networks.build(make_hp(initializer="zeros"))
    assert all(not np.any(weights) for weights in model.get_weights())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_has_its_own_learning_rate(networks, make_hp, optimizer):
    model = networks.build(make_hp(optimizer=optimizer, **{f"{optimizer}_lr": 0.0042}))
    assert float(model.optimizer.learning_rate) == pytest.approx(0.0042)
    assert sum(name.endswith("_lr") for name in make_hp(optimizer=optimizer).values) == 1


def test_cosine_falls_to_zero_over_the_longest_budget(networks, make_hp):
    model = networks.build(make_hp(schedule="cosine", batch_size=64))
    rate = model.optimizer._learning_rate
    # ceil(54,000 / 64) = 844 steps an epoch, 27 epochs; half of the rate half way.
    assert rate.decay_steps == 844 * 27
    assert float(rate(844 * 27)) == pytest.approx(0, abs=1e-9)
    assert float(rate(844 * 27 / 2)) == pytest.approx(0.0005)


def test_cosine_falls_over_a_trials_own_epochs_if_no_longest_is_given(make_hp):
    hp = make_hp(schedule="cosine", batch_size=64)
    hp.values["tuner/epochs"] = 9
    model = DenseNetworks(DATASETS["fashion-mnist"], max_epochs=None).build(hp)
    assert model.optimizer._learning_rate.decay_steps == 844 * 9


def test_on_each_rung_the_rate_begins_anew_and_falls_to_zero(make_hp, tmp_path):
    hp = make_hp(schedule="warmup", batch_size=64)
    networks = DenseNetworks(DATASETS["fashion-mnist"], max_epochs=27, factor=3)
    hp.values |= {"tuner/bracket": 2, "tuner/initial_epoch": 3, "tuner/epochs": 9}
    model = networks.build(hp)
    rate = model.optimizer._learning_rate
    # 844 steps an epoch. Bracket 2 has rungs of 3, 9 and 27 epochs: they end at these steps.
    assert rate.ends == [2532, 7596, 22_788]
    # The first rung rises for a tenth, 253 steps. The second begins at 2,532 and rises for 506.
    steps = (0, 253, 2531, 2532, 2532 + 253, 2532 + 506, 7595, 7596, 22_788)
    expected = [0, 0.001, 0, 0, 0.0005, 0.001, 0, 0, 0]
    assert [float(rate(step)) for step in steps] == pytest.approx(expected, abs=1e-8)
    path = tmp_path / "promoted.keras"
    model.save(path)
    again = keras.saving.load_model(path).optimizer._learning_rate
    assert [float(again(step)) for step in steps] == [float(rate(step)) for step in steps]
    hp.values["schedule"] = "constant"
    assert float(networks.build(hp).optimizer.learning_rate) == pytest.approx(1e-3)


def test_the_schedule_of_a_chain_is_the_same_on_every_rung(make_hp):
    """So a chain that is trained again, because a checkpoint was lost, has the same rates."""
    networks = DenseNetworks(DATASETS["fashion-mnist"], max_epochs=27, factor=3)
    configs = []
    for epochs in (1, 3, 9, 27):
        hp = make_hp(schedule="cosine", batch_size=64)
        hp.values |= {"tuner/bracket": 3, "tuner/epochs": epochs}
        configs.append(networks.build(hp).optimizer._learning_rate.get_config())
    assert all(config == configs[0] for config in configs)


def test_cost_follows_the_products_and_the_steps(networks):
    narrow = baselines.complete({"layers": 1, "units_1": 32})
    wide = baselines.complete({"layers": 1, "units_1": 2048})
    assert networks.cost(wide) > 5 * networks.cost(narrow)
    assert networks.cost(narrow | {"batch_size": 512}) < networks.cost(narrow)


def test_warm_up_rises_for_a_tenth_of_the_steps_and_falls_to_zero(networks, make_hp):
    rate = networks.build(make_hp(schedule="warmup", batch_size=64)).optimizer._learning_rate
    # 844 steps an epoch, 27 epochs: 22,788 steps, of which 2,278 rise.
    rates = [float(rate(step)) for step in (0, 1139, 2278, (2278 + 22_788) // 2, 22_788)]
    assert rates == pytest.approx([0, 0.0005, 0.001, 0.0005, 0], abs=1e-9)


def test_augmentation_and_precision_are_searched_only_if_a_fix_says_so():
    for values in draws(20):
        assert (values["augmentation"], values["precision"]) == ("none", "float32")
    found = {values["augmentation"] for values in draws(20, ["augmentation=none,flip"])}
    assert found == {"none", "flip"}


def test_draws_are_within_the_space_and_build(networks):
    for values in draws(12):
        hp = kt.HyperParameters()
        hp.values = dict(values)
        model = networks.build(hp)
        assert hp.values == values, "building must not add or change a value"
        assert len([n for n in values if n.startswith("units_")]) == values["layers"]
        assert model.output_shape == (None, 10)


def test_smoothed_crossentropy_is_keras_own_on_one_hot_labels():
    labels = np.array([1, 0, 2])
    predicted = np.array([[0.2, 0.7, 0.1], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8]], "float32")
    keras_own = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    expected = float(keras_own(np.eye(3)[labels], predicted))
    assert float(SmoothedCrossentropy(0.1)(labels, predicted)) == pytest.approx(expected)


def test_fix_narrows_to_one_value_a_list_or_a_range():
    fixes = ["activation=tanh", "batch_size=64,128", "layers=2:3", "dropout=0.1:0.2"]
    for values in draws(40, fixes):
        assert values["activation"] == "tanh"
        assert values["batch_size"] in (64, 128)
        assert values["layers"] in (2, 3)
        assert 0.1 <= values["dropout"] <= 0.2


def test_fix_leaves_the_other_values_of_every_draw_as_they_are():
    free, fixed = draws(10), draws(10, ["activation=tanh"])
    assert [v | {"activation": "tanh"} for v in free] == fixed


@pytest.mark.parametrize(
    ("fixes", "said"),
    [
        (["activaton=relu"], "no hyperparameter activaton; did you mean activation"),
        (["activation"], "write NAME=VALUE"),
        (["activation=step"], "step is not among the values of activation: sigmoid, tanh"),
        (["dropout=0.9"], "0.9 is not among the values of dropout: 0 to 0.6"),
        (["dropout=much"], "much is not among the values of dropout"),
        (["units_1=100"], "32, 64, 128, 256, 512, 1024, 2048"),
        (["layers=4:2"], "the low end, 4, must be below the high end, 2"),
        (["batch_norm=maybe"], "true, false"),
        (["activation=relu", "activation=tanh"], "fixed twice"),
        (["optimizer=adam", "sgd_lr=0.1"], "--fix sgd_lr contradicts --fix optimizer"),
        (["use_l1=false", "l1=1e-5"], "--fix l1 contradicts --fix use_l1"),
        (["layers=2", "units_3=64"], "--fix units_3 contradicts --fix layers"),
    ],
)
def test_unusable_fix_is_refused_with_its_reason(fixes, said):
    with pytest.raises(Misuse, match=said):
        narrowing.narrowed(fixes)


def test_baselines_lie_in_the_space_and_in_what_a_fix_leaves_of_it():
    inside, outside = narrowing.within(narrowing.narrowed([]))
    assert len(inside) == len(baselines.BASELINES)
    assert outside == []
    inside, outside = narrowing.within(narrowing.narrowed(["activation=relu"]))
    assert outside == ["1 sigmoid"]
    assert all(values["activation"] == "relu" for values in inside)
