"""The schedule of a search, and an estimate of its running time on this machine."""

import random
import time
from dataclasses import fields
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from search.cli.summary import duration
from search.data.load import load_pool
from search.data.pool import Data
from search.quiet import import_quietly
from search.records.arguments import HyperbandArguments
from search.records.datasets import DATASETS, Dataset
from search.records.errors import Failure
from search.records.folder import RECORD, StudyFolder
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


OWN_PROBES = 4
"""Number of configurations of an own hypermodel that are measured."""


DRAWS = 300
"""Number of configurations over which the time of an epoch is averaged."""


STARTUP_SECONDS = 5.0
"""Time to start processes and import packages, once per study."""


def plan(
    arguments: HyperbandArguments, workers: int, logs: Path, data_dir: Path | None = None
) -> Json:
    """Return brackets, trials and epochs, and the seconds they would take with so many workers.

    logs: folder of earlier studies, which show how long a target takes.
    data_dir: folder of the Fashion-MNIST files, which only an own hypermodel needs.
    Raises Misuse if no search can be made with these arguments.
    """
    arguments.check()
    import_quietly("search.studies.kinds")
    from search.running.worker import configure
    from search.studies.kinds import hyperband_of, hypermodel_of, space_of

    if arguments.hypermodel:
        # Before models are built, because TensorFlow takes these settings only before its first use.
        configure()
    if arguments.hypermodel or arguments.data:
        pool = load_pool(arguments.dataset, arguments.data, data_dir)
        facts, examples = pool.facts, pool.split(arguments.seed)
    else:
        facts = DATASETS[arguments.dataset]
        examples = _noise(facts)
    hypermodel = hypermodel_of(arguments, facts).hypermodel
    oracle = hyperband_of(arguments, space_of(arguments, hypermodel))
    trials, epochs = oracle.planned()
    draws = [values for n in range(DRAWS) if (values := _typical(oracle, n))]
    configure()
    if arguments.hypermodel:
        build, epoch = measure_own(hypermodel, facts, examples, draws)
    else:
        build, epoch = measure_dense(oracle.hyperparameters, facts, draws)
    brackets: list[dict[str, Any]] = []
    for bracket, rung, size, own in oracle.sizes():
        if rung == 0:
            brackets.append({"bracket": bracket.number, "rungs": []})
        brackets[-1]["rungs"].append({"rung": rung, "trials": size, "epochs_each": own})
    builds = trials * arguments.executions * build
    seconds = STARTUP_SECONDS + (builds + epochs * epoch) / workers
    to_target = seconds_to_target(arguments, facts, logs)
    reached = [seconds for seconds in to_target.values() if seconds is not None]
    return {
        "trials": trials,
        "epochs": epochs,
        "brackets": brackets,
        "seconds": round(seconds),
        "seconds_per_epoch": round(epoch, 3),
        "workers": workers,
        "target": arguments.target,
        "target_seconds": round(median(reached)) if reached else None,
        "target_reached": [name for name, seconds in to_target.items() if seconds is not None],
        "target_missed": [name for name, seconds in to_target.items() if seconds is None],
    }


def _typical(oracle: Any, n: int) -> Values | None:
    """Return a configuration as a search draws them, before it has learned anything."""
    from search.studies.samplers import from_prior

    if oracle.is_random(n):
        found: Values | None = oracle.draw(n)
        return found
    return from_prior(oracle.explored, oracle.textbook, random.Random(n))


def seconds_to_target(
    arguments: HyperbandArguments, facts: Dataset, logs: Path
) -> dict[str, float | None]:
    """Return the seconds after which earlier searches reached the target, by study.

    Searches count that had the same kind of data and the same arguments but seed and target. None:
    the search ended without reaching the target.
    """
    found: dict[str, float | None] = {}
    if arguments.target is None:
        return found
    free = {"seed", "target", "iterations", "data"}
    alike = {f.name for f in fields(arguments)} - free
    for path in sorted(logs.glob(f"*/{RECORD}")):
        folder = StudyFolder(logs, path.parent.name)
        try:
            record = folder.record()
            own = record.arguments
            if not isinstance(own, HyperbandArguments) or record.facts != facts:
                continue
            if any(getattr(own, name) != getattr(arguments, name) for name in alike):
                continue
            trials, _ = folder.read_trials()
        except Failure:
            continue  # `status` and `report` say what is wrong with it
        ends = [
            row.time
            for trial in trials.values()
            if trial.run
            for row in trial.run.epochs
            if record.objective.reaches(record.objective.value(row.logs), arguments.target)
        ]
        if ends or record.finished:
            found[folder.name] = record.worked_until(min(ends)) if ends else None
    return found


