"""The schedule of a search, and an estimate of its running time on this machine."""

import itertools
import math
import time
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from search.cli.summary import duration
from search.data.pool import Data
from search.quiet import import_quietly
from search.records.arguments import HyperbandArguments
from search.records.datasets import DATASETS, Dataset, DatasetName
from search.records.reading import Json
from search.records.trial import Values

IMAGES = 4096
"""Number of random images that each measured network trains on. Its second epoch is timed."""


PROBES = (
    {"layers": 1, "units_1": 64, "batch_size": 32},
    {"layers": 5, **{f"units_{i}": 64 for i in range(1, 6)}, "batch_size": 32},
    {"layers": 3, "units_1": 512, "units_2": 512, "units_3": 512, "batch_size": 32},
    {"layers": 3, "units_1": 512, "units_2": 512, "units_3": 512, "batch_size": 256},
    {"layers": 2, "units_1": 1024, "units_2": 1024, "batch_size": 128, "optimizer": "nadam"},
)
"""Networks that spend their time differently: on steps, layers, arithmetic or weight updates."""


DRAWS = 300
"""Number of configurations over which the time of an epoch is averaged."""


STARTUP_SECONDS = 5.0
"""Time to start processes and import packages, once per study."""


def plan(arguments: HyperbandArguments, workers: int) -> Json:
    """Return brackets, trials and epochs, and the seconds they would take with so many workers.

    Raises Misuse if no search can be made with these arguments.
    """
    arguments.check()
    import_quietly("search.studies.kinds")
    from keras_tuner.engine.hyperparameters import Fixed

    from search.networks.space import UNSEARCHED
    from search.studies.kinds import hyperband_of

    oracle = hyperband_of(arguments)
    trials, epochs = oracle.planned()
    fixed = {hp.name: hp.value for hp in oracle.hyperparameters.space if isinstance(hp, Fixed)}
    unsearched = {name: fixed[name] for name in UNSEARCHED if name in fixed}
    build, coefficients = measure(arguments.dataset, unsearched)
    draws = [values for n in range(DRAWS) if (values := oracle.draw(n))]
    dataset = DATASETS[arguments.dataset]
    each = [costs(values, dataset, dataset.train_size) @ coefficients for values in draws]
    epoch = float(np.mean(each))
    brackets: list[dict[str, Any]] = []
    for bracket, rung, size, own in oracle.sizes():
        if rung == 0:
            brackets.append({"bracket": bracket.number, "rungs": []})
        brackets[-1]["rungs"].append({"rung": rung, "trials": size, "epochs_each": own})
    seconds = STARTUP_SECONDS + (trials * build + epochs * epoch) / workers
    return {
        "trials": trials,
        "epochs": epochs,
        "brackets": brackets,
        "seconds": round(seconds),
        "seconds_per_epoch": round(epoch, 3),
        "workers": workers,
    }


def measure(dataset: DatasetName, fixed: Json) -> tuple[float, np.ndarray]:
    """Return the seconds to build and trace a network, and the seconds for each of its `costs`.

    The seconds are never negative.
    fixed: the study's precision and augmentation.
    """
    import keras
    import keras_tuner as kt
    from scipy.optimize import nnls

    from search.networks.baselines import complete
    from search.networks.dense import DenseNetworks
    from search.running.worker import one_thread
    from search.training.loop import EpochLoop

    one_thread()
    shape = DATASETS[dataset]
    images = _noise(dataset)
    builds, rows, seconds = [], [], []
    for changes in PROBES:
        started = time.perf_counter()
        hp = kt.HyperParameters()
        hp.values = values = complete({**changes, **fixed})
        model = DenseNetworks(shape.features, len(shape.classes), IMAGES, 1).build(hp)
        loop = EpochLoop(model, images, values["batch_size"], 0)
        loop.train(0)
        first = time.perf_counter() - started
        started = time.perf_counter()
        loop.train(1)
        seconds.append(time.perf_counter() - started)
        builds.append(first - seconds[-1])
        rows.append(costs(values, shape, IMAGES))
        keras.backend.clear_session()
    scale = np.max(rows, axis=0)
    fitted, _ = nnls(np.array(rows) / scale, np.array(seconds))
    return float(np.mean(builds)), fitted / scale


def costs(values: Values, dataset: Dataset, images: int) -> np.ndarray:
    """Return an epoch's steps, layer steps, multiplications and weight updates, shape (4,)."""
    hidden = [values[f"units_{i}"] for i in range(1, values["layers"] + 1)]
    widths = [dataset.features, *hidden, len(dataset.classes)]
    weights = sum(a * b for a, b in itertools.pairwise(widths))
    steps = math.ceil(images / values["batch_size"])
    return np.array([steps, steps * (len(widths) - 1), images * weights, steps * weights], float)


def _noise(dataset: DatasetName) -> Data:
    generator = np.random.default_rng(0)
    shape = DATASETS[dataset]
    x = generator.integers(0, 256, (IMAGES, shape.features), np.uint8)
    y = generator.integers(0, len(shape.classes), IMAGES).astype(np.uint8)
    return Data(x, y, x[:1], y[:1], 255)


def show_plan(planned: Json) -> None:
    """Print a plan as a table."""
    table = Table("bracket", "rung", "trials", "epochs each", box=None)
    for bracket in planned["brackets"]:
        for rung in bracket["rungs"]:
            cells = (bracket["bracket"], rung["rung"], rung["trials"], rung["epochs_each"])
            table.add_row(*map(str, cells))
    out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    out.print(table)
    out.print(
        f"{planned['trials']} trials, {planned['epochs']} epochs, about "
        f"{duration(planned['seconds'])} here with {planned['workers']} workers "
        f"({planned['seconds_per_epoch']:.2g} s per epoch on average)"
    )
