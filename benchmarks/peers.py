"""Other tuners on the networks of this project, each as its documentation uses it.

Run by benchmarks.time_to_target as: python -m benchmarks.peers TUNER SEED DATA FOLDER [--loop]

Every tuner searches the whole space of the dense networks, on the split of the seed. Models train by
`model.fit`, or by this project's compiled loop with --loop. Three tuners are controls of our own:
`random`, `one-epoch` and `limit`. All but KerasTuner train on two processes of one thread.
"""

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
from keras_tuner.engine import hyperparameters as kinds

from search.data.load import load_pool
from search.networks.baselines import TEXTBOOK, complete
from search.networks.dense import DenseNetworks
from search.networks.narrowing import log_steps, narrowed
from search.networks.spaces import configured
from search.records.trial import Values
from search.training.fit import Fit

EPOCHS = 27
"""Epochs of the longest trials, as in `search run`."""

FACTOR = 3

WORKERS = 2

DRAWS = 49
"""Configurations that `one-epoch` trains: as many as a Hyperband search of 27 epochs draws."""


@dataclass(frozen=True)
class Job:
    """One run of a tuner.

    data: `fashion-mnist`, `digits` or an .npz file.
    folder: receives a line for each epoch, in a file for each process.
    loop: whether this project's compiled loop trains.
    """

    tuner: str
    seed: int
    data: str
    folder: Path
    loop: bool


class Note(keras.callbacks.Callback):
    """Writes down each epoch's validation accuracy and its time."""

    transient = True

    def __init__(self, folder: Path):
        super().__init__()
        self.file = folder / f"epochs-{os.getpid()}.jsonl"

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        row = {"time": time.time(), "val_accuracy": float((logs or {})["val_accuracy"])}
        with self.file.open("a") as file:
            file.write(json.dumps(row) + "\n")


class Networks(DenseNetworks):
    """The dense networks, trained by the loop if asked."""

    def __init__(self, facts: Any, horizon: int | None, job: Job):
        super().__init__(facts, horizon)
        self.job = job

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        model = super().build(hp)
        if self.job.loop:
            model.fit = Fit(model, self.job.seed)
        return model


@cache
def examples(data: str, seed: int) -> tuple[Any, Any]:
    """Return the facts of a data set, and its split by a seed."""
    own = None if data in ("fashion-mnist", "digits") else data
    pool = load_pool("fashion-mnist" if own else data, own)  # type: ignore[arg-type]
    return pool.facts, pool.split(seed)


def train(
    job: Job, values: Values, epochs: int, horizon: int, *callbacks: keras.callbacks.Callback
) -> float:
    """Train a configuration from its first epoch, and return its best validation accuracy.

    horizon: the epochs in which a schedule falls.
    """
    facts, data = examples(job.data, job.seed)
    keras.backend.clear_session()
    hp = kt.HyperParameters()
    hp.values = dict(values)
    networks = Networks(facts, horizon, job)
    model = networks.build(hp)
    history = networks.fit(
        hp,
        model,
        data.x_train,
        data.y_train,
        validation_data=(data.x_validation, data.y_validation),
        epochs=epochs,
        verbose=0,
        callbacks=[Note(job.folder), *callbacks],
    )
    return float(max(history.history["val_accuracy"]))


def one_thread(job: Job) -> None:
    """Give this process one thread, which does not slow the training on two processes."""
    if job.loop:
        from search.running.worker import configure

        configure()
    else:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def drawn(seed: int, n: int) -> Values:
    """Return a random configuration."""
    return configured(narrowed([]), lambda hp: hp.random_sample(f"{seed} {n} {hp.name}"))


def keras_tuner(job: Job) -> None:
    """Search as TensorFlow's tutorial does (tensorflow.org/tutorials/keras/keras_tuner)."""
    facts, data = examples(job.data, job.seed)
    tuner = kt.Hyperband(
        Networks(facts, EPOCHS, job),
        objective="val_accuracy",
        max_epochs=EPOCHS,
        factor=FACTOR,
        seed=job.seed,
        hyperparameters=narrowed([]),
        directory=str(job.folder),
        project_name="project",
    )
    tuner.search(
        data.x_train,
        data.y_train,
        validation_data=(data.x_validation, data.y_validation),
        callbacks=[
            keras.callbacks.EarlyStopping(monitor="val_loss", patience=5),
            Note(job.folder),
        ],
        verbose=0,
    )