def measure_own(
    hypermodel: Any, facts: Dataset, examples: Data, draws: list[Values]
) -> tuple[float, float]:
    """Return the seconds to build and trace an own model, and the seconds of its epoch.

    hypermodel: a `kt.HyperModel`.

    Both are means over the first configurations of the search, trained on some of the examples.
    """
    import keras
    import keras_tuner as kt

    from search.training.fit import Fit

    x, y = examples.x_train[:IMAGES], examples.y_train[:IMAGES]
    builds, seconds = [], []
    for values in draws[:OWN_PROBES]:
        hp = kt.HyperParameters()
        hp.values = dict(values)
        started = time.perf_counter()
        model = hypermodel.build(hp)
        model.fit = Fit(model, 0)
        ends: list[float] = []
        note = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs, ends=ends: ends.append(time.perf_counter())
        )
        hypermodel.fit(hp, model, x, y, epochs=2, callbacks=[note])
        seconds.append((ends[1] - ends[0]) * facts.train_size / len(x))
        builds.append(max(0.0, ends[0] - started - (ends[1] - ends[0])))
        keras.backend.clear_session()
    return float(np.mean(builds)), float(np.mean(seconds))


def measure_dense(space: Any, facts: Dataset, draws: list[Values]) -> tuple[float, float]:
    """Return the seconds to build and trace a dense network, and the mean seconds of its epoch.

    space: the narrowed `kt.HyperParameters` of the search.
    """
    from keras_tuner.engine.hyperparameters import Fixed

    from search.networks.dense import costs
    from search.networks.space import UNSEARCHED

    fixed = {hp.name: hp.value for hp in space.space if isinstance(hp, Fixed)}
    unsearched = {name: fixed[name] for name in UNSEARCHED if name in fixed}
    build, coefficients = measure(facts, unsearched)
    each = [costs(values, facts, facts.train_size) @ coefficients for values in draws]
    return build, float(np.mean(each))


def measure(facts: Dataset, fixed: Json) -> tuple[float, np.ndarray]:
    """Return the seconds to build and trace a network, and the seconds for each of its `costs`.

    The seconds are never negative.
    fixed: the study's precision and augmentation.
    """
    import keras
    import keras_tuner as kt
    from scipy.optimize import nnls

    from search.networks.baselines import complete
    from search.networks.dense import DenseNetworks, costs
    from search.training.loop import EpochLoop

    images = _noise(facts)
    train, held_out = (images.x_train, images.y_train), (images.x_validation, images.y_validation)
    builds, rows, seconds = [], [], []
    for changes in PROBES:
        started = time.perf_counter()
        hp = kt.HyperParameters()
        hp.values = values = complete({**changes, **fixed})
        model = DenseNetworks(facts, 1).build(hp)
        loop = EpochLoop(model, train, held_out, values["batch_size"], 0)
        loop.train(0)
        first = time.perf_counter() - started
        started = time.perf_counter()
        loop.train(1)
        seconds.append(time.perf_counter() - started)
        builds.append(first - seconds[-1])
        rows.append(costs(values, facts, IMAGES))
        keras.backend.clear_session()
    scale = np.max(rows, axis=0)
    fitted, _ = nnls(np.array(rows) / scale, np.array(seconds))
    return float(np.mean(builds)), fitted / scale


def _noise(facts: Dataset) -> Data:
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (IMAGES, *facts.shape), np.uint8)
    y = generator.integers(0, len(facts.classes), IMAGES).astype(np.uint8)
    return Data(x, y, x[:1], y[:1])


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
    if planned["target"] is None:
        return
    if planned["target_seconds"] is None:
        out.print(
            f"the time to the target {planned['target']:g} is unknown, because no earlier search in "
            "--logs with the same arguments has reached it"
        )
        return
    reached, missed = planned["target_reached"], planned["target_missed"]
    out.print(
        f"target {planned['target']:g}: about {duration(planned['target_seconds'])}, because "
        f"{len(reached)} of {len(reached) + len(missed)} earlier searches reached it: "
        f"{', '.join(reached)}"
    )
