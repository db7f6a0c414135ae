"""Starts a study or continues it."""

import concurrent.futures
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from search.data.load import load_pool
from search.quiet import import_quietly
from search.records.arguments import Arguments, HyperbandArguments, Subject
from search.records.errors import Misuse
from search.records.folder import StudyFolder
from search.running.cluster import cluster, fork_server
from search.running.execution import Execution
from search.running.interrupts import Interrupts
from search.running.session import Origin, StudySession
from search.running.work import Trainer
from search.running.worker import KERAS

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import keras_tuner as kt

    from search.data.pool import Pool
    from search.running.driver import Progress
    from search.running.subject import Source
    from search.studies.oracles import RecordedOracle

    class Display(Progress, AbstractContextManager["Display"], Protocol):
        """The display of a running study."""

        oracle: RecordedOracle | None


@dataclass(frozen=True)
class Subjects:
    """What a study trains: made when TensorFlow is imported."""

    oracle: "RecordedOracle"
    hypermodel: "kt.HyperModel"
    source: "Source"


def run_study(
    study: StudyFolder,
    arguments: Subject,
    execution: Execution,
    display: "Display",
    trainer: Trainer = KERAS,
) -> None:
    """Run a study of the command line until it is finished or its time is up.

    Raises Misuse if the time is already used up, or if data or hypermodel are different or cannot be
    used. Raises Failure if data, files or workers fail, and KeyboardInterrupt after Ctrl-C. After
    each, the study can be continued.
    """
    with study.locked(), Interrupts() as interrupts:
        if not execution.scheduler:
            fork_server(trainer.preload)
        pool = load_pool(arguments.dataset, arguments.data, execution.data_dir)
        source: dict[str, str] = {}
        own: kt.HyperModel | None = None
        if arguments.hypermodel:
            import_quietly("search.networks.hypermodels")
            from search.networks.hypermodels import load

            loaded = load(arguments.hypermodel)
            source, own = loaded.source, loaded.hypermodel

        def subjects() -> Subjects:
            from search.running.subject import PoolSource
            from search.studies.kinds import hypermodel_of, oracle_of, space_of

            hypermodel = own or hypermodel_of(arguments, pool.facts).hypermodel
            cost = None if own else hypermodel.cost
            space = space_of(arguments, hypermodel)
            oracle = oracle_of(arguments, space, display.report_line, cost)
            return Subjects(oracle, hypermodel, PoolSource(pool))

        origin = Origin(pool.facts, pool.hashes, source)
        target = arguments.target if isinstance(arguments, HyperbandArguments) else None
        run_subjects(
            study,
            arguments,
            execution,
            display,
            trainer,
            interrupts,
            origin,
            subjects,
            target,
            pool,
        )
        # What follows a finished study, such as the test set, must not follow Ctrl-C.
        interrupts.check()


def run_subjects(
    study: StudyFolder,
    arguments: Arguments,
    execution: Execution,
    display: "Display",
    trainer: Trainer,
    interrupts: Interrupts,
    origin: Origin,
    subjects: Callable[[], Subjects],
    target: float | None = None,
    pool: "Pool | None" = None,
) -> None:
    """Run a locked study on a cluster. Raises as `run_study` does.

    subjects: called once the workers start.
    pool: the images of a data set, for pictures of errors.
    """
    session = StudySession(study, arguments, origin, execution.processes)
    left = execution.seconds - session.seconds_before
    if left <= 0:
        raise Misuse(
            f"study {study.name} has used {session.seconds_before:.0f} s of its time "
            f"budget of {execution.seconds:.0f} s: raise the time budget to continue"
        )
    with concurrent.futures.ThreadPoolExecutor(1) as importer:
        # TensorFlow takes seconds to import, so the driver and the workers do it concurrently.
        importer.submit(import_quietly, "search.running.driver")
        with cluster(execution, trainer.preload) as (client, scratch):
            from search.running.driver import Driver
            from search.running.subject import packed

            made = subjects()
            with display:
                display.oracle = made.oracle
                driver = Driver(study, made.oracle, display, target)
                plugin = None
                if trainer.plugin:
                    content = packed((made.hypermodel, made.source), scratch)
                    # Two studies may share a cluster, so each has a plugin of its own.
                    name = f"{study.directory.resolve()} {uuid.uuid4()}"
                    plugin = trainer.plugin(name, content, execution.devices)
                session.begin(driver)
                try:
                    interrupts.check()
                    driver.search(
                        plugin,
                        client,
                        trainer,
                        interrupts,
                        execution.checkpoint_every,
                        time_left=lambda: left - session.seconds(),
                        on_trial_end=session.note,
                        pool=pool,
                    )
                finally:
                    session.write()
