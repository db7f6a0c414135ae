"""One program with two imports: the same trials by stock KerasTuner and by this project.

Run as: python -m benchmarks.against_kerastuner

Each side is its own process, timed from start to end, imports and workers included. Both search the
same configurations of the same hypermodels with the same call, on Fashion-MNIST, with whatever
threads and workers they take by default.
"""

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from search.data.load import load_pool
from search.records.commands import ended

EPOCHS = 5
"""Epochs per trial. Hyperband with 27 epochs and factor 3 trains 375 epochs in 70 trials, so 5.4
epochs per trial."""

SEED = 1

UNITS, RATES = (128, 256, 512), (0.0003, 0.001, 0.003)
FILTERS = (8, 16)


def tutorial(hp: Any) -> Any:
    """Return the network of TensorFlow's Hyperband tutorial: a tuned layer, a tuned rate."""
    import keras

    number = hp.Choice("number", list(range(len(UNITS) * len(RATES))))
    units, rate = UNITS[number // len(RATES)], RATES[number % len(RATES)]
    model = keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def assignment(hp: Any) -> Any:
    """Return the assignment's network: three layers of 128 units, with tuned activation and rate."""
    import keras

    activations = ("relu", "tanh", "sigmoid")
    number = hp.Choice("number", list(range(len(activations) * len(RATES))))
    activation, rate = activations[number // len(RATES)], RATES[number % len(RATES)]
    hidden = [keras.layers.Dense(128, activation=activation) for _ in range(3)]
    output = keras.layers.Dense(10, activation="softmax")
    model = keras.Sequential([keras.layers.Flatten(), *hidden, output])
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def convolutional(hp: Any) -> Any:
    """Return two small convolutions, with tuned filters and rate."""
    import keras

    number = hp.Choice("number", list(range(len(FILTERS) * len(RATES))))
    filters, rate = FILTERS[number // len(RATES)], RATES[number % len(RATES)]
    model = keras.Sequential(
        [
            keras.layers.Reshape((28, 28, 1)),
            keras.layers.Conv2D(filters, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(2 * filters, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


NETWORKS = {
    "tutorial": (tutorial, len(UNITS) * len(RATES)),
    "assignment": (assignment, 3 * len(RATES)),
    "convolutional": (convolutional, len(FILTERS) * len(RATES)),
}
"""By name: the hypermodel and the number of its configurations."""


def program(tuners: str, name: str, directory: Path) -> dict[str, float]:
    """Search all configurations of a network, and return the best val_accuracy of each by number.

    tuners: the module whose RandomSearch is used, `keras_tuner` or `search`.
    """
    import keras

    module = importlib.import_module(tuners)
    pool = load_pool("fashion-mnist")
    # As the tutorial divides the images by 255, in the order of the files.
    x, y = pool.images.astype("float32") / 255, pool.labels
    hypermodel, count = NETWORKS[name]
    tuner = module.RandomSearch(
        hypermodel, objective="val_accuracy", max_trials=count, seed=SEED, directory=str(directory)
    )
    # Without this, KerasTuner may give up before it has drawn every configuration.
    tuner.oracle._max_collisions = 1000
    stop_early = keras.callbacks.EarlyStopping(monitor="val_loss", patience=5)
    tuner.search(x, y, epochs=EPOCHS, validation_split=0.2, callbacks=[stop_early], verbose=0)
    trials = tuner.oracle.trials.values()
    return {str(t.hyperparameters.values["number"]): t.score for t in trials}


def timed(tuners: str, name: str) -> tuple[float, np.ndarray]:
    """Return the seconds that a side took, and its scores by number, shape (configurations,)."""
    with tempfile.TemporaryDirectory() as directory:
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", "benchmarks.against_kerastuner", tuners, name, directory]
        nowhere = subprocess.DEVNULL
        started = time.perf_counter()
        subprocess.run(command, check=True, env=environment, stdout=nowhere, stderr=nowhere)
        seconds = time.perf_counter() - started
        scores = json.loads((Path(directory) / "scores.json").read_text())
        return seconds, np.array([scores[str(n)] for n in range(NETWORKS[name][1])])


def main() -> None:
    """Print the table of docs/speed.md. Raises Failure if the data are missing."""
    load_pool("fashion-mnist")
    print("| network | trials | stock | epochs/s | keras-study | epochs/s | ratio | val_accuracy |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, (_, count) in NETWORKS.items():
        (stock, before), (ours, now) = (timed(side, name) for side in ("keras_tuner", "search"))
        epochs = count * EPOCHS
        pairs = 100 * (now - before)
        half = t.ppf(0.975, count - 1) * pairs.std(ddof=1) / count**0.5
        print(
            f"| {name} | {count} × {EPOCHS} epochs | {stock:.0f} s | {epochs / stock:.2f} | "
            f"{ours:.0f} s | {epochs / ours:.2f} | {stock / ours:.1f} | {pairs.mean():+.2f} points "
            f"[{pairs.mean() - half:+.2f}; {pairs.mean() + half:+.2f}] |",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with contextlib.redirect_stdout(sys.stderr):
            result = program(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
        (Path(sys.argv[3]) / "scores.json").write_text(json.dumps(result))
    else:
        sys.exit(ended(main, "benchmarks.against_kerastuner"))
