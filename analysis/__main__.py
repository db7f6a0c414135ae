"""The command line: python -m analysis report | answers | findings | tables | export | tensorboard | simulate."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from analysis.words.language import Code, Language
from search.records import commands
from search.records.arguments import EXERCISES
from search.records.commands import log
from search.records.errors import Failure, Misuse

if TYPE_CHECKING:
    from analysis.evidence.study import Study
    from analysis.report.blocks import Card

app = commands.app("Turn tuner logs into reports, tables and exports. Does not need TensorFlow.")


Exercise = Literal["1", "2", "3", "4"]
"""The assignment's exercises, in the order of `search.records.arguments.EXERCISES`."""

Kind = Literal["csv", "parquet", "optuna"]
"""Formats of an export."""

Studies = Annotated[
    list[str] | None,
    typer.Option(
        "--study", help="Name of a study. Repeat to name several. [default: all in --logs]"
    ),
]
OneStudy = Annotated[str, typer.Option("--study", help="Name of the study.")]
Logs = Annotated[Path, typer.Option(help="Folder that contains all studies.")]
Events = Annotated[
    Path | None,
    typer.Option(help="Folder of the TensorBoard event files, if they are outside the study."),
]
Lang = Annotated[Code, typer.Option(help="Language of the output: English or Spanish.")]
LOGS = Path("tuner_logs")
FEWEST_SEEDS = 2
PIPED_WIDTH = 200
"""Width in characters of a table that is not printed on a terminal."""


@app.command()
def report(
    study: Studies = None,
    logs: Logs = LOGS,
    events: Events = None,
    lang: Lang = "en",
    out: Annotated[Path, typer.Option(help="Output folder.")] = Path("report"),
) -> None:
    """Write a report with its tables and figures.

    The report is HTML and Markdown. Tables are also written as CSV, Markdown and LaTeX, figures as
    SVG and PNG. Exits with code 1 if a section failed; the other sections are still written.

    \b
    Examples:
      python -m analysis report
      python -m analysis report --lang es --out informe
      python -m analysis report --study theirs --logs ~/kt --events ~/board
    """
    from analysis.report.files import write

    done = write(loaded(study, logs, events), Language(lang), out)
    log.print(f"{len(done.paths)} files in {out}/")
    fail_if_any(done.crashes)
    log.print(f"next: open {out}/report.html")


@app.command()
def answers(
    study: Studies = None, logs: Logs = LOGS, events: Events = None, lang: Lang = "en"
) -> None:
    """Print the answers with which a report begins: a line for each question, with its number.

    \b
    Examples:
      python -m analysis answers
      python -m analysis answers --study fashion-mnist --lang es
    """
    from analysis.report.answers import KEY

    printed(study, logs, events, Language(lang), KEY)


@app.command()
def findings(
    study: Studies = None,
    logs: Logs = LOGS,
    events: Events = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with trials and seeds, instead of CSV.")
    ] = False,
) -> None:
    """Print every finding with its interval as CSV, or as JSON with the trials and seeds behind it.

    docs/findings.schema.json describes the JSON.

    \b
    Examples:
      python -m analysis findings --study exercises
      python -m analysis findings --json > findings.json
    """
    from json import dumps

    import pandas as pd

    from analysis.evidence import listing

    found = listing.findings(*loaded(study, logs, events))
    if json:
        print(dumps(listing.document(found), indent=1))
        return
    shown = [
        "study",
        "part",
        "kind",
        "subject",
        "endpoint",
        "value",
        "low",
        "high",
        "p",
        "detected",
        "n",
    ]
    frame = pd.DataFrame([one.to_json() for one in found])[shown]
    print(frame.to_csv(index=False, float_format="%.5g", lineterminator="\n"), end="")


@app.command()
def tables(
    study: Studies = None,
    exercise: Annotated[
        Exercise | None, typer.Option(help="Print only this exercise. [default: all sections]")
    ] = None,
    logs: Logs = LOGS,
    events: Events = None,
    lang: Lang = "en",
) -> None:
    """Print the text and tables of a report.

    \b
    Examples:
      python -m analysis tables --exercise 1
      python -m analysis tables --study fashion-mnist --lang es
    """
    wanted = EXERCISES[int(exercise) - 1] if exercise else None
    if not printed(study, logs, events, Language(lang), wanted):
        named = ", ".join(study or [f"{logs}/"])
        raise Misuse(f"{named}: no study contains exercise {exercise}")


