"""The command line: plan, run, compare, exercises, final, ablation, predict and status."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.cli.options import SearchName, StudyName, choices, field_docstrings, options
from search.cli.summary import continuing, next_steps, print_summary, summarize
from search.quiet import import_quietly
from search.records import commands
from search.records.arguments import (
    EXERCISES,
    AblationArguments,
    CompareArguments,
    ExerciseArguments,
    FinalArguments,
    HyperbandArguments,
    Subject,
)
from search.records.commands import log
from search.records.errors import Interrupted
from search.records.folder import StudyFolder
from search.records.reading import Json
from search.running.execution import Execution, cores

if TYPE_CHECKING:
    from search.running.work import Trainer

app = commands.app(
    "Hyperparameter studies of Keras models: Hyperband searches and controlled comparisons."
)

HELP = field_docstrings(Execution)
AsJson = Annotated[bool, typer.Option("--json", help=HELP["json"])]
Logs = Annotated[Path, typer.Option(help=HELP["logs"])]
LOGS = Execution().logs


@app.command()
@options(given=HyperbandArguments)
def plan(
    given: dict[str, Any],
    workers: Annotated[int | None, typer.Option(help=HELP["workers"])] = None,
    logs: Logs = LOGS,
    as_json: AsJson = False,
) -> None:
    """Show the schedule of a search and estimate its running time.

    Times a few small networks for a few seconds, of your own hypermodel if one is given. Writes no
    file, and reads no data but your own. With --target, it says how long earlier searches in LOGS
    took to reach it.

    \b
    Examples:
      python -m search plan
      python -m search plan --max-epochs 81 --iterations 2 --workers 8
      python -m search plan --dataset digits --max-epochs 9 --json
      python -m search plan --target 0.9
    """
    from search.cli.plan import plan as planned_study
    from search.cli.plan import show_plan

    arguments = HyperbandArguments(**given)
    arguments.check()
    Execution(workers=workers).check()
    planned = planned_study(arguments, workers or cores(), logs)
    if as_json:
        print(json.dumps(planned, allow_nan=False))
    else:
        show_plan(planned)


@app.command()
@options(given=HyperbandArguments, execution=Execution)
def run(study: StudyName, given: dict[str, Any], execution: Execution) -> None:
    """Start a Hyperband search, or continue it.

    Searches dense networks, or your own hypermodel. Everything is kept in LOGS/STUDY. The same
    command continues a search that was interrupted or killed, or that ran out of time. Its options
    need not be repeated.

    \b
    Examples:
      python -m search run --study try --dataset digits --max-epochs 9
      python -m search run --study first --data-dir ~/fashion-mnist
      python -m search run --study relu --fix activation=relu --fix layers=2:4
      python -m search run --study long --max-epochs 81 --time-budget 2h
      python -m search run --study mine --hypermodel models.py:build --data images.npz
      python -m search run --study soon --target 0.9
    """
    folder = StudyFolder(execution.logs, study)
    carry_out(folder, folder.settled(HyperbandArguments, given), execution)


@app.command()
@options(given=CompareArguments, execution=Execution)
def compare(study: StudyName, given: dict[str, Any], execution: Execution) -> None:
    """Compare values of hyperparameters in a controlled study, or continue it.

    Varies one hyperparameter at a time from the defaults, or all together with --factorial. Every
    configuration is trained on the same seeds. A seed fixes the split, the initial weights and the
    order of the examples. Values and seeds can be added later.

    \b
    Examples:
      python -m search compare --study mine --vary activation=relu,sigmoid --at layers=3
      python -m search compare --study both --vary optimizer=sgd,adam --vary batch_size=32,256 --factorial
      python -m search compare --study own --hypermodel models.py:build --vary filters=8,32 --seeds 5
    """
    folder = StudyFolder(execution.logs, study)
    carry_out(folder, folder.settled(CompareArguments, given), execution)


@app.command()
@options(given=ExerciseArguments, execution=Execution)
def exercises(
    given: dict[str, Any],
    execution: Execution,
    which: Annotated[
        list[str] | None,
        typer.Argument(help=f"{', '.join(EXERCISES)} or all. [default: all]"),
    ] = None,
    study: StudyName = "exercises",
) -> None:
    """Run the assignment's exercises as controlled studies, or continue them.

    Every arm is trained on the same seeds. A seed fixes the split, the initial weights and the
    order of the images. Exercises and seeds can be added to a study later.

    \b
    Examples:
      python -m search exercises --study mine
      python -m search exercises activation initializer --study mine --seeds 5
      python -m search exercises all --dataset digits --study small --seeds 3
    """
    folder = StudyFolder(execution.logs, study)
    names = which or given.get("exercises")
    if names:
        known = choices(names, (*EXERCISES, "all"))
        given["exercises"] = EXERCISES if "all" in known else known
    carry_out(folder, folder.settled(ExerciseArguments, given), execution)


@app.command()
@options(given=FinalArguments, execution=Execution)
def final(
    study: SearchName,
    given: dict[str, Any],
    execution: Execution,
    open_test_again: Annotated[
        str | None,
        typer.Option(
            metavar="REASON", help="Evaluate on the test set again, and record the reason."
        ),
    ] = None,
) -> None:
    """Choose a search's final network, train it beside the assignment's, and test both once.

    The search's best configurations are trained on fresh seeds. Half of each run's validation
    images choose its epoch, and the other half judge it. The best configuration and the
    assignment's network are then trained on further seeds. All their models are evaluated on the
    test set. The ledger allows this once, so --augment must be given from the start. Trials,
    ledger, models and the model card are kept in LOGS/STUDY-final.

    \b
    Examples:
      python -m search final --study first
      python -m search final --study long --top 6 --seeds 10 --augment flip_shift
    """
    import_quietly("search.opening.opening")
    from search.opening.ledger import LedgerFile
    from search.opening.opening import open_test_set
    from search.studies.arguments import final_arguments

    search = StudyFolder(execution.logs, study)
    folder = search.final
    arguments = final_arguments(search, given)
    with search.locked(), folder.locked():
        LedgerFile(folder, search).check_closed(open_test_again)
    if not search.record().finished:
        log.print(f"study {study} is not finished: only its trials so far are considered")

    def opened() -> Json:
        return {
            "test": open_test_set(folder, search, arguments, execution.data_dir, open_test_again)
        }

    carry_out(folder, arguments, execution, open_test_again, opened)


@app.command()
@options(given=AblationArguments, execution=Execution)
def ablation(study: SearchName, given: dict[str, Any], execution: Execution) -> None:
    """Measure what each choice of a search's final network contributes.

    Starts at the assignment's final network and adopts the search's choices one at a time, the best
    first. Then reverts each choice alone to the space's default. Trials are kept in
    LOGS/STUDY-path. The total number of trials grows until the races are decided.

    \b
    Examples:
      python -m search ablation --study first
      python -m search ablation --study first --seeds 10
    """
    import_quietly("search.studies.arguments")
    from search.studies.arguments import ablation_arguments

    search = StudyFolder(execution.logs, study)
    carry_out(search.ablation, ablation_arguments(search, given), execution)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A .keras file that `final` wrote.")],
    images: Annotated[list[Path], typer.Argument(help="Pictures of any size: PNG, JPEG …")],
    as_json: AsJson = False,
) -> None:
    """Classify pictures, and print the model's probabilities.

    Pictures are converted to grey and scaled to the model's size. As in Fashion-MNIST, the object
    should fill the picture and stand on a black background.

    \b
    Examples:
      python -m search predict tuner_logs/fashion-mnist-narrow-final/models/final-2.keras boot.png
      python -m search predict model.keras *.png --json
    """
    import_quietly("search.opening.predict")
    from search.opening.predict import predictions

    found = predictions(model, images)
    for row in found:
        if row["bright_ground"]:
            log.print(
                f"{row['image']}: the background is bright, but the model was trained on bright "
                "objects on a black background"
            )
    if as_json:
        print(json.dumps({"predictions": found}, allow_nan=False))
        return
    for row in found:
        print(f"{row['class']:12} {row['probability']:.2f}  {row['image']}")


@app.command()
def status(study: StudyName, logs: Logs = LOGS, as_json: AsJson = False) -> None:
    """Show the state of a study from its files, even while it runs.

    \b
    Examples:
      python -m search status --study first
      python -m search status --study first --json
    """
    folder = StudyFolder(logs, study)
    summary = summarize(folder)
    print_summary(summary, as_json)
    if not summary["finished"]:
        log.print(
            "if the study is not running, use this command to continue: "
            f"{continuing(folder, folder.record().arguments)}"
        )
    log.print(next_steps(folder))


def carry_out(
    folder: StudyFolder,
    arguments: Subject,
    execution: Execution,
    reason: str | None = None,
    at_end: Callable[[], Json] = dict,
    trainer: "Trainer | None" = None,
) -> None:
    """Run a study and print its summary.

    reason: why the test set is opened again.
    at_end: called if the study is finished. It returns further fields of the summary.
    trainer: trains on the workers. None: Keras.
    """
    from search.cli.progress import Display
    from search.running.run import run_study
    from search.running.worker import KERAS

    command = continuing(folder, arguments, execution.data_dir, reason)
    try:
        run_study(folder, arguments, execution, Display(folder.name, log), trainer or KERAS)
        summary = summarize(folder)
        if summary["finished"]:
            summary |= at_end()
    except KeyboardInterrupt:
        raise Interrupted(f"to continue: {command}") from None
    print_summary(summary, execution.json)
    if not summary["finished"]:
        log.print(f"time is up; raise --time-budget to continue: {command}")
    log.print(next_steps(folder))


def main() -> int:
    """Run the command that was typed, and return the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return commands.run_app(app, "search")


if __name__ == "__main__":
    sys.exit(main())
