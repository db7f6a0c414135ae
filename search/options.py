"""The options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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
FACTOR = "Of each rung's trials, one in this many is promoted to this many times the epochs."
ITERATIONS = "How often the whole of Hyperband is run"
