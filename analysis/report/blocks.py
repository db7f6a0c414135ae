"""The blocks of a report; files.py writes them as HTML, Markdown, CSV, LaTeX, SVG and PNG."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.words.language import Language

PASS, WARN, FAIL, NONE = "PASS", "WARN", "FAIL", "N/A"
"""The statuses of a check; N/A if the check does not apply to the study."""


@dataclass(frozen=True)
class Text:
    """A paragraph computed from the logs."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table whose rows link to the trials behind them.

    name: stem of its files. frame: the cells as text, one column per heading.
    data: the numbers behind the cells, for the CSV file. trials: the trials behind each row.
    """

    name: str
    caption: str
    frame: pd.DataFrame
    data: pd.DataFrame
    trials: list[str]


@dataclass(frozen=True)
class Plot:
    """A figure, drawn when it is written. source: the trials behind it, in words."""

    name: str
    caption: str
    draw: Callable[[], Figure]
    source: str


@dataclass(frozen=True)
class Card:
    """A health check or an error.

    code: stable name of the check. found: what the check found. todo: the next step.
    trace: the traceback, if the code that should have made this block raised an error.
    """

    code: str
    status: str
    found: str
    todo: str = ""
    trace: str = ""


@dataclass(frozen=True)
class Finding:
    """The result of a check, without the check's code."""

    status: str
    found: str
    todo: str = ""

    def card(self, code: str) -> Card:
        return Card(code, self.status, self.found, self.todo)


@dataclass(frozen=True)
class Code:
    """A program, in Python."""

    text: str


@dataclass(frozen=True)
class Answer:
    """One row of the page of answers.

    verdict: what the evidence says of the assignment's claim, empty if there is none. link: the key of
    the section with the evidence.
    """

    question: str
    answer: str
    verdict: str
    link: str


@dataclass(frozen=True)
class Answers:
    """The page of answers. The first three fields are the headings of its columns."""

    question: str
    answer: str
    verdict: str
    rows: list[Answer]

    @property
    def judged(self) -> bool:
        """Whether any row has a verdict."""
        return any(row.verdict for row in self.rows)


def crash(code: str, error: Exception, say: Language) -> Card:
    """Return the card that replaces a block whose code raised an error."""
    return Card(
        code,
        FAIL,
        f"{type(error).__name__}: {error}",
        say("The rest of the report is valid.", "El resto del informe es válido."),
        "".join(traceback.format_exception(error)),
    )


def some(names: list[str], most: int = 8) -> str:
    """Join the first names with commas, and count the rest."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" … (+{rest})" if rest > 0 else "")


Block = Text | Table | Plot | Card | Code | Answers


@dataclass(frozen=True)
class Section:
    """A heading and the blocks under it."""

    key: str
    title: str
    blocks: list[Block] = field(default_factory=list)


class Chapter(NamedTuple):
    """A section before its blocks are made."""

    key: str
    title: str
    make: Callable[[], list[Block]]
