"""The command line: python -m search plan | run | exercises | final | predict | status."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from typer.exceptions import TyperException

from search.cli.options import (
    EPOCHS,
    FACTOR,
    ITERATIONS,
    SHORTEST,
    AnyDataset,
    AsJson,
    Augment,
    CheckpointEvery,
    DataDir,
    Dataset,
    Exercise,
    Fix,
    Logs,
    Name,
    Scheduler,
    SeedWith,
    TimeBudget,
    Workers,
    at_least_one,
    seconds_of,
)
from search.cli.summary import continuing, next_steps, print_summary, summarize
from search.records.errors import Failure, Misuse
from search.records.folder import Json, Study, study_record

if TYPE_CHECKING:
    from search.records.arguments import Arguments

app = typer.Typer(
    help="Hyperparameter studies of dense networks: Hyperband and controlled comparisons.",
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)

log = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


@app.command()
def plan(
    dataset: Annotated[
        Dataset, typer.Option(help="Whose images to reckon with.")
    ] = Dataset.fashion_mnist,
    max_epochs: Annotated[int, typer.Option(help=EPOCHS)] = 27,
    min_epochs: Annotated[int, typer.Option(help=f"{SHORTEST}.")] = 1,
    factor: Annotated[int, typer.Option(help=FACTOR)] = 3,
    iterations: Annotated[int, typer.Option(help=f"{ITERATIONS}.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed draws the same configurations.")] = 1,
    fix: Fix = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Say what a study would consist of and how long it would take on this machine.

    Trains a few networks for some seconds to know; needs no data and writes no file.

    \b
    Examples:
      python -m search plan
      python -m search plan --max-epochs 81 --iterations 2 --workers 8
      python -m search plan --dataset digits --max-epochs 9 --json
    """
    from search.cli.plan import plan as planned_study
    from search.cli.plan import show_plan
    from search.records.arguments import HyperbandArguments
    from search.running.run import cores

    arguments = HyperbandArguments(
        dataset.value, max_epochs, min_epochs, factor, iterations, seed, tuple(fix or ())
    )
    planned = planned_study(arguments, at_least_one(workers) or cores())
    if as_json:
        print(json.dumps(planned, allow_nan=False))
    else:
        show_plan(planned)


@app.command()
def run(
    study: Name,
    dataset: AnyDataset = None,
    max_epochs: Annotated[int | None, typer.Option(help=f"{EPOCHS} [default: 27]")] = None,
    min_epochs: Annotated[int | None, typer.Option(help=f"{SHORTEST}. [default: 1]")] = None,
    factor: Annotated[int | None, typer.Option(help=f"{FACTOR} [default: 3]")] = None,
    iterations: Annotated[
        int | None, typer.Option(help=f"{ITERATIONS}; may be raised later. [default: 1]")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Of the split, the configurations, weights and order of the data. [default: 1]"
        ),
    ] = None,
    fix: Fix = None,
    seed_with: Annotated[
        SeedWith | None,
        typer.Option(help="Put the assignment's own networks among the first trials."),
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    time_budget: TimeBudget = None,
    checkpoint_every: CheckpointEvery = 30.0,
    data_dir: DataDir = None,
    logs: Logs = Path("tuner_logs"),
    as_json: AsJson = False,
) -> None:
    """Start a Hyperband study of dense networks, or continue it where it was left.

    Everything is kept in LOGS/STUDY. A study that was interrupted, killed or ran out of time goes
    on with the same command; its options need not be said again.

    \b
    Examples:
      python -m search run --study try --dataset digits --max-epochs 9
      python -m search run --study first --data-dir ~/fashion-mnist
      python -m search run --study relu --fix activation=relu --fix layers=2:4
      python -m search run --study long --max-epochs 81 --time-budget 2h
    """
    from search.records.arguments import HyperbandArguments, settled

    kept = Study(logs, study)
    arguments = settled(
        kept,
        HyperbandArguments,
        {
            "dataset": dataset and dataset.value,
            "max_epochs": max_epochs,
            "min_epochs": min_epochs,
            "factor": factor,
            "iterations": iterations,
            "seed": seed,
            "fix": tuple(fix) if fix else None,
            "seed_with": seed_with and seed_with.value,
        },
    )
    carry_out(kept, arguments, workers, scheduler, time_budget, checkpoint_every, data_dir, as_json)


