"""The command line: python -m analysis report | tables | export | tensorboard | simulate."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from search.records import commands
from search.records.commands import log
from search.records.errors import Misuse

if TYPE_CHECKING:
    from analysis.evidence.trials import Study
    from analysis.words.language import Language

app = commands.app("Reports and tables from tuner logs. TensorFlow is not needed.")


class LanguageCode(StrEnum):
    """What a report can be written in."""

    en = "en"
    es = "es"


class Exercise(StrEnum):
    """The assignment's exercises by number."""

    activation = "1"
    initializer = "2"
    optimizer = "3"
    regularization = "4"


class Kind(StrEnum):
    """Formats of an export."""

    csv = "csv"
    parquet = "parquet"
    optuna = "optuna"


Studies = Annotated[
    list[str] | None,
    typer.Option(
        "--study", help="Name of a study; may be given more than once. [default: all in LOGS]"
    ),
]
OneStudy = Annotated[str, typer.Option("--study", help="Name of the study.")]
Logs = Annotated[Path, typer.Option(help="Folder of all studies.")]
Events = Annotated[
    Path | None,
    typer.Option(help="Folder of TensorBoard's event files, where they are not in the study."),
]
Lang = Annotated[LanguageCode, typer.Option(help="English or Spanish.")]
LOGS = Path("tuner_logs")
FEWEST_SEEDS = 2
PIPED_WIDTH = 200
"""Columns of a table that is not printed on a terminal."""


@app.command()
def report(
    study: Studies = None,
    logs: Logs = LOGS,
    events: Events = None,
    lang: Lang = LanguageCode.en,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("report"),
) -> None:
    """Write a report: HTML and Markdown, tables as CSV, Markdown and LaTeX, figures as SVG and PNG.

    \b
    Examples:
      python -m analysis report
      python -m analysis report --study exercises --study fashion-mnist --lang es --out informe
      python -m analysis report --study theirs --logs ~/kt --events ~/board
    """
    from analysis.report.files import write

    paths = write(loaded(study, logs, events), language(lang), out)
    log.print(f"{len(paths)} files in {out}/")
    log.print(f"next: open {out}/report.html")


@app.command()
def tables(
    study: Studies = None,
    exercise: Annotated[
        Exercise | None, typer.Option(help="Only this one. [default: all sections]")
    ] = None,
    logs: Logs = LOGS,
    events: Events = None,
    lang: Lang = LanguageCode.en,
) -> None:
    """Print a report's sentences and tables.

    \b
    Examples:
      python -m analysis tables --exercise 1
      python -m analysis tables --study fashion-mnist --lang es
    """
    import pandas as pd
    from rich.table import Table

    from analysis.report.files import printable

    wanted = exercise.name if exercise else None
    out = Console(highlight=False, markup=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out.width = PIPED_WIDTH
    lines = list(printable(loaded(study, logs, events), language(lang), wanted))
    if not lines:
        named = ", ".join(study or [f"{logs}/"])
        raise Misuse(f"{named}: no exercise {exercise}: no study has a part of it")
    for line in lines:
        if isinstance(line, pd.DataFrame):
            table = Table(*map(str, line.columns), box=None)
            for row in line.astype(str).itertuples(index=False):
                table.add_row(*row)
            out.print(table)
        else:
            out.print(line)


@app.command()
def export(
    study: OneStudy,
    to: Annotated[Kind, typer.Option(help="Format.")] = Kind.csv,
    logs: Logs = LOGS,
    events: Events = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("export"),
) -> None:
    """Write a study's trials, configurations, curves and executions for other programs.

    \b
    Examples:
      python -m analysis export --study fashion-mnist --to parquet
      python -m analysis export --study fashion-mnist --to optuna
    """
    from analysis.exports import export as written

    (one,) = loaded([study], logs, events)
    for path in written(one, to.value, out):
        print(path)
    if to == Kind.optuna:
        log.print(f"next: optuna-dashboard sqlite:///{out}/{study}.db")


@app.command()
def tensorboard(
    study: OneStudy = "exercises",
    exercise: Annotated[
        Exercise | None, typer.Option(help="Only the runs of this one. [default: all]")
    ] = None,
    logs: Logs = LOGS,
    port: Annotated[int, typer.Option(help="Where TensorBoard listens.")] = 6006,
) -> None:
    """Open TensorBoard on the runs of an exercise, each named by its arm and seed.

    \b
    Examples:
      python -m analysis tensorboard --exercise 1
      python -m analysis tensorboard --study fashion-mnist --port 6007
    """
    from analysis.boards import show

    (one,) = loaded([study], logs, None)
    show(one, exercise.name if exercise else None, port)


@app.command()
def simulate(
    studies: Annotated[int, typer.Option(help="Simulated studies of each kind.")] = 2000,
    seeds: Annotated[int, typer.Option(help="Seeds of each arm.")] = 10,
) -> None:
    """Try the statistics on studies whose truth is known, and print a table of how they did.

    \b
    Examples:
      python -m analysis simulate
      python -m analysis simulate --studies 200 --seeds 5
    """
    from analysis.simulations import simulated

    if studies < 1:
        raise Misuse(f"--studies {studies}: must be at least 1")
    if seeds < FEWEST_SEEDS:
        raise Misuse(f"--seeds {seeds}: must be at least {FEWEST_SEEDS}, or no interval exists")
    for line in simulated(studies, seeds):
        print(line)


def loaded(names: list[str] | None, logs: Path, events: Path | None) -> "list[Study]":
    """The studies by name, all of `logs` where none is named; what they lack said on stderr."""
    from analysis.evidence.trials import load

    if events is not None and not events.is_dir():
        raise Misuse(f"--events {events}: there is no such folder")
    if not names:
        names = sorted({path.parent.name for path in logs.glob("*/trial_*")})
        if not names:
            raise Misuse(f"there is no study in {logs}/: --logs names the folder of all studies")
    studies = [load(logs / name, events) for name in names]
    for study in studies:
        for note in study.notes:
            log.print(f"{study.name}: {note}")
    return studies


def language(code: LanguageCode) -> "Language":
    from analysis.words.language import Language

    return Language(code.value)


def main() -> int:
    """Carry out the command that was typed; return the exit code."""
    return commands.carry_out(app, "analysis")


if __name__ == "__main__":
    sys.exit(main())
