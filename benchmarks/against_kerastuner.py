"""The same fixed list of configurations, trained by stock KerasTuner and by this project.

Run as: python -m benchmarks.against_kerastuner

Each side is a process of its own, timed from its start to its end, imports and workers included.
The stock side is `keras_tuner.Tuner` with `model.fit`, TensorFlow's threads as they come; ours is
one worker a core, writing checkpoints, diagnostics and TensorBoard as it always does.
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

CONFIGURATIONS = 14
EPOCHS = 5
"""Of each; Hyperband at 27 epochs by 3 trains 375 epochs in 70 trials, 5.4 a trial."""

SEED = 1


def configurations() -> list[dict[str, Any]]:
    """The first configurations that a study of the whole space draws."""
    from search import narrowing
    from search.oracles import HyperbandOracle

    oracle = HyperbandOracle(None, narrowing.narrowed([]), 27, seed=SEED)  # type: ignore[arg-type]
    return [values for n in range(CONFIGURATIONS) if (values := oracle.draw(n))]


def stock(directory: Path) -> list[float]:
    """Best val_accuracy of each configuration, by KerasTuner as everybody uses it."""
    import keras_tuner as kt

    from search import data, narrowing, space

    class FixedList(kt.Oracle):
        def populate_space(self, trial_id: str) -> dict[str, Any]:
            begun = len(self.trials)
            if begun == CONFIGURATIONS:
                return {"status": "STOPPED"}
            return {"status": "RUNNING", "values": dict(chosen[begun])}

    chosen = configurations()
    images = data.load("fashion-mnist", SEED)
    x_train, x_validation = (
        x.astype("float32") / images.levels for x in (images.x_train, images.x_validation)
    )
    oracle = FixedList(kt.Objective("val_accuracy", "max"), hyperparameters=narrowing.narrowed([]))
    hypermodel = space.DenseNetworks(784, 10, len(x_train), EPOCHS)
    tuner = kt.Tuner(oracle, hypermodel, directory=str(directory), project_name="stock")
    tuner.search(
        x_train,
        images.y_train,
        epochs=EPOCHS,
        validation_data=(x_validation, images.y_validation),
        verbose=0,
    )
    return [oracle.trials[name].score for name in oracle.start_order]


def ours(directory: Path) -> list[float]:
    """The same by this project, with every core."""
    import concurrent.futures

    from rich.console import Console

    from search.quiet import import_quietly
    from search.run import cores
    from search.store import Study
    from search.workers import cluster

    study = Study(directory, "ours")
    with study.locked(), concurrent.futures.ThreadPoolExecutor(1) as importer:
        importer.submit(import_quietly, "search.tuner")
        with cluster(cores(), None) as client:
            from search import data, narrowing, space
            from search.oracles import ListOracle, configuration
            from search.progress import Display
            from search.tuner import StudyTuner

            images = data.load("fashion-mnist", SEED)
            hypermodel = space.DenseNetworks(784, 10, len(images.x_train), EPOCHS)
            chosen = configurations()
            oracle = ListOracle(study, narrowing.narrowed([]), chosen, EPOCHS, SEED)
            StudyTuner(study, oracle, hypermodel, Display("ours", Console(stderr=True))).search(
                images, client
            )
    scores = {str(configuration(t.hyperparameters.values)): t.score for t in oracle.trials.values()}
    return [scores[str(values)] for values in chosen]


def timed(side: str) -> tuple[float, np.ndarray]:
    """Seconds that a side's process took, and its scores, shape (CONFIGURATIONS,)."""
    with tempfile.TemporaryDirectory() as directory:
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", "benchmarks.against_kerastuner", side, directory]
        started = time.perf_counter()
        subprocess.run(
            command,
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - started
        return seconds, np.array(json.loads((Path(directory) / "scores.json").read_text()))


def main() -> None:
    """Prints a table for the README."""
    from scipy.stats import t

    work = CONFIGURATIONS * EPOCHS
    (stock_seconds, stock_scores), (our_seconds, our_scores) = timed("stock"), timed("ours")
    print(
        f"| {CONFIGURATIONS} configurations, {EPOCHS} epochs each | seconds | epochs per second |"
    )
    print("| --- | --- | --- |")
    print(f"| stock KerasTuner, model.fit | {stock_seconds:.0f} | {work / stock_seconds:.2f} |")
    print(f"| this project | {our_seconds:.0f} | {work / our_seconds:.2f} |")
    print(f"| ratio | | {stock_seconds / our_seconds:.1f} |")
    difference = 100 * (our_scores - stock_scores)
    half = t.ppf(0.975, CONFIGURATIONS - 1) * difference.std(ddof=1) / CONFIGURATIONS**0.5
    print(
        f"\nMean val_accuracy {100 * stock_scores.mean():.2f} % and {100 * our_scores.mean():.2f} %; "
        f"difference in pairs {difference.mean():+.2f} points, 95 % interval "
        f"[{difference.mean() - half:+.2f}, {difference.mean() + half:+.2f}]."
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        folder = Path(sys.argv[2])
        result = {"stock": stock, "ours": ours}[sys.argv[1]](folder)
        (folder / "scores.json").write_text(json.dumps(result))
    else:
        main()
