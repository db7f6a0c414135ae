"""What a report is made of; report.py writes it as HTML, Markdown, CSV, LaTeX, SVG and PNG."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Text:
    """A paragraph, computed."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table whose every row leads to trials.

    name: of its files. frame: what is shown, as text, one column a heading.
    data: the numbers behind, for the CSV file. trials: for each row, the trials behind it.
    """

    name: str
    caption: str
    frame: pd.DataFrame
    data: pd.DataFrame
    trials: list[str]


@dataclass(frozen=True)
class Plot:
    """A figure, drawn when it is written. trials: behind it, in words."""

    name: str
    caption: str
    draw: Callable[[], Figure]
    source: str


@dataclass(frozen=True)
class Card:
    """A health check: a stable code, PASS, WARN, FAIL or N/A, what was found, what to do next."""

    code: str
    status: str
    found: str
    todo: str = ""


Block = Text | Table | Plot | Card


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    key: str
    title: str
    blocks: list[Block] = field(default_factory=list)
