"""Other tuners on the networks of this project, each as its documentation uses it.

Run by benchmarks.time_to_target as: python -m benchmarks.peers TUNER SEED DATA FOLDER [--loop]

Every tuner searches the whole space of the dense networks, on the split of the seed. Models train by
`model.fit`, or by this project's compiled loop with --loop. Three tuners are controls of our own
(`benchmarks.controls`). All but KerasTuner train on two processes of one thread.
"""

import argparse
import multiprocessing
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
from keras_tuner.engine import hyperparameters as kinds

from benchmarks.controls import limit, one_epoch, random
from benchmarks.peer_training import (
    EPOCHS,
    FACTOR,
    WORKERS,
    Job,
    Networks,
    Note,
    examples,
    one_thread,
    train,
)
from search.networks.baselines import complete
from search.networks.narrowing import log_steps, narrowed
from search.networks.spaces import configured
from search.records.trial import Values


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
