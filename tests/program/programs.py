"""Hypermodels and programs that the tests run, as KerasTuner's users write them."""

import keras
import keras_tuner as kt
import numpy as np


def build(hp):
    model = keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dense(hp.Int("units", 8, 32, step=8), activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    rate = hp.Choice("rate", [0.1, 0.01])
    model.compile(
        keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


class Batches(kt.HyperModel):
    """A `fit` of one's own, with a batch size that is declared there."""

    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=hp.Choice("batch_size", [16, 64]), **kwargs)


class Judged(kt.HyperModel):
    """Returns metrics of its own instead of a history."""

    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, x, y, validation_data, **kwargs):
        model.fit(x, y, **kwargs)
        images, labels = validation_data
        predicted = model.predict(images, verbose=0).argmax(axis=1)
        return {"right": float(np.mean(predicted == labels)), "share": 0.5}


class Number(Judged):
    """Returns a single number, to be minimised."""

    def fit(self, *args, **kwargs):
        return 1 - super().fit(*args, **kwargs)["right"]


class Unlucky(Batches):
    """Cannot train small batches."""

    def fit(self, hp, model, *args, **kwargs):
        if hp.Choice("batch_size", [16, 64]) == 16:
            raise ValueError("these batches are too small")
        return model.fit(*args, **kwargs)


class Hidden(kt.HyperModel):
    """Declares a hyperparameter that no exploration finds: only `fit` asks for it."""

    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=hp.Int("late", 10, 1000), **kwargs)