@app.command()
def exercises(
    which: Annotated[
        list[Exercise] | None, typer.Argument(help="Which of them. [default: all]")
    ] = None,
    study: Name = "exercises",
    seeds: Annotated[
        int | None,
        typer.Option(help="Repetitions of every arm; may be raised later. [default: 10, path: 6]"),
    ] = None,
    dataset: AnyDataset = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    time_budget: TimeBudget = None,
    checkpoint_every: CheckpointEvery = 30.0,
    data_dir: DataDir = None,
    logs: Logs = Path("tuner_logs"),
    as_json: AsJson = False,
) -> None:
    """Run the assignment's exercises as controlled studies, or go on where they were left.

    Every arm is trained on the same seeds (split, initial weights, order of the images), all else
    equal. More exercises and more seeds can be added to a study later.

    `path` goes from the assignment's final network to the one that `search final` chose for STUDY,
    one choice at a time, and undoes each of its choices; its trials are kept in LOGS/STUDY-path. How
    many they are is known once its races are decided: the total that is shown grows until then.

    \b
    Examples:
      python -m search exercises --study mine
      python -m search exercises activation initializer --study mine --seeds 5
      python -m search exercises all --dataset digits --study small --seeds 3
      python -m search exercises path --study first
    """
    from search.records.arguments import EXERCISES, Arguments, ExerciseArguments, settled

    kept = Study(logs, study)
    if Exercise.path in (which or ()):
        if which != [Exercise.path] or dataset:
            raise Misuse("path goes alone, on the data of its study: exercises path --study NAME")
        from search.quiet import import_quietly

        import_quietly("search.studies.ablation")
        from search.studies.ablation import arguments_of

        arguments: Arguments = arguments_of(kept, seeds)
        kept = kept.path
    else:
        asked = tuple(name for name in EXERCISES if {name, "all"} & {w.value for w in which or ()})
        given = {"dataset": dataset and dataset.value, "seeds": seeds, "exercises": asked or None}
        arguments = settled(kept, ExerciseArguments, given)
    carry_out(kept, arguments, workers, scheduler, time_budget, checkpoint_every, data_dir, as_json)


