"""Studies by stock KerasTuner with Keras' own TensorBoard callback, kept in `data/`.

`python -m tests.stock.stock_study` makes the files anew: of a finished study, and of a study that
was killed in the middle of a trial as users' are.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import keras_tuner as kt

from search.data.load import load_pool
from tests.stock.kept import FINISHED, KILLED

KILLED_AT = 12
"""Trials of which the killed study has a file."""


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


def search(directory: Path, max_epochs: int = 9) -> None:
    """Run a stock study on the digits: its project in `stock`, its event files in `board`."""
    keras.utils.set_random_seed(1)
    images = load_pool("digits").split(1)
    tuner = kt.Hyperband(
        Networks(),
        "val_accuracy",
        max_epochs=max_epochs,
        factor=3,
        seed=4,
        directory=str(directory),
        project_name="stock",
        max_consecutive_failed_trials=20,
    )
    tuner.search(
        images.x_train.reshape(-1, 64) / 16.0,
        images.y_train,
        batch_size=128,
        validation_data=(images.x_validation.reshape(-1, 64) / 16.0, images.y_validation),
        callbacks=[keras.callbacks.TensorBoard(str(directory / "board"))],
        verbose=0,
    )


def keep(made: Path, directory: Path) -> None:
    """Copy a study's files without weights, and without what names the machine.

    An event file has the machine in its name, a failed trial's traceback has folders.
    """
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(made, directory, ignore=shutil.ignore_patterns("*.h5"))
    for folder in {path.parent for path in directory.rglob("events.out.tfevents*")}:
        for number, path in enumerate(sorted(folder.glob("events.out.tfevents*"))):
            path.rename(folder / f"events.out.tfevents.{number}.stock")
    for path in directory.rglob("trial.json"):
        path.write_text(re.sub(r'File \\"[^"]*/', r'File \\"', path.read_text()))


def main() -> None:
    """Make `data/` anew."""
    with tempfile.TemporaryDirectory() as scratch:
        finished, killed = Path(scratch, "finished"), Path(scratch, "killed")
        search(finished)
        keep(finished, FINISHED)
        process = subprocess.Popen([sys.executable, "-m", "tests.stock.stock_study", killed])
        while len(list(killed.glob("stock/trial_*/trial.json"))) < KILLED_AT:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        keep(killed, KILLED)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        search(Path(sys.argv[1]))
    else:
        main()