class Reporting(keras.callbacks.Callback):
    """Reports each epoch's validation accuracy."""

    transient = True

    def __init__(self, report: Callable[[int, float], None]):
        super().__init__()
        self.report = report

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.report(epoch, float((logs or {})["val_accuracy"]))


def optuna_worker(job: Job, number: int) -> None:
    """Work on a study that processes share by a file (optuna.readthedocs.io, easy parallelization)."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    one_thread(job)
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: optuna.Trial) -> float:
        def report(epoch: int, value: float) -> None:
            trial.report(value, epoch + 1)
            if trial.should_prune():
                raise optuna.TrialPruned

        values = configured(narrowed([]), partial(suggested, trial))
        return train(job, values, EPOCHS, EPOCHS, Reporting(report))

    study = optuna.create_study(
        study_name="study",
        storage=JournalStorage(JournalFileBackend(str(job.folder / "journal.log"))),
        sampler=optuna.samplers.TPESampler(multivariate=True, group=True, seed=job.seed + number),
        pruner=optuna.pruners.HyperbandPruner(1, EPOCHS, FACTOR),
        direction="maximize",
        load_if_exists=True,
    )
    study.optimize(objective)


def suggested(trial: Any, hp: Any) -> Any:
    """Return Optuna's suggestion for a hyperparameter."""
    if isinstance(hp, kinds.Fixed):
        return hp.value
    if isinstance(hp, kinds.Boolean):
        return trial.suggest_categorical(hp.name, [False, True])
    if isinstance(hp, kinds.Choice):
        return trial.suggest_categorical(hp.name, hp.values)
    if isinstance(hp, kinds.Int) and hp.sampling == "log" and hp.step:
        return trial.suggest_categorical(hp.name, log_steps(hp))
    suggest = trial.suggest_int if isinstance(hp, kinds.Int) else trial.suggest_float
    return suggest(hp.name, hp.min_value, hp.max_value, log=hp.sampling == "log")


def optuna(job: Job) -> None:
    """Search with multivariate TPE and Hyperband pruning on two processes."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=optuna_worker, args=(job, n)) for n in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def smac(job: Job) -> None:
    """Search by SMAC's multi-fidelity facade (automl.github.io/SMAC3, multi-fidelity example)."""
    import ConfigSpace
    from smac import MultiFidelityFacade, Scenario

    space = ConfigSpace.ConfigurationSpace(seed=job.seed)
    declared = {hp.name: hp for hp in narrowed([]).space if not isinstance(hp, kinds.Fixed)}
    for hp in declared.values():
        space.add(of_config_space(ConfigSpace, hp))
    for hp in declared.values():
        conditions = [
            ConfigSpace.InCondition(space[hp.name], space[c.name], list(c.values))
            for c in hp.conditions
            if c.name in declared
        ]
        if len(conditions) == 1:
            space.add(conditions[0])
        elif conditions:
            space.add(ConfigSpace.AndConjunction(*conditions))
    scenario = Scenario(
        space,
        output_directory=job.folder / "smac",
        min_budget=1,
        max_budget=EPOCHS,
        n_trials=100_000,
        n_workers=WORKERS,
        seed=job.seed,
    )
    facade = MultiFidelityFacade(scenario, partial(smac_trial, job), overwrite=True)
    facade.optimize()


def smac_trial(job: Job, config: Any, seed: int = 0, budget: float = EPOCHS) -> float:
    """Return the cost of a configuration. As in SMAC's example, each budget trains from scratch."""
    one_thread(job)
    epochs = round(budget)
    values = {name: np.asarray(value).item() for name, value in dict(config).items()}
    return 1 - train(job, complete(values), epochs, epochs)


def of_config_space(library: Any, hp: Any) -> Any:
    """Return ConfigSpace's hyperparameter."""
    if isinstance(hp, kinds.Boolean):
        return library.Categorical(hp.name, [False, True], default=hp.default)
    if isinstance(hp, kinds.Choice):
        return library.Categorical(hp.name, hp.values, default=hp.default)
    if isinstance(hp, kinds.Int) and hp.sampling == "log" and hp.step:
        return library.OrdinalHyperparameter(hp.name, log_steps(hp), default_value=hp.default)
    kind = library.Integer if isinstance(hp, kinds.Int) else library.Float
    bounds = (hp.min_value, hp.max_value)
    return kind(hp.name, bounds, default=hp.default, log=hp.sampling == "log")


