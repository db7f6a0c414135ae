"""Starts a study or continues it."""

import concurrent.futures
from typing import TYPE_CHECKING, Protocol

from search.data.load import load_pool
from search.quiet import import_quietly
from search.records.arguments import Arguments
from search.records.errors import Misuse
from search.records.folder import StudyFolder
from search.running.cluster import cluster, fork_server
from search.running.execution import Execution
from search.running.interrupts import Interrupts
from search.running.session import StudySession
from search.running.work import Trainer
from search.running.worker import KERAS

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from search.running.tuner import Progress
    from search.studies.oracles import RecordedOracle

    class Display(Progress, AbstractContextManager["Display"], Protocol):
        """The display of a running study."""

        oracle: RecordedOracle | None


def run_study(
    study: StudyFolder,
    arguments: Arguments,
    execution: Execution,
    display: "Display",
    trainer: Trainer = KERAS,
) -> None:
    """Run a study until it is finished or its time is up.

    Raises Misuse if the time is already used up or the data are different, Failure if data, files
    or workers fail, and KeyboardInterrupt after Ctrl-C. After each, the study can be continued.
    """
    with study.locked(), Interrupts() as interrupts:
        if not execution.scheduler:
            fork_server(trainer.preload)
        pool = load_pool(arguments.dataset, execution.data_dir)
        session = StudySession(study, arguments, pool, execution.processes)
        left = execution.seconds - session.seconds_before
        if left <= 0:
            raise Misuse(
                f"study {study.name} has used {session.seconds_before:.0f} s of its time "
                f"budget of {execution.seconds:.0f} s: raise --time-budget"
            )
        with concurrent.futures.ThreadPoolExecutor(1) as importer:
            # TensorFlow takes seconds to import, so the driver and the workers do it concurrently.
            importer.submit(import_quietly, "search.running.tuner")
            with cluster(execution.processes, execution.scheduler, trainer.preload) as client:
                from search.running.tuner import StudyTuner
                from search.studies.kinds import networks_of, oracle_of

                with display:
                    display.oracle = oracle_of(arguments, display.report_line)
                    tuner = StudyTuner(study, display.oracle, networks_of(arguments), display)
                    session.begin(tuner.oracle)
                    try:
                        interrupts.check()
                        tuner.search(
                            pool,
                            client,
                            trainer,
                            interrupts,
                            execution.checkpoint_every,
                            time_left=lambda: left - session.seconds(),
                            on_trial_end=session.note,
                        )
                    finally:
                        session.write()
        # What follows a finished study, such as the test set, must not follow Ctrl-C.
        interrupts.check()
