"""Search your own model: a network with one tuned layer and a tuned learning rate.

This is the program that KerasTuner's users know from TensorFlow's tutorial. Only the import is new.
Run it with `python examples/own_hypermodel.py`. It trains on Fashion-MNIST, which Keras downloads.
"""

import keras
import numpy as np

import search


def build(hp):
    """Return a compiled model. Every value that is searched is declared where it is used."""
    model = keras.Sequential()
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(hp.Int("units", 32, 512, step=32), activation="relu"))
    model.add(keras.layers.Dense(10))
    rate = hp.Choice("learning_rate", [1e-2, 1e-3, 1e-4])
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def main(train, test, directory="tuner_logs", max_epochs=10):
    """Search, train the best configuration again, and return its accuracy on the test set.

    train, test: pairs of images from 0 to 1, shape (images, height, width), and of labels.
    """
    x, y = train
    tuner = search.Hyperband(
        build,
        objective="val_accuracy",
        max_epochs=max_epochs,
        factor=3,
        directory=directory,
        project_name="own_hypermodel",
        seed=1,
    )
    stop_early = keras.callbacks.EarlyStopping(monitor="val_loss", patience=5)
    tuner.search(x, y, epochs=50, validation_split=0.2, callbacks=[stop_early])
    tuner.results_summary(3)

    best = tuner.get_best_hyperparameters()[0]
    print(f"best: {best.get('units')} units, learning rate {best.get('learning_rate')}")
    model = tuner.hypermodel.build(best)
    history = model.fit(x, y, epochs=max_epochs, validation_split=0.2, verbose=0)
    epochs = 1 + int(np.argmax(history.history["val_accuracy"]))
    model = tuner.hypermodel.build(best)
    model.fit(x, y, epochs=epochs, verbose=0)
    accuracy = model.evaluate(*test, verbose=0, return_dict=True)["accuracy"]
    print(f"test accuracy after {epochs} epochs: {accuracy:.4f}")
    return accuracy


if __name__ == "__main__":
    (x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
    main((x_train / 255.0, y_train), (x_test / 255.0, y_test))
