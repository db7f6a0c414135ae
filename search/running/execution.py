"""How a study is run: on which workers and for how long. No option here changes a result."""

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from search.quiet import import_quietly
from search.records.errors import Misuse

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Execution:
    """The options of every command that trains a study."""

    workers: int | None = None
    """Number of training processes, each with one thread. [default: one per GPU if TensorFlow sees
    GPUs, else one per core]"""
    device: Literal["auto", "cpu"] = "auto"
    """With cpu, GPUs are not used."""
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
        return self.workers or len(self.gpus) or cores()

    @property
    def gpus(self) -> tuple[str, ...]:
        """The GPUs that local workers use, one each, as CUDA_VISIBLE_DEVICES names them."""
        return gpus() if self.device == "auto" and not self.scheduler else ()

    @property
    def devices(self) -> tuple[str, ...] | None:
        """The devices to share among the workers, None if they choose for themselves."""
        if self.scheduler:
            return None
        return ("-1",) if self.device == "cpu" else self.gpus

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
        if self.device not in ("auto", "cpu"):
            raise Misuse(f"--device {self.device}: choose auto or cpu")
        if self.scheduler:
            for name, differs in (("workers", self.workers), ("device", self.device != "auto")):
                if differs:
                    raise Misuse(
                        f"--{name} is for workers on this machine, but the workers of --scheduler "
                        "train: leave it out"
                    )
        if self.workers is not None and self.workers < 1:
            raise Misuse(f"--workers {self.workers}: must be at least 1")
        if self.gpus and (self.workers or 1) > len(self.gpus):
            raise Misuse(
                f"--workers {self.workers}: each worker has a GPU of its own, and TensorFlow sees "
                f"{len(self.gpus)}: give at most {len(self.gpus)}, or --device cpu"
            )
        if not self.checkpoint_every >= 0:
            raise Misuse(f"--checkpoint-every {self.checkpoint_every:g}: must be 0 or more seconds")
        _ = self.seconds  # raises Misuse if it cannot be read


@functools.cache
def gpus() -> tuple[str, ...]:
    """Return the GPUs that TensorFlow sees, as CUDA_VISIBLE_DEVICES names them.

    TensorFlow is asked only on a machine with NVIDIA's driver, because importing it takes seconds.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not Path("/proc/driver/nvidia/version").exists() or visible in ("", "-1"):
        return ()
    tensorflow = import_quietly("tensorflow")
    count = len(tensorflow.config.list_physical_devices("GPU"))
    names = visible.split(",") if visible else [str(n) for n in range(count)]
    return tuple(names[:count])


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