def printed(
    names: list[str] | None, logs: Path, events: Path | None, say: Language, only: str | None
) -> bool:
    """Print the sections of a report, or one of them. Return whether there are any.

    Raises Failure if a section failed.
    """
    import pandas as pd
    from rich.table import Table

    from analysis.report.contents import sections
    from analysis.report.files import crashes, printable

    out = Console(highlight=False, markup=False, emoji=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out.width = PIPED_WIDTH
    made = list(sections(loaded(names, logs, events), say, only))
    for line in printable(made):
        if isinstance(line, pd.DataFrame):
            table = Table(*map(str, line.columns), box=None)
            for row in line.astype(str).itertuples(index=False):
                table.add_row(*row)
            out.print(table)
        else:
            out.print(line)
    fail_if_any([crash for section in made for crash in crashes(section)])
    return bool(made)


@app.command()
def export(
    study: OneStudy,
    to: Annotated[Kind, typer.Option(help="Format.")] = "csv",
    logs: Logs = LOGS,
    events: Events = None,
    out: Annotated[Path, typer.Option(help="Output folder.")] = Path("export"),
) -> None:
    """Export a study's trials, configurations, curves and executions for other programs.

    \b
    Examples:
      python -m analysis export --study fashion-mnist --to parquet
      python -m analysis export --study fashion-mnist --to optuna
    """
    from analysis.exports import export as written

    (one,) = loaded([study], logs, events)
    for path in written(one, to, out):
        print(path)
    if to == "optuna":
        log.print(f"next: optuna-dashboard sqlite:///{out}/{study}.db")


@app.command()
def tensorboard(
    study: OneStudy = "exercises",
    exercise: Annotated[
        Exercise | None, typer.Option(help="Show only the runs of this exercise. [default: all]")
    ] = None,
    logs: Logs = LOGS,
    port: Annotated[int, typer.Option(help="Port of the TensorBoard server.")] = 6006,
) -> None:
    """Open TensorBoard on the runs of an exercise, named by arm and seed.

    \b
    Examples:
      python -m analysis tensorboard --exercise 1
      python -m analysis tensorboard --study fashion-mnist --port 6007
    """
    from analysis.boards import show

    (one,) = loaded([study], logs, None)
    show(one, EXERCISES[int(exercise) - 1] if exercise else None, port)


@app.command()
def simulate(
    studies: Annotated[int, typer.Option(help="Number of simulated studies of each kind.")] = 2000,
    seeds: Annotated[int, typer.Option(help="Number of seeds per arm.")] = 10,
) -> None:
    """Check the statistics on simulated studies with known effects, and print the results.

    \b
    Examples:
      python -m analysis simulate
      python -m analysis simulate --studies 200 --seeds 5
    """
    from analysis.simulations import simulated

    if studies < 1:
        raise Misuse(f"--studies {studies}: must be at least 1")
    if seeds < FEWEST_SEEDS:
        raise Misuse(
            f"--seeds {seeds}: must be at least {FEWEST_SEEDS}, the fewest that give an interval"
        )
    for line in simulated(studies, seeds):
        print(line)


def loaded(names: list[str] | None, logs: Path, events: Path | None) -> "list[Study]":
    """Load the named studies, or all studies in `logs`; print what is missing on stderr."""
    from analysis.evidence.trials import load

    if events is not None and not events.is_dir():
        raise Misuse(f"--events {events}: there is no such folder")
    if not names:
        names = sorted({path.parent.name for path in logs.glob("*/trial_*")})
        if not names:
            raise Misuse(f"{logs}/ contains no study: set --logs to the folder with the studies")
    studies = [load(logs / name, events) for name in names]
    for study in studies:
        for note in study.notes:
            log.print(f"{study.name}: {note}")
    return studies


def fail_if_any(crashes: "list[tuple[str, Card]]") -> None:
    """Print the traceback of each error. Raises Failure, with the failed sections, if any."""
    for _, card in crashes:
        log.print(card.trace, end="")
    failed = list(dict.fromkeys(title for title, _ in crashes))
    if failed:
        raise Failure(
            f"sections with errors: {'; '.join(failed)}. All other sections are complete."
        )


def main() -> int:
    """Carry out the command that was typed; return the exit code."""
    return commands.run_app(app, "analysis")


if __name__ == "__main__":
    sys.exit(main())
