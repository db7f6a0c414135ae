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


class Folds(kt.HyperModel):
    """Trains two halves one after the other, and returns the History of each."""

    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, x, y, validation_data, epochs, initial_epoch, callbacks):
        return [
            model.fit(x[n::2], y[n::2], epochs=epochs, validation_data=validation_data)
            for n in (0, 1)
        ]


class Apart(kt.HyperModel):
    """Trains its own number of epochs and passes nothing on."""

    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, x, y, validation_data, **kwargs):
        return model.fit(x, y, epochs=3, validation_data=validation_data)


class Fixed(kt.HyperModel):
    """Trains its own number of epochs, whatever the trial says."""

    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, x, y, validation_data, callbacks, **kwargs):
        return model.fit(x, y, epochs=4, validation_data=validation_data, callbacks=callbacks)


class Halved(kt.HyperModel):
    """Prepares the data as a hyperparameter says: every second column, as numbers from 0 to 1."""

    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, x, y, validation_data, **kwargs):
        step = hp.Choice("step", [2, 1])
        images, labels = validation_data
        validation_data = images[:, :, ::step] / 16, labels
        return model.fit(x[:, :, ::step] / 16, y, validation_data=validation_data, **kwargs)


class Twice(kt.HyperModel):
    """Trains the last layer, and then the whole model with another optimizer."""

    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, x, y, **kwargs):
        model.layers[1].trainable = False
        model.compile("sgd", model.loss, metrics=["accuracy"])
        model.fit(x, y, epochs=1)
        model.layers[1].trainable = True
        model.compile("adam", model.loss, metrics=["accuracy"])
        return model.fit(x, y, **kwargs)


class Hidden(kt.HyperModel):
    """Declares a hyperparameter that no exploration finds: only `fit` asks for it."""

    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=hp.Int("late", 10, 1000), **kwargs)