def ray(job: Job) -> None:
    """Search by Ray Tune with ASHA (docs.ray.io/en/latest/tune, ASHAScheduler)."""
    import ray as ray_package
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    ray_package.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    space = {hp.name: of_ray(tune, hp) for hp in narrowed([]).space}
    trainable = tune.with_parameters(ray_trial, job=job)
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="val_accuracy",
            mode="max",
            num_samples=100_000,
            scheduler=ASHAScheduler(max_t=EPOCHS, grace_period=1, reduction_factor=FACTOR),
        ),
        run_config=tune.RunConfig(storage_path=str(job.folder.resolve() / "ray"), verbose=0),
    )
    tuner.fit()


def ray_trial(config: Values, job: Job) -> None:
    """Train one configuration of Ray Tune."""
    from ray import tune

    one_thread(job)

    def report(epoch: int, value: float) -> None:
        tune.report({"val_accuracy": value})

    train(job, complete(config), EPOCHS, EPOCHS, Reporting(report))


def of_ray(tune: Any, hp: Any) -> Any:
    """Return Ray Tune's distribution."""
    if isinstance(hp, kinds.Fixed):
        return hp.value
    if isinstance(hp, kinds.Boolean):
        return tune.choice([False, True])
    if isinstance(hp, kinds.Choice):
        return tune.choice(hp.values)
    if isinstance(hp, kinds.Int) and hp.sampling == "log" and hp.step:
        return tune.choice(log_steps(hp))
    if isinstance(hp, kinds.Int):
        return tune.randint(hp.min_value, hp.max_value + 1)
    uniform = tune.loguniform if hp.sampling == "log" else tune.uniform
    return uniform(hp.min_value, hp.max_value)


def processes(job: Job) -> concurrent.futures.ProcessPoolExecutor:
    """Return two processes of one thread."""
    context = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(
        WORKERS, context, initializer=one_thread, initargs=(job,)
    )


def random(job: Job) -> None:
    """Train random configurations, each to the end."""
    with processes(job) as pool:
        list(pool.map(partial(trained_draw, job), range(1000)))


def trained_draw(job: Job, n: int) -> float:
    """Draw a configuration and train it to the end. Return its best validation accuracy."""
    return trained_for(job, drawn(job.seed, n), EPOCHS)


def one_epoch(job: Job) -> None:
    """Train every configuration for one epoch, then the best to the end (Egele 2023)."""
    values = [drawn(job.seed, n) for n in range(DRAWS)]
    with processes(job) as pool:
        each = list(pool.map(partial(trained_for, job, epochs=1), values))
        best = sorted(range(DRAWS), key=lambda n: -each[n])[:WORKERS]
        list(pool.map(partial(trained_for, job, epochs=EPOCHS), [values[n] for n in best]))


def trained_for(job: Job, values: Values, epochs: int) -> float:
    """Return the best validation accuracy of a configuration."""
    return train(job, values, epochs, EPOCHS)


def limit(job: Job) -> None:
    """Train the textbook network alone, for 9 epochs and then for 27.

    No configuration is known that reaches 0.90 on Fashion-MNIST sooner.
    """
    one_thread(job)
    for epochs in (9, 27):
        train(job, complete(TEXTBOOK), epochs, epochs)


TUNERS: dict[str, Callable[[Job], None]] = {
    "keras-tuner": keras_tuner,
    "optuna": optuna,
    "smac": smac,
    "ray": ray,
    "random": random,
    "one-epoch": one_epoch,
    "limit": limit,
}


def main() -> None:
    """Run a tuner until it ends or is stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tuner", choices=TUNERS)
    parser.add_argument("seed", type=int)
    parser.add_argument("data")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--loop", action="store_true")
    job = Job(**vars(parser.parse_args()))
    TUNERS[job.tuner](job)


if __name__ == "__main__":
    # Ray's workers import what they run, and cannot import __main__.
    from benchmarks import peers  # noqa: PLW0406

    peers.main()
