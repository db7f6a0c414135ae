"""Seconds until a validation accuracy is reached, start-up included: this project and other tuners.

Run as: python -m benchmarks.time_to_target [RUN ...] [--seeds N ...] [--data NAME] [--seconds S]

A run is a row of the table: a tuner, and for other tuners what trains their models. Every run that
is named is measured again, one after another, in turn over the seeds. Without a name, the rows that
exist are shown alone. Rows are kept in benchmarks/time_to_target.json, with machine and versions.
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import time_to_target_figure
from search.records.commands import ended
from search.records.errors import Failure
from search.records.trial import ENDED
from search.running import provenance

ROWS = Path("benchmarks/time_to_target.json")

SECONDS = 1200.0
"""A run with a target ends after this time. It is censored for the targets that it has not reached."""

WHOLE = 3600.0
"""The same for a search without a target."""

FEWEST = 3
"""Fewest seeds that have an interval."""

TARGETS = {
    "fashion-mnist": (0.88, 0.89, 0.90, 0.905),
    "digits": (0.95, 0.97, 0.98, 0.99),
    "tumours": (0.93, 0.95, 0.97, 0.98),
}
"""Validation accuracies by data set."""

TARGET = "TARGET"
"""Stands for the highest target of the data."""

BEFORE = "08f5e95"
"""The last commit before this benchmark: Hyperband as it was."""

OURS: dict[str, tuple[str, ...]] = {
    "this project": ("--target", TARGET),
    "this project, random draws": ("--target", TARGET, "--draws", "random"),
    "Hyperband as it was": ("--target", TARGET),
    "this project, whole": (),
    "Hyperband as it was, whole": (),
    "this project, whole, 9 epochs": ("--max-epochs", "9"),
    "Hyperband as it was, whole, 9 epochs": ("--max-epochs", "9"),
}
"""By run: the options of `search run`. Whole runs have no target. They show accuracy and busy cores."""

PEERS = {
    f"{name}, {training}": (program, *(["--loop"] if training == "our loop" else []))
    for name, program in {
        "KerasTuner": "keras-tuner",
        "Optuna": "optuna",
        "SMAC": "smac",
        "Ray Tune": "ray",
    }.items()
    for training in ("model.fit", "our loop")
} | {
    "random search": ("random", "--loop"),
    "one epoch, then the best": ("one-epoch", "--loop"),
    "limit": ("limit", "--loop"),
}
"""By run: the arguments of `benchmarks.peers`."""

PEER_PACKAGES = ("optuna", "smac", "ray")


@dataclass(frozen=True)
class Row:
    """One run on one seed.

    curve: [seconds since the start, best validation accuracy so far], at each improvement.
    seconds: duration of the run, which ends with its tuner, at the last target or at the limit.
    epochs: epochs that were trained.
    finished: whether the tuner ended by itself.
    busy: share of the cores' time that is inside trials. Of this project alone.
    """

    run: str
    data: str
    seed: int
    curve: list[list[float]]
    seconds: float
    epochs: int
    finished: bool
    busy: float | None
    date: str
    processor: str
    cores: int
    commit: str | None
    versions: dict[str, str]

    def seconds_to(self, target: float) -> float:
        """Return the seconds until a validation accuracy, infinite if it was not reached."""
        return next((at for at, best in self.curve if best >= target), float("inf"))


def rows() -> list[Row]:
    """Return the rows of all runs so far."""
    return [Row(**row) for row in json.loads(ROWS.read_text())] if ROWS.exists() else []


def keep(row: Row) -> None:
    """Write a row, in place of an earlier row of the same run, data and seed."""
    key = (row.run, row.data, row.seed)
    others = [r for r in rows() if (r.run, r.data, r.seed) != key]
    every = sorted([*others, row], key=lambda r: (r.data, [*OURS, *PEERS].index(r.run), r.seed))
    lines = ",\n".join(json.dumps(asdict(r)) for r in every)
    ROWS.write_text(f"[\n{lines}\n]\n")


def measured(run: str, data: str, seed: int, limit: float) -> Row:
    """Run a tuner on a seed for a limited number of seconds, and return its row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command, place = command_of(run, data, seed, folder)
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        if "our loop" in run or "--loop" in command:
            environment["TF_ENABLE_ONEDNN_OPTS"] = "1"
        with (folder / "output.txt").open("w") as output:
            started, clock = time.time(), time.monotonic()
            process = subprocess.Popen(
                command,
                cwd=place,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                while process.poll() is None and time.monotonic() - clock < limit:
                    time.sleep(0.5)
                    if run in PEERS and reached(folder, max(TARGETS[data])):
                        break
                seconds = time.monotonic() - clock
            finally:
                finished = process.poll() == 0
                with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(process.pid, signal.SIGINT)
                    process.wait(20)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        # A tuner that is stopped may still end an epoch.
        epochs = sorted(epoch for epoch in epochs_of(folder) if epoch[0] <= started + seconds)
        if not epochs:
            raise Failure(f"{run}: no epoch ended:\n{(folder / 'output.txt').read_text()[-3000:]}")
        return Row(
            run,
            data,
            seed,
            improvements(epochs, started),
            round(seconds, 1),
            len(epochs),
            finished,
            busy(folder, seconds) if run in OURS else None,
            time.strftime("%Y-%m-%d"),
            provenance.processor(),
            os.cpu_count() or 1,
            BEFORE if "as it was" in run else provenance.commit(),
            versions(),
        )


def versions() -> dict[str, str]:
    """Return the versions of what results depend on, and of the peers that are installed."""
    found = provenance.versions()
    for package in PEER_PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def command_of(run: str, data: str, seed: int, folder: Path) -> tuple[list[str], Path]:
    """Return the command of a run, and the folder in which it runs.

    folder: of the run's own files.
    """
    here = Path.cwd()
    given = str(made(data, folder)) if data not in ("fashion-mnist", "digits") else data
    if run in PEERS:
        tuner, *options = PEERS[run]
        peers = [sys.executable, "-m", "benchmarks.peers", tuner, str(seed), given, str(folder)]
        return [*peers, *options], here
    if "as it was" in run:
        here = folder / "before"
        here.mkdir()
        archive = subprocess.run(
            ["git", "archive", BEFORE, "search"], check=True, capture_output=True
        )
        subprocess.run(["tar", "-x", "-C", str(here)], check=True, input=archive.stdout)
    source = ["--data", given] if given != data else ["--dataset", data]
    search = [sys.executable, "-m", "search", "run", "--study", "s", "--logs", str(folder / "logs")]
    options = [str(max(TARGETS[data])) if word == TARGET else word for word in OURS[run]]
    return [*search, *source, "--seed", str(seed), *options], here


def made(data: str, folder: Path) -> Path:
    """Write the third data set, scikit-learn's breast tumours: 569 examples of 30 features."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.preprocessing import StandardScaler

    x, y = load_breast_cancer(return_X_y=True)
    path = folder / f"{data}.npz"
    scaled = StandardScaler().fit_transform(x).astype("float32")
    np.savez(path, x_train=scaled, y_train=y.astype("int64"))
    return path


def epochs_of(folder: Path) -> Iterator[tuple[float, float]]:
    """Yield the end of each epoch of a run, in seconds since 1970, and its validation accuracy."""
    for file in folder.glob("epochs-*.jsonl"):
        for line in file.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):  # it is being written
                row = json.loads(line)
                yield row["time"], row["val_accuracy"]
    for trial in trials(folder):
        for row in trial["run"].get("epochs", []):
            yield row["time"], row["val_accuracy"] or 0.0


def trials(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the trials of a run of this project."""
    for file in folder.glob("logs/s/trial_*/trial.json"):
        yield json.loads(file.read_text())


def reached(folder: Path, target: float) -> bool:
    """Return whether an epoch of a run has reached a validation accuracy."""
    return any(value >= target for _, value in epochs_of(folder))


def improvements(epochs: list[tuple[float, float]], started: float) -> list[list[float]]:
    """Return the best validation accuracy so far against the seconds since the start."""
    curve: list[list[float]] = []
    for at, value in epochs:
        if not curve or value > curve[-1][1]:
            curve.append([round(at - started, 2), round(value, 5)])
    return curve


def busy(folder: Path, seconds: float) -> float:
    """Return the share of the cores' time that is inside trials, from their begin to their end."""
    spans = [t["run"] for t in trials(folder) if t["status"] in ENDED]
    inside = sum(run["ended"] - run["started"] for run in spans)
    return round(inside / seconds / (os.cpu_count() or 1), 4)


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the median of seconds and its 95 % bootstrap interval. Censored runs are infinite."""
    rng = np.random.default_rng(0)
    drawn = np.sort(rng.choice(values, (2000, len(values))), axis=1)
    medians = np.sort(drawn[:, (len(values) - 1) // 2])  # an infinite value has no mean
    return float(np.sort(values)[(len(values) - 1) // 2]), float(medians[50]), float(medians[-51])


def table(data: str) -> Iterator[str]:
    """Yield the lines of the table of a data set."""
    targets = TARGETS[data]
    yield (
        f"| {data} | seeds | " + " | ".join(f"{t:g}" for t in targets) + " | best accuracy | busy |"
    )
    yield "| --- |" + " --- |" * (len(targets) + 3)
    every = rows()
    for run in [*OURS, *PEERS]:
        own = [row for row in every if (row.run, row.data) == (run, data)]
        if not own:
            continue
        cells = [cell(np.array([row.seconds_to(target) for row in own])) for target in targets]
        best = np.median([row.curve[-1][1] for row in own])
        shares = [row.busy for row in own if row.busy is not None]
        used = f"{100 * np.median(shares):.0f} %" if shares else ""
        yield f"| {run} | {len(own)} | {' | '.join(cells)} | {best:.4f} | {used} |"


def cell(values: np.ndarray) -> str:
    """Return the median of seconds with its interval, in words. Few seeds have no interval."""
    median, low, high = (
        f"{value:.0f}" if np.isfinite(value) else "∞" for value in interval(values)
    )
    unit = "" if median == "∞" else " s"
    return f"{median}{unit} [{low}; {high}]" if len(values) >= FEWEST else f"{median}{unit}"


def main() -> None:
    """Measure what is asked, then print the table. Raises Failure if a run trains nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", choices=[*OURS, *PEERS, []])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--data", choices=TARGETS, default="fashion-mnist")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="limit of a run that has a target"
    )
    given = parser.parse_args()
    for seed in given.seeds:
        for run in given.runs:
            row = measured(run, given.data, seed, WHOLE if "whole" in run else given.seconds)
            keep(row)
            found = [f"{target:g}: {row.seconds_to(target):.0f} s" for target in TARGETS[row.data]]
            print(
                f"{run}, seed {seed}: {', '.join(found)}; best {row.curve[-1][1]}", file=sys.stderr
            )
    print("\n".join(table(given.data)))
    if given.data == "fashion-mnist":
        drawn: dict[str, list[time_to_target_figure.Drawn]] = {}
        for row in rows():
            if row.data == given.data and "whole" not in row.run:
                one = time_to_target_figure.Drawn(row.curve, row.seconds, row.finished)
                drawn.setdefault(row.run, []).append(one)
        time_to_target_figure.draw(drawn, TARGETS[given.data])


if __name__ == "__main__":
    sys.exit(ended(main, "benchmarks.time_to_target"))
