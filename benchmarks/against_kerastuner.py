"""The time to train fixed lists of configurations, for stock KerasTuner and for this project.

Run as: python -m benchmarks.against_kerastuner

Each side is its own process, timed from start to end, imports and workers included. The stock side
is `keras_tuner.Tuner` with `model.fit`, Keras' TensorBoard callback and TensorFlow's default
threads. This project's side has one worker per core, and writes checkpoints, diagnostics and
TensorBoard files as usual.
"""

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

FIXES = (
    *(f"units_{i}=32:1024" for i in range(1, 6)),
    "norm_first=false",
    "schedule=constant,cosine",
)
"""Fixes the space, so that the lists stay the same if the space grows."""

LISTS = {"assignment": (0, 7), "drawn": (7, 21)}
"""Ranges of draws of a search that begins with the baselines: the baselines, then random draws."""


def configurations(name: str) -> list[dict[str, Any]]:
    """Return the configurations of a list, which are the same on both sides."""
    from search.networks import narrowing
    from search.studies.hyperband import HyperbandOracle

    space = narrowing.narrowed(FIXES)
    first, _ = narrowing.within(space)
    oracle = HyperbandOracle(space, 27, seed=SEED, first=first)
    return [values for n in range(*LISTS[name]) if (values := oracle.draw(n))]


def stock(name: str, directory: Path) -> list[float]:
    """Return the best val_accuracy of each configuration, trained by stock KerasTuner."""
    import keras
    import keras_tuner as kt

    from search.networks import narrowing
    from search.networks.dense import DenseNetworks

    class FixedList(kt.Oracle):
        def populate_space(self, trial_id: str) -> dict[str, Any]:
            begun = len(self.trials)
            if begun == len(chosen):
                return {"status": "STOPPED"}
            return {"status": "RUNNING", "values": dict(chosen[begun])}

    chosen = configurations(name)
    images = load_pool("fashion-mnist").split(SEED)
    x_train, x_validation = (
        x.astype("float32") / images.levels for x in (images.x_train, images.x_validation)
    )
    oracle = FixedList(
        kt.Objective("val_accuracy", "max"), hyperparameters=narrowing.narrowed(FIXES)
    )
    hypermodel = DenseNetworks(784, 10, len(x_train), EPOCHS)
    tuner = kt.Tuner(oracle, hypermodel, directory=str(directory), project_name="stock")
    tuner.search(
        x_train,
        images.y_train,
        epochs=EPOCHS,
        validation_data=(x_validation, images.y_validation),
        callbacks=[keras.callbacks.TensorBoard(str(directory / "board"))],
        verbose=0,
    )
    return [oracle.trials[name].score for name in oracle.start_order]


def ours(name: str, directory: Path) -> list[float]:
    """Return the best val_accuracy of each configuration, trained by this project on all cores."""
    import concurrent.futures

    from rich.console import Console

    from search.quiet import import_quietly
    from search.records.datasets import DATASETS
    from search.records.folder import StudyFolder
    from search.running.cluster import cluster, fork_server
    from search.running.execution import cores
    from search.running.interrupts import Interrupts
    from search.running.worker import KERAS

    fork_server(KERAS.preload)
    pool = load_pool("fashion-mnist")
    study = StudyFolder(directory, "ours")
    with study.locked(), concurrent.futures.ThreadPoolExecutor(1) as importer:
        importer.submit(import_quietly, "search.running.tuner")
        with cluster(cores(), None, KERAS.preload) as client, Interrupts() as interrupts:
            from search.cli.progress import Display
            from search.networks import narrowing
            from search.networks.dense import DenseNetworks
            from search.records.parts import PlannedPart
            from search.records.trial import configuration
            from search.running.tuner import StudyTuner
            from search.studies.oracles import ListOracle

            hypermodel = DenseNetworks(784, 10, DATASETS["fashion-mnist"].train_size, EPOCHS)
            chosen = configurations(name)
            arms = {str(number): values for number, values in enumerate(chosen)}
            part = PlannedPart("benchmark", name, "", EPOCHS, (SEED,), arms)
            oracle = ListOracle(narrowing.narrowed(FIXES), lambda trials: [part])
            display = Display("ours", Console(stderr=True))
            tuner = StudyTuner(study, oracle, hypermodel, display)
            tuner.search(pool, client, KERAS, interrupts)
    scores = {str(configuration(t.hyperparameters.values)): t.score for t in oracle.trials.values()}
    return [scores[str(values)] for values in chosen]


def timed(side: str, name: str) -> tuple[float, np.ndarray]:
    """Return the seconds that a side took for a list, and its scores, shape (configurations,)."""
    with tempfile.TemporaryDirectory() as directory:
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", "benchmarks.against_kerastuner", side, name, directory]
        nowhere = subprocess.DEVNULL
        started = time.perf_counter()
        subprocess.run(command, check=True, env=environment, stdout=nowhere, stderr=nowhere)
        seconds = time.perf_counter() - started
        return seconds, np.array(json.loads((Path(directory) / "scores.json").read_text()))


def main() -> None:
    """Print the table of docs/speed.md. Raises Failure if the data are missing."""
    load_pool("fashion-mnist")
    print(f"| configurations, {EPOCHS} epochs each | stock | epochs/s | ours | epochs/s | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    total = np.zeros(3)
    differences: list[float] = []
    for name in LISTS:
        (stock_seconds, stock_scores), (our_seconds, our_scores) = (
            timed(side, name) for side in ("stock", "ours")
        )
        row = np.array([len(stock_scores) * EPOCHS, stock_seconds, our_seconds])
        print_row(f"{len(stock_scores)} {name}", row)
        total += row
        differences += list(100 * (our_scores - stock_scores))
    print_row("all", total)
    pairs = np.array(differences)
    half = t.ppf(0.975, len(pairs) - 1) * pairs.std(ddof=1) / len(pairs) ** 0.5
    print(
        f"\nBest val_accuracy, ours minus stock, mean of {len(pairs)} pairs: {pairs.mean():+.2f} "
        f"points, 95 % interval [{pairs.mean() - half:+.2f}, {pairs.mean() + half:+.2f}]."
    )


def print_row(name: str, row: np.ndarray) -> None:
    """Print a row of the table. row: epochs, seconds of stock KerasTuner, of this project."""
    epochs, stock_seconds, our_seconds = row
    print(
        f"| {name} | {stock_seconds:.0f} s | {epochs / stock_seconds:.2f} | {our_seconds:.0f} s | "
        f"{epochs / our_seconds:.2f} | {stock_seconds / our_seconds:.1f} |",
        flush=True,
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        folder = Path(sys.argv[3])
        result = {"stock": stock, "ours": ours}[sys.argv[1]](sys.argv[2], folder)
        (folder / "scores.json").write_text(json.dumps(result))
    else:
        sys.exit(ended(main, "benchmarks.against_kerastuner"))
