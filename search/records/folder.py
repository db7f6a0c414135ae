"""A study on disk: a KerasTuner project directory that no crash can tear.

Every file is written whole to a temporary file, forced to the disk and renamed into place, by the
one process that holds the study's lock. JSON is strict: NaN and infinity become null.
"""

import contextlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from search.records.errors import Failure, Misuse

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


TRIAL_DIRECTORY = re.compile(r"trial_(\d+)")


Json = dict[str, Any]


class Study:
    """The files of one study: `study.json`, `oracle.json`, `tuner0.json`, `trial_*/`.

    Raises Misuse where `name` could not be a directory of `logs`.
    """

    def __init__(self, logs: Path, name: str):
        if not NAME.fullmatch(name):
            raise Misuse(
                f"study name {name!r}: use letters, digits, '.', '_' and '-', "
                "beginning with a letter or digit (--logs takes the folder)"
            )
        self.logs = logs
        self.name = name
        self.directory = logs / name

    @property
    def final(self) -> "Study":
        """The study of this search's final network."""
        return Study(self.logs, f"{self.name}-final")

    @property
    def path(self) -> "Study":
        """The study of the path to this search's final network."""
        return Study(self.logs, f"{self.name}-path")

    def exists(self) -> bool:
        return (self.directory / "study.json").exists()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the study against every other process; the lock dies with its holder.

        Raises Failure where another process holds it, or where nothing can be written.
        """
        with disk_faults(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.directory / ".lock", timeout=0)
            try:
                lock.acquire()
            except filelock.Timeout:
                raise Failure(
                    f"study {self.name} is being run by another process: wait for it, or look at "
                    f"it with: python -m search status --study {self.name}"
                ) from None
        try:
            for leftover in self.directory.rglob("*.partial"):
                leftover.unlink()
            yield
        finally:
            lock.release()

    def trial_directory(self, trial_id: str) -> Path:
        return self.directory / f"trial_{trial_id}"

    def write_json(self, name: str, content: Json) -> None:
        text = json.dumps(strict(content), allow_nan=False)
        self.write(name, text.encode())

    def write(self, name: str, content: bytes) -> None:
        """Replaces a file of the study by one holding `content`, or leaves it as it was."""
        path = self.directory / name
        partial = path.with_name(path.name + ".partial")
        with disk_faults(path):
            path.parent.mkdir(exist_ok=True)
            try:
                with partial.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(path)
            except OSError:
                partial.unlink(missing_ok=True)
                raise
            force_directory(path.parent)

    def read_json(self, name: str) -> Json | None:
        """The content of a JSON file; None where there is none. Raises ValueError where torn."""
        try:
            content = json.loads((self.directory / name).read_text())
        except FileNotFoundError:
            return None
        if not isinstance(content, dict):
            raise ValueError(f"{name} holds no object")
        return content

    def trial_ids(self) -> list[str]:
        if not self.directory.is_dir():
            return []
        names = (TRIAL_DIRECTORY.fullmatch(entry.name) for entry in self.directory.iterdir())
        return sorted(match[1] for match in names if match)

    def read_trials(self) -> tuple[dict[str, Json], list[str]]:
        """Trial files by identifier, and the identifiers of those that are torn or no trial."""
        whole: dict[str, Json] = {}
        torn: list[str] = []
        for trial_id in self.trial_ids():
            try:
                content = self.read_json(f"trial_{trial_id}/trial.json")
            except ValueError:
                torn.append(trial_id)
                continue
            if content is None:
                continue
            if {"hyperparameters", "status", "metrics"} <= content.keys():
                whole[trial_id] = content
            else:
                torn.append(trial_id)
        return whole, torn

    def set_aside(self, name: str) -> None:
        """Keeps a torn file, as NAME.torn, where nothing takes it for a whole one."""
        path = self.directory / name
        with disk_faults(path):
            path.replace(path.with_name(path.name + ".torn"))

    def remove(self, name: str) -> None:
        with disk_faults(self.directory / name):
            (self.directory / name).unlink(missing_ok=True)


@contextlib.contextmanager
def disk_faults(path: Path) -> Iterator[None]:
    """Turns what a disk can do to a write into a Failure that says what to do."""
    try:
        yield
    except OSError as error:
        free = ""
        with contextlib.suppress(OSError):
            free = f" ({shutil.disk_usage(path.anchor or '.').free / 1e6:.0f} MB free)"
        raise Failure(
            f"cannot write {path}: {error.strerror}{free if error.errno == 28 else ''}. Nothing "
            "recorded is lost: make room or give access, then run the same command again"
        ) from error


def force_directory(directory: Path) -> None:
    """Forces a rename to the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def strict(value: Any) -> Any:
    """The value with every float that JSON has no word for as None, numpy scalars as Python's."""
    if isinstance(value, dict):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [strict(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def study_record(study: Study) -> Json:
    """The content of `study.json`. Raises Misuse where there is none."""
    try:
        about = study.read_json("study.json")
    except ValueError as error:
        raise Misuse(f"{study.directory}/study.json is torn: {error}") from error
    if about is None:
        raise Misuse(
            f"there is no study {study.name} in {study.logs}/: python -m search run makes one"
        )
    return about
