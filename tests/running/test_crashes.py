"""Whatever happens to a study, it ends as an undisturbed one. Its networks are simulated."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter

import psutil
import pytest
from rich.console import Console

from search.cli.progress import Display
from search.records.arguments import HyperbandArguments
from search.records.folder import StudyFolder
from search.running.events import FILE
from search.running.execution import Execution
from search.running.run import run_study
from tests.drivers import LIMIT, wait_until
from tests.running.studies import SMALL, check_events, finished, outcome
from tests.simulated import SIMULATED


def copied(undisturbed, logs):
    shutil.copytree(undisturbed / "s", logs / "s")
    return logs / "s"


def ended_in(lines):
    return [line.split("] trial ")[1][:4] for line in lines.splitlines() if "] trial " in line]


def test_two_workers_give_what_one_gives(undisturbed, run, tmp_path):
    done = run(*SMALL, "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert outcome(tmp_path) == outcome(undisturbed)


def test_the_study_has_promotions_ties_and_failures(undisturbed, summary):
    """Or the other tests would prove little."""
    trials, _ = StudyFolder(undisturbed, "s").read_trials()
    assert {t.values["tuner/round"] for t in trials.values()} == {0, 1, 2}
    assert summary["failed"] == 1
    assert summary["trials"] == summary["completed"] + summary["failed"] == 23


@pytest.mark.slow
def test_killed_five_times_it_gives_what_an_undisturbed_run_gives(
    undisturbed, start, run, tmp_path
):
    choose = random.Random(11)
    options = (*SMALL, "--workers", 2, "--checkpoint-every", 0)
    ended = []
    kills = 0
    for trials in (2, 4, 3, 3, 3):
        driver = start(*options)
        # Had the machine no time for this test, the study may have ended: a kill fewer.
        wait_until(lambda d=driver, n=trials: len(ended_in(d.stderr)) >= n or d.ended())
        time.sleep(0.08 * choose.random())  # anywhere in a trial, or between two files
        workers = driver.children()
        driver.kill()
        kills += driver.wait().returncode == -9
        ended += ended_in(driver.stderr)
        _, alive = psutil.wait_procs(workers, timeout=LIMIT)
        assert not alive, "workers outlive a killed driver"
    assert kills
    done = run(*options)
    assert done.returncode == 0, done.stderr
    ended += ended_in(done.stderr)
    assert outcome(tmp_path) == outcome(undisturbed)
    assert not [name for name, times in Counter(ended).items() if times > 1], "ended twice"
    check_events(tmp_path)


@pytest.mark.slow
def test_draws_that_learn_are_the_same_with_one_worker_two_and_five_kills(drivers, start, tmp_path):
    """At 27 epochs, a model of the trials so far makes some of the draws."""
    longer = ("--dataset", "digits", "--max-epochs", 27, "--seed", 7)
    finished(drivers, tmp_path / "one", *longer)
    trials, _ = StudyFolder(tmp_path / "one", "s").read_trials()
    samplers = Counter(t.values.get("tuner/sampler") for t in trials.values())
    assert {"given", "random", "prior", "model"} <= set(samplers)
    roots = [t for t in trials.values() if t.values["tuner/round"] == 0]
    learned = [t.run.learned_from for t in roots if t.values["tuner/sampler"] == "model"]
    assert all(names and set(names) < set(trials) for names in learned)
    choose = random.Random(3)
    options = (*longer, "--workers", 2, "--checkpoint-every", 0)
    for _ in range(5):
        driver = start(*options)
        wait_until(lambda d=driver: len(ended_in(d.stderr)) >= 10 or d.ended())
        time.sleep(0.08 * choose.random())
        driver.kill()
        driver.wait()
    driver = start(*options)
    assert driver.wait().returncode == 0, driver.stderr
    assert outcome(tmp_path) == outcome(tmp_path / "one")


def in_a_trial(directory):
    """Whether a trial is under way and some of its epochs are known."""
    for path in directory.glob(f"trial_*/validation/{FILE}"):
        few = path.stat().st_size > 200  # an epoch has some 80 bytes
        if few and '"RUNNING"' in (path.parents[1] / "trial.json").read_text():
            return True
    return False


@pytest.mark.slow
def test_killed_workers_are_replaced_and_nothing_is_lost(undisturbed, start, tmp_path):
    driver = start(*SMALL, "--workers", 2)
    killed = 0
    for trials in (4, 20):
        wait_until(
            lambda n=trials: (
                (len(ended_in(driver.stderr)) >= n and in_a_trial(tmp_path / "s")) or driver.ended()
            )
        )
        # The process that workers are forks of is the driver's own child.
        for worker in [child for child in driver.children() if child.ppid() != driver.pid]:
            worker.kill()
            killed += 1
    assert killed
    assert driver.wait().returncode == 0, driver.stderr
    assert outcome(tmp_path) == outcome(undisturbed)
    check_events(tmp_path)


@pytest.mark.slow
def test_lost_checkpoint_costs_time_but_changes_nothing(undisturbed, run, tmp_path):
    """Without its parent's checkpoint a promoted trial trains the whole chain again."""
    directory = copied(undisturbed, tmp_path)
    trials, _ = StudyFolder(tmp_path, "s").read_trials()
    promoted = {i: t.values["tuner/trial_id"] for i, t in trials.items() if t.values["tuner/round"]}
    for trial_id in promoted:
        shutil.rmtree(directory / f"trial_{trial_id}")
    # The textbook network has trained three epochs by its first promotion.
    parents = [parent for parent in promoted.values() if parent not in promoted]
    torn, *lost = (parent for parent in parents if len(trials[parent].run.epochs) == 1)
    assert lost
    (directory / f"trial_{torn}" / "state-00001.npz").write_bytes(b"PK and no more")
    # A trial whose own checkpoint is lost begins again, too.
    longest = next(i for i, t in trials.items() if len(t.run.epochs) == 9)
    path = directory / f"trial_{longest}" / "trial.json"
    state = json.loads(path.read_text())
    state |= {"status": "RUNNING", "score": None, "best_step": None}
    state["run"]["epochs"] = state["run"]["epochs"][:4]
    path.write_text(json.dumps(state))
    done = run()
    assert done.returncode == 0, done.stderr
    for parent in lost:
        assert f"no checkpoint of trial {parent}; training its" in done.stderr
    assert f"state-00001.npz of trial {torn} cannot be read" in done.stderr
    assert outcome(tmp_path) == outcome(undisturbed)
    check_events(tmp_path)