@app.command()
def final(
    study: Annotated[str, typer.Option(help="Name of the search whose best to start from.")],
    open_test_again: Annotated[
        str | None,
        typer.Option(
            metavar="REASON", help="Evaluate on the test set although that was done before."
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="Configurations that are compared. [default: 4]")
    ] = None,
    epoch_seconds: Annotated[
        float | None,
        typer.Option(
            help="Leave configurations out whose epochs took longer in the search. [default: none]"
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="Repetitions of the chosen one and of the baseline. [default: 10]"),
    ] = None,
    augment: Annotated[
        Augment | None,
        typer.Option(
            help="Also train the chosen one on images mirrored, or shifted by a pixel too, for three "
            "times the epochs; reported apart. [default: none]"
        ),
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    time_budget: TimeBudget = None,
    checkpoint_every: CheckpointEvery = 30.0,
    data_dir: DataDir = None,
    logs: Logs = Path("tuner_logs"),
    as_json: AsJson = False,
) -> None:
    """Choose the final network of a search, train it beside the assignment's, test them once.

    The search's best configurations are trained on fresh seeds, each stopped early by half of its
    validation images and judged by the other half; the best is trained on further seeds, and the
    assignment's network with it. Then all models are evaluated on the test set, which the ledger
    allows once: --augment is to be said from the first. Trials, ledger, models and the model's card
    are kept in LOGS/STUDY-final.

    \b
    Examples:
      python -m search final --study first
      python -m search final --study long --top 6 --seeds 10 --augment flip_shift
    """
    from search.opening.ledger import Ledger
    from search.quiet import import_quietly

    import_quietly("search.opening.opening")
    from search.opening.opening import open_and_describe
    from search.studies.final import arguments_of

    searched = Study(logs, study)
    kept = searched.final
    arguments = arguments_of(searched, top, seeds, epoch_seconds, augment and augment.value)
    with searched.locked(), kept.locked():
        Ledger(kept, searched).check_closed(open_test_again)
    if not study_record(searched)["finished"]:
        log.print(f"study {study} is not finished: the final network is the best of what it has")
    carry_out(
        kept,
        arguments,
        workers,
        scheduler,
        time_budget,
        checkpoint_every,
        data_dir,
        as_json,
        open_test_again,
        lambda: {"test": open_and_describe(kept, searched, arguments, data_dir, open_test_again)},
    )


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A .keras file that final wrote.")],
    images: Annotated[list[Path], typer.Argument(help="Pictures of any size: PNG, JPEG …")],
    as_json: AsJson = False,
) -> None:
    """Name what is on pictures, with the model's probability.

    A picture is made grey and brought to the size the model takes. As in Fashion-MNIST, the object
    fills it and is brighter than its ground, which is black.

    \b
    Examples:
      python -m search predict tuner_logs/fashion-mnist-narrow-final/models/final-2.keras boot.png
      python -m search predict model.keras *.png --json
    """
    from search.quiet import import_quietly

    import_quietly("search.opening.predict")
    from search.opening.predict import predictions

    found = predictions(model, images)
    for row in found:
        if row["bright_ground"]:
            log.print(f"{row['image']}: the ground is bright; the model knows objects on black")
    if as_json:
        print(json.dumps({"predictions": found}, allow_nan=False))
        return
    for row in found:
        print(f"{row['class']:12} {row['probability']:.2f}  {row['image']}")


def carry_out(
    study: Study,
    arguments: "Arguments",
    workers: int | None,
    scheduler: str | None,
    time_budget: str | None,
    checkpoint_every: float,
    data_dir: Path | None,
    as_json: bool,
    reason: str | None = None,
    at_end: Callable[[], Json] = dict,
) -> None:
    """Runs a study and says what came of it.

    reason: why its test set is opened again. at_end: done once the study is finished; returns what
    the summary then has to say more.
    """
    from search.running.run import cores, run_study

    if checkpoint_every < 0:
        raise Misuse(f"--checkpoint-every {checkpoint_every:g}: must be 0 or more seconds")
    processes = at_least_one(workers) or cores()
    seconds = seconds_of(time_budget)
    command = continuing(study, arguments.COMMAND, arguments.asked_for(study), data_dir, reason)
    try:
        summary = run_study(
            study, arguments, processes, scheduler, data_dir, seconds, checkpoint_every, log
        )
        if summary["finished"]:
            summary |= at_end()
    except KeyboardInterrupt:
        log.print(f"interrupted; to continue: {command}")
        raise typer.Exit(130) from None
    print_summary(summary, as_json)
    if not summary["finished"]:
        log.print(f"time is up; to continue, with more --time-budget: {command}")
    log.print(next_steps(study))


@app.command()
def status(study: Name, logs: Logs = Path("tuner_logs"), as_json: AsJson = False) -> None:
    """Say what a study has come to, from its files, also while it runs.

    \b
    Examples:
      python -m search status --study first
      python -m search status --study first --json
    """
    kept = Study(logs, study)
    summary = summarize(kept)
    print_summary(summary, as_json)
    if not summary["finished"]:
        asked_for = summary["search"] or study
        command = continuing(kept, summary["command"], asked_for, None)
        log.print(f"if it is not running, to continue: {command}")
    log.print(next_steps(kept))


def main() -> int:
    """Carries a command out; returns the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return app(standalone_mode=False, prog_name="python -m search") or 0
    except TyperException as error:
        log.print(f"search: {error.format_message()}")
        return 2
    except (Misuse, Failure) as error:
        log.print(f"search: {error}")
        return 2 if isinstance(error, Misuse) else 1
    except (KeyboardInterrupt, typer.Abort):
        log.print("interrupted")
        return 130


if __name__ == "__main__":
    sys.exit(main())
