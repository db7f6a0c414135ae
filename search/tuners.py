"""The Python interface: KerasTuner's Hyperband and RandomSearch, run on several workers.

A tuner takes the arguments of KerasTuner's class of the same name, and keeps the same files. What
cannot be honoured is refused. See keras_tuner/src/tuners and keras_tuner/src/engine/tuner.py.
"""

import numbers
import random
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import keras
import keras_tuner as kt

from search.cli.progress import display_for
from search.networks.spaces import stated_defaults
from search.programs import (
    hypermodel_of,
    in_words_of_python,
    name_of,
    oracle_options,
    refuse,
    source_hash,
    whole_space,
)
from search.records.arguments import IN_PROGRAMS, Draws, ProgramArguments, continued
from search.records.errors import Interrupted, Misuse
from search.records.folder import StudyFolder
from search.records.trial import COMPLETED
from search.running.execution import Execution
from search.running.interrupts import Interrupts
from search.running.program import ProgramModel
from search.running.run import Subjects, run_subjects
from search.running.session import Origin
from search.running.subject import CallSource
from search.running.worker import KERAS
from search.studies.hyperband import HyperbandOracle
from search.studies.oracles import RecordedOracle, Trial
from search.studies.random_search import RandomSearchOracle
from search.training.weights import load_best


