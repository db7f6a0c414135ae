"""Fresh statistics of batch normalisation, against the statistics by hand."""

import keras
import numpy as np
import pytest

from search.training.statistics import validated_afresh


def network(*middle):
    keras.utils.set_random_seed(1)
    layers = [keras.Input((4,)), *middle, keras.layers.Dense(3, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def examples(count, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(3, 2, (count, 4)).astype("float32"), rng.integers(0, 3, count)


def test_they_are_those_of_the_training_examples():
    """Of one batch: (x − mean) / √(variance + 0.001), for which a second model has the numbers."""
    normalisation = keras.layers.BatchNormalization()
    model = network(normalisation, keras.layers.Dropout(0.5))
    x, _ = examples(600, 1)
    validation = examples(200, 2)
    before = normalisation.get_weights()
    found = validated_afresh(model, x, validation)
    assert all(
        np.array_equal(a, b) for a, b in zip(normalisation.get_weights(), before, strict=True)
    )
    assert normalisation.momentum == 0.99
    gamma, beta, *_ = before
    normalisation.set_weights([gamma, beta, x.mean(axis=0), x.var(axis=0)])
    loss, accuracy = model.evaluate(*validation, verbose=0)
    assert found["val_accuracy"] == pytest.approx(accuracy)
    assert found["val_loss"] == pytest.approx(loss, rel=1e-4)


def test_several_batches_count_alike():
    """2,000 examples are two batches: the mean of their statistics."""
    normalisation = keras.layers.BatchNormalization()
    model = network(normalisation)
    x, _ = examples(2000, 3)
    validation = examples(200, 4)
    found = validated_afresh(model, x, validation)
    gamma, beta, *_ = normalisation.get_weights()
    halves = np.split(x, 2)
    mean = np.mean([half.mean(axis=0) for half in halves], axis=0)
    variance = np.mean([half.var(axis=0) for half in halves], axis=0)
    normalisation.set_weights([gamma, beta, mean, variance])
    assert found["val_loss"] == pytest.approx(model.evaluate(*validation, verbose=0)[0], rel=1e-4)


def test_a_model_without_them_is_not_measured():
    assert validated_afresh(network(), *[examples(10, 5)[0], examples(10, 6)]) == {}
