"""The options that several commands share, and what their texts mean."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from search.records.errors import Misuse


class Dataset(StrEnum):
    """The data sets by name."""

    fashion_mnist = "fashion-mnist"
    digits = "digits"


class Exercise(StrEnum):
    """The controlled studies by name."""

    activation = "activation"
    initializer = "initializer"
    optimizer = "optimizer"
    regularization = "regularization"
    path = "path"
    all = "all"


class Augment(StrEnum):
    """Ways to move images about, as in `augmentation.AUGMENTATIONS`."""

    flip = "flip"
    flip_shift = "flip_shift"


class SeedWith(StrEnum):
    """Known configurations that may come first."""

    baselines = "baselines"


Name = Annotated[str, typer.Option(help="Name of the study and of its folder.")]


Logs = Annotated[Path, typer.Option(help="Folder of all studies.")]


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


Fix = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Narrow the space: NAME=VALUE, NAME=VALUE,VALUE or NAME=LOW:HIGH. Once for each name.",
    ),
]


Workers = Annotated[
    int | None,
    typer.Option(help="Processes that train, one thread each. [default: one a core]"),
]


AnyDataset = Annotated[
    Dataset | None, typer.Option(help="digits needs no files. [default: fashion-mnist]")
]


Scheduler = Annotated[
    str | None,
    typer.Option(help="A dask scheduler whose workers to use instead: tls://host:8786."),
]


TimeBudget = Annotated[
    str | None,
    typer.Option(help="Wall time for the whole study: 90s, 30m, 2h. May be raised later."),
]


CheckpointEvery = Annotated[
    float, typer.Option(help="Seconds after which a trial still running is saved.")
]


DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the four Fashion-MNIST files. [default: FASHION_MNIST_DIR, else Keras' "
        "cache, else a download]"
    ),
]


EPOCHS = "Epochs that the best configurations are trained for."


SHORTEST = "Epochs that a configuration has at least before another may be preferred to it"


FACTOR = "Of each rung's trials, one in this many is promoted to this many times the epochs."


ITERATIONS = "How often the whole of Hyperband is run"


def seconds_of(text: str | None) -> float:
    """Seconds of 90s, 30m, 2h or a plain number; no limit where nothing is said."""
    if text is None:
        return float("inf")
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not match or float(match[1]) <= 0:
        raise Misuse(f"--time-budget {text}: write 90s, 30m or 2h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def at_least_one(workers: int | None) -> int | None:
    if workers is not None and workers < 1:
        raise Misuse(f"--workers {workers}: must be at least 1")
    return workers
