"""Files that no crash, full disk or second process can tear."""

import json
import math
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from search.records.errors import Failure, Misuse
from search.records.folder import StudyFolder, strict
from tests.drivers import ROOT, wait_until

WRITER = """
import sys
from pathlib import Path
from search.records.folder import StudyFolder
study = StudyFolder(Path(sys.argv[1]), "s")
print("ready", flush=True)
n = 0
while True:
    n += 1
    study.write_json("oracle.json", {"n": n, "filler": "x" * 200_000})
"""


@pytest.mark.parametrize("name", ["", "a/b", "../up", "*", "s[1]", "what?", ".hidden", "a b"])
def test_names_that_are_no_folder_are_refused(tmp_path, name):
    with pytest.raises(Misuse, match="study name"):
        StudyFolder(tmp_path, name)


def test_folder_with_glob_characters_is_only_a_folder(tmp_path):
    study = StudyFolder(tmp_path / "logs[1]*", "s")
    with study.locked():
        study.write_json(
            "trial_0000/trial.json", {"hyperparameters": {}, "status": "", "metrics": {}}
        )
    assert study.trial_ids() == ["0000"]


def test_killed_while_writing_the_file_is_whole(tmp_path):
    study = StudyFolder(tmp_path, "s")
    study.directory.mkdir()
    for wait in (0.001, 0.002, 0.003, 0.005, 0.008, 0.013):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT
        ) as writer:
            assert writer.stdout.readline() == b"ready\n"
            wait_until((study.directory / "oracle.json").exists)
            time.sleep(wait)  # anywhere in a later write
            writer.send_signal(signal.SIGKILL)
        assert len(study.read_json("oracle.json")["filler"]) == 200_000
        (study.directory / "oracle.json").unlink()
    with study.locked():
        assert not list(study.directory.glob("*.partial"))


def test_json_is_strict(tmp_path):
    study = StudyFolder(tmp_path, "s")
    study.directory.mkdir()
    values = {"a": math.nan, "b": [math.inf, np.float32(0.5)], "c": np.int64(3), "d": True}
    study.write_json("x.json", values)
    text = (study.directory / "x.json").read_text()
    assert json.loads(text) == {"a": None, "b": [None, 0.5], "c": 3, "d": True}
    assert "NaN" not in text
    assert strict({1: (2, 3)}) == {"1": [2, 3]}


def test_torn_trials_are_told_from_whole_ones(tmp_path):
    study = StudyFolder(tmp_path, "s")
    for number, text in enumerate(['{"trial_id": "0', "[]", "{}"]):
        (study.directory / f"trial_000{number}").mkdir(parents=True)
        (study.directory / f"trial_000{number}" / "trial.json").write_text(text)
    (study.directory / "trial_0003").mkdir()
    trial = {"trial_id": "0004", "hyperparameters": {}, "status": "RUNNING", "metrics": {}}
    study.write_trial("0004", trial)
    whole, torn = study.read_trials()
    assert list(whole) == ["0004"]
    assert torn == ["0000", "0001", "0002"]


def test_second_process_is_refused_and_a_dead_holder_is_not_waited_for(tmp_path):
    hold = (
        "import sys; from pathlib import Path; from search.records.folder import StudyFolder\n"
        "with StudyFolder(Path(sys.argv[1]), 's').locked():\n"
        " print('held', flush=True); sys.stdin.read()"
    )
    study = StudyFolder(tmp_path, "s")
    command = [sys.executable, "-c", hold, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, cwd=ROOT) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Failure, match="is being run by another process"), study.locked():
            pass
        holder.send_signal(signal.SIGKILL)
    with study.locked():
        pass


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 64 kB, where the tests may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("cannot mount a small file system here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_loses_nothing_and_says_so(tiny_disk):
    study = StudyFolder(tiny_disk, "s")
    study.directory.mkdir()
    study.write("kept", b"before")
    with pytest.raises(Failure, match=r"No space left.*Nothing recorded is lost"):
        study.write("kept", b"x" * 100_000)
    assert (study.directory / "kept").read_bytes() == b"before"
    assert [path.name for path in study.directory.iterdir()] == ["kept"]