@pytest.mark.slow
def test_torn_files_are_recovered_and_said_so(undisturbed, run, tmp_path):
    directory = copied(undisturbed, tmp_path)
    trials, _ = StudyFolder(tmp_path, "s").read_trials()
    parents = {trial.values.get("tuner/trial_id") for trial in trials.values()}
    childless = next(trial_id for trial_id in trials if trial_id not in parents)
    for trial_id in (childless, min(parents - {None})):
        path = directory / f"trial_{trial_id}" / "trial.json"
        path.write_text(path.read_text()[:500])
    (directory / "oracle.json").write_text('{"ongoing')
    done = run()
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("was torn: kept as trial.json.torn") == 2
    assert "oracle.json was torn: rebuilt" in done.stderr
    assert outcome(tmp_path) == outcome(undisturbed)


def test_only_the_checkpoints_that_may_be_needed_are_kept(undisturbed):
    directory = undisturbed / "s"
    assert not list(directory.glob("trial_*/state-*.npz"))
    kept = list(directory.glob("trial_*/checkpoint.weights.h5"))
    assert 10 <= len(kept) <= 20


def test_interrupted_by_ctrl_c_it_says_how_to_continue(undisturbed, start, run, tmp_path):
    logs = tmp_path / "my logs"
    driver = start(*SMALL, logs=logs)
    driver.wait_for("] trial ")
    driver.interrupt()
    done = driver.wait()
    assert done.returncode == 130
    assert f"to continue: python -m search run --study s --logs '{logs}'" in done.stderr
    assert "Traceback" not in done.stderr
    assert run(logs=logs).returncode == 0
    assert outcome(logs) == outcome(undisturbed)


def have_begun(driver):
    return any(child.ppid() != driver.pid for child in driver.children())


@pytest.mark.slow
@pytest.mark.parametrize("moment", [lambda driver: bool(driver.children()), have_begun])
def test_ctrl_c_while_workers_start_is_one_line_and_the_study_can_go_on(
    undisturbed, start, run, tmp_path, moment
):
    driver = start(*SMALL)
    wait_until(lambda: moment(driver) or driver.ended())
    driver.interrupt()
    done = driver.wait()
    assert done.returncode == 130, done.stderr
    stopping, interrupted = done.stderr.splitlines()
    assert stopping.startswith("interrupted: stopping")
    assert interrupted == (
        f"interrupted; to continue: python -m search run --study s --logs {tmp_path}"
    )
    assert StudyFolder(tmp_path, "s").record().arguments.max_epochs == 9
    assert run().returncode == 0
    assert outcome(tmp_path) == outcome(undisturbed)


@pytest.fixture
def disk(tmp_path):
    """A file system of 256 kB, where the tests may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a small file system here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_full_disk_ends_the_run_and_loses_nothing(undisturbed, run, disk):
    full = run(*SMALL, "--workers", 2, logs=disk)
    assert full.returncode == 1
    assert "No space left" in full.stderr
    assert "run the same command again" in full.stderr
    assert "Traceback" not in full.stderr
    trials, torn = StudyFolder(disk, "s").read_trials()
    assert trials
    assert not torn
    subprocess.run(["mount", "-o", "remount,size=500m", str(disk)], check=True)
    done = run(logs=disk)
    assert done.returncode == 0, done.stderr
    assert outcome(disk) == outcome(undisturbed)


class PressedAtTheEnd(Display):
    """A display that Ctrl-C reaches when the last trial is written, before the workers have ended."""

    def __exit__(self, *_):
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_after_the_last_trial_keeps_what_follows_from_beginning(tmp_path, scheduler):
    """Or `final` would open the test set after Ctrl-C."""
    folder = StudyFolder(tmp_path, "s")
    arguments = HyperbandArguments(dataset="digits", max_epochs=3)
    display = PressedAtTheEnd("s", Console(stderr=True))
    with pytest.raises(KeyboardInterrupt):
        run_study(folder, arguments, Execution(scheduler=scheduler), display, SIMULATED)
    assert folder.record().finished
