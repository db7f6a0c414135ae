"""The folder of a study: a KerasTuner project directory that survives any crash.

Every file is written to a temporary file, forced to the disk and renamed into place. Only the
process that holds the study's lock writes files. JSON is strict: NaN and infinity become null.
"""

import contextlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import filelock

from search.records.arguments import Arguments, continued
from search.records.errors import Failure, Misuse
from search.records.ledger import Witness
from search.records.reading import Invalid, Json
from search.records.study import StudyRecord, study_record
from search.records.trial import TrialFile, trial_file

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
TRIAL_DIRECTORY = re.compile(r"trial_(\d+)")

A = TypeVar("A", bound=Arguments)

RECORD = "study.json"
LOCK = ".lock"


class StudyFolder:
    """The files of one study: `study.json`, `oracle.json`, `tuner0.json`, `trial_*/`.

    Raises Misuse if `name` is not a valid name of a folder in `logs`.
    """

    def __init__(self, logs: Path, name: str):
        if not NAME.fullmatch(name):
            raise Misuse(
                f"study name {name!r}: use letters, digits, '.', '_' and '-', "
                "beginning with a letter or digit (give its folder by --logs)"
            )
        self.logs = logs
        self.name = name
        self.directory = logs / name

    @classmethod
    def at(cls, directory: Path, name: str) -> "StudyFolder":
        """Return the folder of a program's study, whose name may be any path below a directory."""
        whole = directory / name
        folder = cls(whole.parent, "program")
        folder.name, folder.directory = whole.name, whole
        return folder

    @property
    def final(self) -> "StudyFolder":
        """The study of this search's final network."""
        return StudyFolder(self.logs, f"{self.name}-final")

    @property
    def ablation(self) -> "StudyFolder":
        """The study of the ablation path to this search's final network."""
        return StudyFolder(self.logs, f"{self.name}-path")

    def exists(self) -> bool:
        """Return whether the study was started."""
        return (self.directory / RECORD).exists()

    def record(self) -> StudyRecord:
        """Return the content of `study.json`.

        Raises Misuse if there is no such study, Failure if the file is torn or does not fit its
        format.
        """
        path = self.directory / RECORD
        try:
            content = self.read_json(RECORD)
        except ValueError as error:
            raise Failure(f"{path} is torn ({error}): restore it from a copy") from error
        if content is None:
            raise Misuse(
                f"there is no study {self.name} in {self.logs}/: python -m search run starts one"
            )
        return study_record(content, path)

    def settled(self, kind: type[A], given: dict[str, Any]) -> A:
        """Return the study's arguments: those given if it is new, otherwise those recorded.

        given: the command line's values by field. They may extend a continued study.
        Raises Misuse if they would make a continued study a different study.
        """
        if not self.exists():
            arguments = kind(**given)
            arguments.check()
            return arguments
        record = self.record()
        if not isinstance(record.arguments, kind):
            raise Misuse(
                f"study {self.name} was started by `search {record.command}`: choose another "
                "--study name"
            )
        return continued(self.name, record.arguments, given)

    def write_record(self, record: StudyRecord) -> None:
        """Replace `study.json`."""
        self.write_json(RECORD, record.to_file())

    def witness(self, witness: Witness) -> None:
        """Record the state of the final study's ledger in this search's record."""
        self.write_record(replace(self.record(), ledger=witness))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the study against every other process. The lock ends with the process that holds it.

        The folder is removed at the end if it holds nothing but the lock.
        Raises Failure if another process holds the lock, or if the folder cannot be written.
        """
        with disk_faults(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.directory / LOCK, timeout=0)
            try:
                lock.acquire()
            except filelock.Timeout:
                raise Failure(
                    f"study {self.name} is being run by another process: wait for it, or check its "
                    f"progress with: python -m search status --study {self.name}"
                ) from None
        try:
            for leftover in self.directory.rglob("*.partial"):
                leftover.unlink()
            yield
        finally:
            try:
                self._remove_if_empty()
            finally:
                lock.release()

    def clear(self) -> None:
        """Remove the content of the folder, which is a study or empty.

        Raises Misuse if it holds anything else, Failure if another process runs the study.
        """
        if not self.directory.exists():
            return
        entries = [p for p in self.directory.iterdir() if p.name != LOCK]
        if entries and not (
            {RECORD, "oracle.json"} & {p.name for p in entries} or self.trial_ids()
        ):
            raise Misuse(
                f"{self.directory} holds no study, so it is not overwritten: remove it, or choose "
                "another project_name"
            )
        with self.locked(), disk_faults(self.directory):
            for path in entries:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def _remove_if_empty(self) -> None:
        """Remove the folder if it holds nothing but the lock, which this process holds."""
        with contextlib.suppress(OSError):
            if [path.name for path in self.directory.iterdir()] == [LOCK]:
                (self.directory / LOCK).unlink()
                self.directory.rmdir()

    def trial_directory(self, trial_id: str) -> Path:
        return self.directory / f"trial_{trial_id}"

    def write_trial(self, trial_id: str, state: Json) -> None:
        """Replace a trial file."""
        self.write_json(f"trial_{trial_id}/trial.json", state)

    def write_json(self, name: str, content: Json) -> None:
        """Replace the content of a JSON file of the study, made strict by `strict`."""
        text = json.dumps(strict(content), allow_nan=False)
        self.write(name, text.encode())

    def write(self, name: str, content: bytes) -> None:
        """Replace the content of a file of the study.

        Raises Failure if the content cannot be written. The file then stays as it was.
        """
        path = self.directory / name
        partial = path.with_name(path.name + ".partial")
        with disk_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
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
        """Return a JSON file's content, None if there is no file.

        Raises ValueError if the file is torn.
        """
        try:
            content = json.loads((self.directory / name).read_text())
        except FileNotFoundError:
            return None
        if not isinstance(content, dict):
            raise ValueError(f"{name} holds no JSON object")
        return content

    def trial_ids(self) -> list[str]:
        """Return the identifiers of all trial folders, sorted."""
        if not self.directory.is_dir():
            return []
        names = (TRIAL_DIRECTORY.fullmatch(entry.name) for entry in self.directory.iterdir())
        return sorted(match[1] for match in names if match)

    def read_trials(self) -> tuple[dict[str, TrialFile], list[str]]:
        """Return the whole trial files by identifier, and the identifiers of the torn files.

        A file counts as torn if it is not a JSON object, or if hyperparameters, status or metrics
        are missing.
        Raises Failure if another field is missing or if a field has the wrong type.
        """
        whole: dict[str, TrialFile] = {}
        torn: list[str] = []
        for trial_id in self.trial_ids():
            name = f"trial_{trial_id}/trial.json"
            try:
                content = self.read_json(name)
            except ValueError:
                torn.append(trial_id)
                continue
            if content is None:
                continue
            if not {"hyperparameters", "status", "metrics"} <= content.keys():
                torn.append(trial_id)
                continue
            try:
                whole[trial_id] = trial_file(content)
            except Invalid as error:
                raise Failure(f"{self.directory / name}: {error}") from None
        return whole, torn

    def set_aside(self, name: str) -> None:
        """Rename a torn file to NAME.torn, so that nothing reads it as a whole file."""
        path = self.directory / name
        with disk_faults(path):
            path.replace(path.with_name(path.name + ".torn"))

    def remove(self, name: str) -> None:
        """Remove a file of the study, if it exists."""
        with disk_faults(self.directory / name):
            (self.directory / name).unlink(missing_ok=True)


@contextlib.contextmanager
def disk_faults(path: Path) -> Iterator[None]:
    """Turn an OSError into a Failure that says what to do. path: the file that is written."""
    try:
        yield
    except OSError as error:
        free = ""
        with contextlib.suppress(OSError):
            free = f" ({shutil.disk_usage(path.anchor or '.').free / 1e6:.0f} MB free)"
        raise Failure(
            f"cannot write {path}: {error.strerror}{free if error.errno == 28 else ''}. Nothing "
            "recorded is lost: free space or allow writing, then run the same command again"
        ) from error


def force_directory(directory: Path) -> None:
    """Force a directory's renamed files to the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def strict(value: Any) -> Any:
    """Return a copy that is valid JSON: non-finite floats become None, numpy scalars Python's."""
    if isinstance(value, dict):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [strict(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
