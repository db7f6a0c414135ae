"""How a study is run: on which workers and for how long. No option here changes a result."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from search.records.errors import Misuse

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Execution:
    """The options of every command that trains a study."""

    workers: int | None = None
    """Number of training processes, each with one thread. [default: one per core]"""
    scheduler: str | None = None
    """Address of a dask scheduler whose workers are used instead, such as tls://host:8786."""
    time_budget: str | None = None
    """Wall time for the whole study, such as 90s, 30m or 2h. May be raised later."""
    checkpoint_every: float = 30.0
    """Seconds between checkpoints of a running trial."""
    data_dir: Path | None = None
    """Folder of the four Fashion-MNIST files. [default: FASHION_MNIST_DIR, else Keras' cache, else
    a download]"""
    logs: Path = Path("tuner_logs")
    """Folder that holds all studies."""
    json: bool = False
    """Print one JSON object on stdout."""

    @property
    def processes(self) -> int:
        """Number of local workers to start."""
        return self.workers or cores()

    @property
    def seconds(self) -> float:
        """The time budget, infinite if there is none. Raises Misuse if it cannot be read."""
        if self.time_budget is None:
            return float("inf")
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", self.time_budget)
        if not match or float(match[1]) <= 0:
            raise Misuse(f"--time-budget {self.time_budget}: write 90s, 30m or 2h")
        return float(match[1]) * SECONDS[match[2]]

    def check(self) -> None:
        """Raise Misuse if a value cannot be used."""
        if self.workers is not None and self.workers < 1:
            raise Misuse(f"--workers {self.workers}: must be at least 1")
        if not self.checkpoint_every >= 0:
            raise Misuse(f"--checkpoint-every {self.checkpoint_every:g}: must be 0 or more seconds")
        _ = self.seconds  # raises Misuse if it cannot be read


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