class StudyTuner(kt.Tuner):
    """The base of the tuners: everything but the choice of the next trial.

    schedule: the fields of `ProgramArguments` that the kind of tuner has.
    seed: as the program gave it. None: a random seed, or that of the project.
    hypermodel: an instance or a class of `keras_tuner.HyperModel`, or a function that builds a model.
    workers: number of training processes. None: one per GPU if TensorFlow sees GPUs, else one per
    core.
    scheduler: address of a dask scheduler whose workers train instead.
    time_budget: seconds, or a text such as "30m" or "2h", for all calls of `search` together.
    target: value of the objective that ends the search.
    device: "cpu" hides GPUs.

    Raises Misuse if an argument cannot be honoured, or if the project in the folder was made with
    other arguments, ValueError as KerasTuner does if nothing is declared and nothing may be added.
    """

    KIND: ClassVar[Literal["Hyperband", "RandomSearch"]]

    def __init__(
        self,
        hypermodel: Any,
        objective: Any,
        schedule: dict[str, Any],
        seed: int | None,
        hyperparameters: kt.HyperParameters | None,
        entries: dict[str, Any],
        *,
        executions_per_trial: int = 1,
        target: float | None = None,
        max_model_size: int | None = None,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
        distribution_strategy: Any = None,
        directory: Any = None,
        project_name: str | None = None,
        logger: Any = None,
        tuner_id: str | None = None,
        overwrite: bool = False,
        workers: int | None = None,
        scheduler: str | None = None,
        time_budget: str | float | None = None,
        device: str = "auto",
    ):
        refuse(type(self), distribution_strategy, logger, tuner_id)
        budget = f"{time_budget}s" if isinstance(time_budget, numbers.Real) else time_budget
        self.study = StudyFolder.at(Path(directory or "."), project_name or "untitled_project")
        self.execution = Execution(workers, device, scheduler, budget, logs=self.study.logs)  # type: ignore[arg-type]
        with in_words_of_python():
            self.execution.check()
        if overwrite:
            self.study.clear()
        given = ProgramArguments(
            self.KIND,
            name_of(hypermodel),
            random.randint(1, 10_000) if seed is None else seed,
            executions=executions_per_trial,
            target=target,
            **schedule,
        )
        self.arguments = self._settled(given, seed=seed)
        self._program = ProgramModel(
            hypermodel_of(hypermodel), optimizer, loss, metrics, max_model_size
        )
        whole = whole_space(self._program, hyperparameters, entries)
        with in_words_of_python():
            made = self._oracle(
                whole, objective=objective, executions=executions_per_trial, **entries
            )
        self._check_objective(made)
        super().__init__(
            made,
            self._program.hypermodel,
            max_model_size=max_model_size,
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            directory=str(self.study.logs),
            project_name=self.study.name,
            executions_per_trial=made.executions,
        )
        self.directory = directory or "."  # as KerasTuner spells it
        records, _ = self.study.read_trials()
        self.oracle.restore([Trial.of(record) for record in records.values()])

    def _oracle(self, whole: kt.HyperParameters, **options: Any) -> RecordedOracle:
        """Return the oracle of the project's arguments. whole: the whole space."""
        raise NotImplementedError

    def _settled(self, given: ProgramArguments, **asked: Any) -> ProgramArguments:
        """Return the arguments of the project: those recorded if it exists, otherwise those given.

        asked: arguments for which None takes the recorded value.
        """
        study = self.study
        learns = given.draws is None and self.KIND == "Hyperband"
        new = replace(given, draws="learned") if learns else given
        if not study.exists():
            if study.trial_ids():
                raise Misuse(
                    f"{study.directory} holds a project that another program made: choose another "
                    "project_name, or give overwrite=True"
                )
            return new
        record = study.record()
        if not isinstance(record.arguments, ProgramArguments):
            raise Misuse(
                f"{study.directory} holds a study of `search {record.command}`: choose another "
                "project_name"
            )
        values = dict(vars(given))
        asked["draws"] = given.draws
        values |= {n: getattr(record.arguments, n) for n, value in asked.items() if value is None}
        return continued(study.name, record.arguments, values, IN_PROGRAMS)

    def _check_objective(self, oracle: RecordedOracle) -> None:
        """Raise Misuse if the project was started with another objective."""
        before = self.study.record().objective if self.study.exists() else oracle.goal
        if before != oracle.goal:
            raise Misuse(
                f"{self.study.directory} was started with the objective {before.name}, not "
                f"{oracle.goal.name}: choose another project_name, or give overwrite=True"
            )

    def _populate_initial_space(self) -> None:
        """Do nothing, because the oracle already has the whole space."""

    def reload(self) -> None:
        """Do nothing. The constructor restores the trials."""

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Train trials until the search is finished, its target is reached or its time is up.

        The arguments are those of `HyperModel.fit`, by default those of `keras.Model.fit`.
        An interrupted search continues if the program runs again.

        Raises Misuse if the arguments cannot be sent to workers, or differ from those that the
        project was started with, Failure if trials fail one after another, if all have failed or if
        files cannot be written, KeyboardInterrupt after Ctrl-C.
        """
        verbose = fit_kwargs.pop("verbose", "auto")
        self.oracle.verbose = verbose
        self._take_epochs(fit_kwargs)
        source = CallSource(fit_args, fit_kwargs)
        display = display_for(self.study.name, silent=verbose == 0)
        with self.study.locked(), Interrupts() as interrupts:
            origin = Origin(
                data=source.recorded(),
                source={self.arguments.hypermodel: source_hash(self.hypermodel)},
            )
            self._warn_if_changed(origin)
            self.on_search_begin()
            try:
                run_subjects(
                    self.study,
                    self.arguments,
                    self.execution,
                    display,
                    KERAS,
                    interrupts,
                    origin,
                    lambda: Subjects(self.oracle, self._program, source),
                    self.arguments.target,
                )
            except Interrupted as error:
                raise KeyboardInterrupt from error
            self.on_search_end()

    def _take_epochs(self, fit_kwargs: dict[str, Any]) -> None:
        """Take the number of epochs from the arguments of `search`. Hyperband has its own numbers."""
        fit_kwargs.pop("epochs", None)
        fit_kwargs.pop("initial_epoch", None)

    def _warn_if_changed(self, origin: Origin) -> None:
        if self.study.exists() and self.study.record().source != origin.source:
            warnings.warn(
                f"the source of {self.arguments.hypermodel} has changed since the project was "
                "started: its trials were built by different code",
                stacklevel=3,
            )

    def load_model(self, trial: Trial) -> keras.Model:
        """Return the model of a trial, with the weights of its best epoch.

        Raises Misuse if its weights are not kept. Those of the ten best trials are.
        """
        weights = Path(self._get_checkpoint_fname(trial.trial_id))
        if trial.status != COMPLETED:
            raise Misuse(f"trial {trial.trial_id} is not completed, so it has no model")
        if not weights.exists():
            raise Misuse(
                f"trial {trial.trial_id} has no weights: those of the ten best trials are kept"
            )
        model = self._try_build(trial.hyperparameters)
        load_best(model, self.study, trial.trial_id)
        return model


class Hyperband(StudyTuner):
    """`keras_tuner.Hyperband` with its faults corrected (`search.studies.hyperband`).

    The arguments are those of KerasTuner's class, and those of `StudyTuner`.

    draws: "random" draws every configuration at random, as KerasTuner does. "learned" draws two in
    three near the defaults that the hypermodel states, and by a model of the trials so far. None:
    that of the project, "learned" for a new project.
    """

    KIND = "Hyperband"

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_epochs: int = 100,
        factor: int = 3,
        hyperband_iterations: int = 1,
        seed: int | None = None,
        hyperparameters: kt.HyperParameters | None = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
        draws: Draws | None = None,
        **kwargs: Any,
    ):
        if draws not in (None, *get_args(Draws)):
            raise Misuse(f"draws={draws!r}: write {' or '.join(map(repr, get_args(Draws)))}")
        entries = oracle_options(
            tune_new_entries,
            allow_new_entries,
            max_retries_per_trial,
            max_consecutive_failed_trials,
        )
        schedule = {
            "max_epochs": max_epochs,
            "factor": factor,
            "iterations": hyperband_iterations,
            "draws": draws,
        }
        super().__init__(hypermodel, objective, schedule, seed, hyperparameters, entries, **kwargs)

    def _oracle(self, whole: kt.HyperParameters, **options: Any) -> HyperbandOracle:
        own = self.arguments
        assert own.max_epochs
        assert own.factor
        textbook = stated_defaults(whole) if own.draws == "learned" else None
        return HyperbandOracle(
            whole,
            own.max_epochs,
            own.factor,
            own.iterations or 1,
            own.seed,
            textbook=textbook,
            **options,
        )


class RandomSearch(StudyTuner):
    """`keras_tuner.RandomSearch`. Trial n depends on the seed and n alone.

    The arguments are those of KerasTuner's class, and those of `StudyTuner`.
    """

    KIND = "RandomSearch"

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_trials: int = 10,
        seed: int | None = None,
        hyperparameters: kt.HyperParameters | None = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
        **kwargs: Any,
    ):
        if not isinstance(max_trials, int) or max_trials < 1:
            raise Misuse(f"max_trials={max_trials}: give a number of trials, at least 1")
        entries = oracle_options(
            tune_new_entries,
            allow_new_entries,
            max_retries_per_trial,
            max_consecutive_failed_trials,
        )
        schedule = {"max_trials": max_trials}
        super().__init__(hypermodel, objective, schedule, seed, hyperparameters, entries, **kwargs)

    def _oracle(self, whole: kt.HyperParameters, **options: Any) -> RandomSearchOracle:
        own = self.arguments
        assert own.max_trials
        return RandomSearchOracle(whole, max_trials=own.max_trials, seed=own.seed, **options)

    def _take_epochs(self, fit_kwargs: dict[str, Any]) -> None:
        self.oracle.epochs = fit_kwargs.setdefault("epochs", 1)
        self.oracle.initial_epoch = fit_kwargs.setdefault("initial_epoch", 0)
