"""Search a small convolutional network, from Python or from the command line.

From Python: `python examples/convolutional.py`.
From the command line, which also splits the data by seed, compares and opens a test set once:

    python -m search run --study conv --hypermodel examples/convolutional.py:build --max-epochs 9
    python -m search compare --study filters --hypermodel examples/convolutional.py:build \
        --vary filters=8,16,32 --seeds 5
"""

import keras

import search


def build(hp):
    """Return a convolutional network for grey images of any size and up to ten classes."""
    filters = hp.Int("filters", 8, 32, step=8, default=16)
    layers = [keras.layers.Rescaling(1 / 255), AddChannel()]
    for i in range(hp.Int("blocks", 1, 2, default=2)):
        layers.append(keras.layers.Conv2D(filters * 2**i, 3, padding="same", activation="relu"))
        layers.append(keras.layers.MaxPooling2D())
    layers += [
        keras.layers.Flatten(),
        keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5, default=0.25)),
        keras.layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=1e-3)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


@keras.saving.register_keras_serializable("examples")
class AddChannel(keras.layers.Layer):
    """A layer that gives grey images the channel axis that convolutions expect."""

    def call(self, images):
        return images[..., None]


def main(train, validation, directory="tuner_logs", max_epochs=9):
    """Search, and return the tuner.

    train, validation: pairs of images from 0 to 255, shape (images, height, width), and of labels.
    """
    tuner = search.Hyperband(
        build,
        objective="val_loss",
        max_epochs=max_epochs,
        directory=directory,
        project_name="convolutional",
        seed=1,
    )
    tuner.search(*train, validation_data=validation, batch_size=64)
    tuner.results_summary(3)
    return tuner


if __name__ == "__main__":
    (x_train, y_train), _ = keras.datasets.fashion_mnist.load_data()
    main((x_train[:-6000], y_train[:-6000]), (x_train[-6000:], y_train[-6000:]))
