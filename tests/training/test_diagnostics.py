"""Gradients, saturation and dead units, where theory says what they are."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from search.networks.dense import DenseNetworks
from search.records.datasets import DATASETS
from search.training.diagnostics import Probe


@pytest.fixture
def look(digits, make_hp):
    def at_start(**changes):
        keras.utils.set_random_seed(1)
        model = DenseNetworks(DATASETS["digits"], 1).build(make_hp(**changes))
        return Probe.of(model, digits.x_train, digits.y_train).look(model)

    return at_start


def test_zeros_with_relu_no_gradient_reaches_a_kernel(look):
    seen = look(initializer="zeros")
    assert all(value == 0 for name, value in seen.items() if name.startswith("gradient_norm/"))
    assert all(seen[f"dead/hidden_{i}"] == 1 for i in (1, 2, 3))


def test_zeros_with_sigmoid_only_the_output_layer_learns(look):
    seen = look(initializer="zeros", activation="sigmoid")
    assert seen["gradient_norm/output"] > 0
    assert all(seen[f"gradient_norm/hidden_{i}"] == 0 for i in (1, 2, 3))


def test_sigmoid_gradients_shrink_layer_by_layer_and_relus_do_not(look):
    sigmoid, relu = look(activation="sigmoid"), look(activation="relu")
    assert sigmoid["gradient_norm/hidden_1"] < 0.2 * sigmoid["gradient_norm/hidden_3"]
    assert relu["gradient_norm/hidden_1"] > 0.5 * relu["gradient_norm/hidden_3"]


def test_normalised_units_are_looked_at_where_their_activation_takes_them(digits, make_hp):
    """An offset of −9 leaves every normalised value flat, whatever the layer before gave."""
    changes = {"layers": 1, "batch_norm": True, "norm_first": True, "activation": "sigmoid"}
    model = DenseNetworks(DATASETS["digits"], 1).build(make_hp(**changes))
    assert Probe.of(model, digits.x_train, digits.y_train).look(model)["saturated/hidden_1"] == 0
    model.get_layer("batch_norm_1").beta.assign(np.full(128, -9.0))
    seen = Probe.of(model, digits.x_train, digits.y_train).look(model)
    assert (seen["saturated/hidden_1"], seen["dead/hidden_1"]) == (1, 1)
    assert seen["gradient_norm/hidden_1"] > 0


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("norm_first", [False, True])
def test_diagnostics_follow_the_model(digits, make_hp, precision, norm_first):
    """The layers by hand give the loss that the whole model gives: their gradients are its own."""
    hp = make_hp(batch_norm=True, norm_first=norm_first, dropout=0.2, precision=precision)
    model = DenseNetworks(DATASETS["digits"], 1).build(hp)
    probe = Probe.of(model, digits.x_train, digits.y_train)
    seen = probe.look(model)
    with tf.GradientTape() as tape:
        predicted = model(probe.examples, training=False)
        losses = keras.losses.sparse_categorical_crossentropy(probe.labels, predicted)
        loss = tf.reduce_mean(losses)
    kernel = model.get_layer("hidden_1").kernel.value
    norm = float(tf.norm(tape.gradient(loss, kernel)))
    near = 1e-4 if precision == "float32" else 0.05
    assert seen["gradient_norm/hidden_1"] == pytest.approx(norm, rel=near)


def test_gradient_is_that_of_the_cross_entropy(digits, make_hp):
    """Against a difference quotient along the gradient's own direction."""
    keras.utils.set_random_seed(1)
    model = DenseNetworks(DATASETS["digits"], 1).build(make_hp(activation="tanh", layers=1))
    probe = Probe.of(model, digits.x_train, digits.y_train)
    norm = probe.look(model)["gradient_norm/output"]

    def loss():
        predicted = model(probe.examples, training=False)
        return keras.losses.sparse_categorical_crossentropy(probe.labels, predicted).numpy().mean()

    flat = model.get_layer("scaled")(model.get_layer("flat")(probe.examples))
    hidden = model.get_layer("hidden_1")(flat).numpy()
    error = model(probe.examples).numpy() - np.eye(10)[probe.labels]
    gradient = hidden.T @ error / len(error)
    assert norm == pytest.approx(np.linalg.norm(gradient), rel=1e-5)
    kernel = model.get_layer("output").kernel
    before = loss()
    kernel.assign_sub(1e-3 * gradient / norm)
    assert (before - loss()) / 1e-3 == pytest.approx(norm, rel=0.02)


def test_saturation_by_hand():
    """Slopes of sigmoid at 0 and at 6 are 1/4 and 0.0025, under 5 % of 1/4 only the second."""
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(2, activation="sigmoid", name="hidden_1"),
            keras.layers.Dense(10, activation="softmax", name="output"),
        ]
    )
    model.get_layer("hidden_1").set_weights([np.array([[6.0, 0.0]]), np.zeros(2)])
    probe = Probe(keras.ops.convert_to_tensor([[0.0], [1.0]]), keras.ops.convert_to_tensor([0, 1]))
    seen = probe.look(model)
    assert seen["saturated/hidden_1"] == 0.25
    assert seen["dead/hidden_1"] == 0
    assert seen["weight_norm/hidden_1"] == 6
