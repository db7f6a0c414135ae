"""A study by stock KerasTuner with Keras' own TensorBoard callback: `python -m tests.stock.stock_study`.

Run as a process of its own, so that it can be killed in the middle of a trial as users' are.
"""

import sys
from pathlib import Path

import keras
import keras_tuner as kt

from search.data.load import load_pool


class Networks(kt.HyperModel):
    """Small networks; some of three layers cannot be built, so that their trials fail."""

    def build(self, hp):
        model = keras.Sequential([keras.Input((64,))])
        for i in range(hp.Int("layers", 1, 3)):
            with hp.conditional_scope("layers", list(range(i + 1, 4))):
                units = hp.Int(f"units_{i}", 8, 64, sampling="log")
            model.add(keras.layers.Dense(units, activation="relu"))
        if hp.get("layers") == 3 and hp.get("units_0") > 32:
            raise ValueError("three layers, the first of more than 32 units")
        model.add(keras.layers.Dense(10, activation="softmax"))
        name = hp.Choice("optimizer", ["sgd", "adam"])
        with hp.conditional_scope("optimizer", ["sgd"]):
            rate = hp.Float("sgd_lr", 1e-3, 1, sampling="log")
        if name == "adam":
            with hp.conditional_scope("optimizer", ["adam"]):
                rate = hp.Float("adam_lr", 1e-4, 1e-1, sampling="log")
        optimizer = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}[name](rate)
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model


def main(directory: Path) -> None:
    keras.utils.set_random_seed(1)
    images = load_pool("digits").split(1)
    tuner = kt.Hyperband(
        Networks(),
        "val_accuracy",
        max_epochs=9,
        factor=3,
        seed=4,
        directory=str(directory),
        project_name="stock",
        max_consecutive_failed_trials=20,
    )
    tuner.search(
        images.x_train / 16.0,
        images.y_train,
        batch_size=128,
        validation_data=(images.x_validation / 16.0, images.y_validation),
        callbacks=[keras.callbacks.TensorBoard(str(directory / "board"))],
        verbose=0,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
