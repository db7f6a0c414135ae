"""Whole studies of the digits through the command: the same whatever happens to them."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import keras_tuner as kt
import psutil
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

from search.data.load import load_pool
from search.networks.dense import DenseNetworks
from search.records.folder import Study
from search.records.trial import configuration
from search.running.events import FILE

pytestmark = pytest.mark.slow


def command(logs, *options, study="s"):
    base = [sys.executable, "-m", "search", "run", "--study", study, "--logs", str(logs)]
    return [*base, *map(str, options)]


def start(logs, *options, **kwargs):
    """The study in a process group of its own, its stderr a pipe of lines."""
    return subprocess.Popen(
        command(logs, *options, **kwargs),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(logs, *options, **kwargs):
    return subprocess.run(
        command(logs, *options, **kwargs), capture_output=True, text=True, check=False
    )


SMALL = ("--dataset", "digits", "--max-epochs", 9, "--seed", 7)
TINY = ("--dataset", "digits", "--max-epochs", 3, "--fix", "units_1=32", "--fix", "layers=1")


def outcome(logs, study="s"):
    """(configuration, rung, val_accuracy of every epoch) of each trial, bit for bit."""
    trials, torn = Study(logs, study).read_trials()
    assert not torn
    result = []
    for trial in trials.values():
        values = trial["hyperparameters"]["values"]
        curve = [row["val_accuracy"] for row in trial["run"]["epochs"]]
        place = (values["tuner/bracket"], values["tuner/round"])
        result.append((str(sorted(configuration(values).items())), place, trial["status"], curve))
    return sorted(result)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """One worker, never interrupted."""
    logs = tmp_path_factory.mktemp("one")
    done = run(logs, *SMALL, "--workers", 1, "--json")
    assert done.returncode == 0, done.stderr
    return logs, json.loads(done.stdout)


def test_summary_is_one_json_object_that_counts_the_study(reference):
    logs, summary = reference
    assert summary["finished"]
    assert summary["trials"] == summary["completed"] + summary["failed"] == 23
    # An epoch in which a trial diverges is its last: only failures can make fewer than 75.
    assert summary["epochs"] == 75 or summary["failed"]
    assert summary["best"]["val_accuracy"] == max(
        trial["score"] or 0 for trial in Study(logs, "s").read_trials()[0].values()
    )
    status = subprocess.run(
        [sys.executable, "-m", "search", "status", "--study", "s", "--logs", logs, "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(status.stdout) == summary


def test_two_workers_give_what_one_gives(reference, tmp_path):
    assert run(tmp_path, *SMALL, "--workers", 2).returncode == 0
    assert outcome(tmp_path) == outcome(reference[0])


def test_killed_five_times_it_gives_what_an_undisturbed_run_gives(reference, tmp_path):
    choose = random.Random(11)
    ended = []
    options = (*SMALL, "--workers", 2, "--checkpoint-every", 0)
    for _ in range(5):
        process = start(tmp_path, *options)
        wanted = choose.randint(1, 4)
        while wanted and (line := process.stderr.readline()):
            if "] trial " in line:
                ended.append(line.split("] trial ")[1][:4])
                wanted -= 1
        time.sleep(choose.random())
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[1]
        ended += [line.split("] trial ")[1][:4] for line in rest.splitlines() if "] trial " in line]
        _, alive = psutil.wait_procs(workers, timeout=20)
        assert not alive, "workers outlive a killed driver"
    done = run(tmp_path, *options)
    assert done.returncode == 0, done.stderr
    ended += [
        line.split("] trial ")[1][:4] for line in done.stderr.splitlines() if "] trial " in line
    ]
    assert outcome(tmp_path) == outcome(reference[0])
    assert not [name for name, times in Counter(ended).items() if times > 1], "ended twice"
    check_events(tmp_path / "s")


def check_events(directory):
    """Every epoch of every trial stands once in its event files, as in the trial file."""
    for path in directory.glob("trial_*/trial.json"):
        rows = json.loads(path.read_text())["run"]["epochs"]
        events = EventAccumulator(str(path.parent / "validation"), {"scalars": 0}).Reload()
        points = events.Scalars("epoch_accuracy")
        assert [point.step for point in points] == [row["epoch"] for row in rows]
        assert [point.value for point in points] == pytest.approx(
            [row["val_accuracy"] for row in rows]
        )


def test_killed_workers_are_replaced_and_nothing_is_lost(reference, tmp_path):
    process = start(tmp_path, *SMALL, "--workers", 2)
    for trials, line in enumerate(iter(process.stderr.readline, "")):
        if trials in (2, 6) and "] trial " in line:
            busy = max(
                psutil.Process(process.pid).children(recursive=True),
                key=lambda child: child.memory_info().rss,
            )
            busy.kill()
    assert process.wait() == 0
    assert outcome(tmp_path) == outcome(reference[0])


def test_lost_checkpoint_costs_time_but_changes_nothing(reference, tmp_path):
    """Without its parent's checkpoint a promoted trial trains the whole chain again."""
    process = start(tmp_path, *SMALL, "--workers", 1)
    ended = 0
    while ended < 9:
        ended += "] trial " in process.stderr.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    states = list((tmp_path / "s").glob("trial_*/state-*.npz"))
    assert states
    for path in states[::2]:
        path.unlink()
    for path in states[1::2]:
        path.write_bytes(path.read_bytes()[:1000])
    done = run(tmp_path, *SMALL)
    assert done.returncode == 0, done.stderr
    assert "no checkpoint of trial" in done.stderr
    assert "cannot be read" in done.stderr
    assert outcome(tmp_path) == outcome(reference[0])


def test_torn_files_are_recovered_and_said_so(reference, tmp_path):
    logs = reference[0]
    subprocess.run(["cp", "-r", logs / "s", tmp_path / "s"], check=True)
    directory = tmp_path / "s"
    parents = {
        json.loads(path.read_text())["hyperparameters"]["values"].get("tuner/trial_id")
        for path in directory.glob("trial_*/trial.json")
    }
    childless = next(i for i in Study(tmp_path, "s").trial_ids() if i not in parents)
    for trial_id in (childless, min(parents - {None})):
        path = directory / f"trial_{trial_id}" / "trial.json"
        path.write_text(path.read_text()[:500])
    (directory / "oracle.json").write_text('{"ongoing')
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("was torn: kept as trial.json.torn") == 2
    assert "oracle.json was torn: rebuilt" in done.stderr
    assert outcome(tmp_path) == outcome(logs)


def test_stock_kerastuner_reloads_the_study(reference):
    """With its best hyperparameters and its best model, whose score is as recorded."""
    logs, summary = reference
    images = load_pool("digits").split(7)
    networks = DenseNetworks(64, 10, len(images.x_train), max_epochs=9)
    theirs = kt.Hyperband(
        networks, "val_accuracy", max_epochs=9, directory=str(logs), project_name="s"
    )
    best = theirs.get_best_hyperparameters()[0].values
    assert configuration(best) == summary["best"]["hyperparameters"]
    model = theirs.get_best_models()[0]
    _, accuracy = model.evaluate(images.x_validation / 16.0, images.y_validation, verbose=0)
    assert accuracy == pytest.approx(summary["best"]["val_accuracy"], abs=1e-6)


def test_only_the_checkpoints_that_may_be_needed_are_kept(reference):
    directory = reference[0] / "s"
    assert not list(directory.glob("trial_*/state-*.npz"))
    kept = list(directory.glob("trial_*/checkpoint.weights.h5"))
    assert 10 <= len(kept) <= 20


def test_interrupted_by_ctrl_c_it_says_how_to_continue(tmp_path):
    logs = tmp_path / "my logs"
    process = start(logs, *SMALL)
    while "] trial " not in process.stderr.readline():
        pass
    os.killpg(process.pid, signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"to continue: python -m search run --study s --logs '{logs}'" in rest
    assert "Traceback" not in rest


def test_time_budget_stops_and_more_of_it_continues(reference, tmp_path):
    whole = reference[1]["seconds"]
    options = (*SMALL, "--workers", 1, "--checkpoint-every", 0)
    first = run(tmp_path, *options, "--time-budget", f"{0.4 * whole:.1f}s", "--json")
    assert first.returncode == 0, first.stderr
    assert "time is up" in first.stderr
    summary = json.loads(first.stdout)
    assert not summary["finished"]
    assert summary["trials"] < 23
    spent = run(tmp_path, "--time-budget", f"{0.2 * whole:.1f}s")
    assert spent.returncode == 2
    assert "raise --time-budget" in spent.stderr
    assert run(tmp_path, "--time-budget", "10m").returncode == 0
    assert outcome(tmp_path) == outcome(reference[0])


def test_iterations_can_be_raised_and_nothing_else_changed(tmp_path):
    assert run(tmp_path, *TINY).returncode == 0
    before = outcome(tmp_path)
    for option, other in (("--max-epochs", 9), ("--seed", 8), ("--fix", "layers=2")):
        refused = run(tmp_path, option, other)
        assert refused.returncode == 2
        assert f"was started with {option}" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    done = run(tmp_path, "--iterations", 2, "--json")
    assert json.loads(done.stdout)["trials"] == 2 * len(before)
    assert set(map(str, before)) <= set(map(str, outcome(tmp_path)))


def test_diverging_trials_fail_with_the_reason_and_the_bracket_ends(tmp_path):
    done = run(
        tmp_path, *TINY, "--fix", "optimizer=sgd", "--fix", "sgd_lr=0.9:1.0",
        "--fix", "use_l2=true", "--fix", "l2=0.009:0.01", "--fix", "initializer=he_normal",
        "--seed-with", "baselines", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["finished"]
    for path in (tmp_path / "s").glob("trial_*/trial.json"):
        assert "NaN" not in path.read_text()
        assert "Infinity" not in path.read_text()


def test_hparams_table_has_a_row_a_trial_with_domains_metrics_and_status(reference):
    directory = Path(reference[0]) / "s"
    tag = "_hparams_/experiment"
    top = EventAccumulator(str(directory)).Reload()
    content = top.SummaryMetadata(tag).plugin_data.content
    experiment = plugin_data_pb2.HParamsPluginData.FromString(content).experiment
    infos = {info.name: info for info in experiment.hparam_infos}
    assert infos["sgd_lr"].domain_interval.max_value == 1.0
    assert len(infos["activation"].domain_discrete.values) == 8
    assert {"tuner/bracket", "tuner/round"} <= set(infos)
    assert {m.name.group for m in experiment.metric_infos} == {"train", "validation"}
    rows = 0
    for path in directory.glob(f"trial_*/{FILE}"):
        accumulator = EventAccumulator(str(path.parent)).Reload()
        meta = accumulator.SummaryMetadata
        start = plugin_data_pb2.HParamsPluginData.FromString(
            meta("_hparams_/session_start_info").plugin_data.content
        ).session_start_info
        end = plugin_data_pb2.HParamsPluginData.FromString(
            meta("_hparams_/session_end_info").plugin_data.content
        ).session_end_info
        trial = json.loads((path.parent / "trial.json").read_text())
        good = trial["status"] == "COMPLETED"
        assert end.status == (api_pb2.STATUS_SUCCESS if good else api_pb2.STATUS_FAILURE)
        assert start.hparams["activation"].string_value in {
            value.string_value for value in infos["activation"].domain_discrete.values
        }
        rows += 1
    assert rows == 23


def test_curves_of_layers_are_logged(reference):
    trial = Path(reference[0]) / "s" / "trial_0000"
    tags = EventAccumulator(str(trial)).Reload().Tags()["scalars"]
    for quantity in ("gradient_norm/", "weight_norm/"):
        assert {f"{quantity}hidden_1", f"{quantity}output"} <= set(tags)
    assert {"saturated/hidden_1", "dead/hidden_1", "epoch_learning_rate", "epoch_seconds"} <= set(
        tags
    )


def test_external_cluster_is_used_by_its_address(reference, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0
    ) as cluster:
        done = run(tmp_path, *SMALL, "--scheduler", cluster.scheduler_address)
        assert done.returncode == 0, done.stderr
    assert outcome(tmp_path) == outcome(reference[0])


def test_full_disk_ends_the_run_and_loses_nothing(reference, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        full = run(disk, *SMALL, "--workers", 2)
        assert full.returncode == 1
        assert "No space left" in full.stderr
        assert "run the same command again" in full.stderr
        assert "Traceback" not in full.stderr
        trials, torn = Study(disk, "s").read_trials()
        assert trials
        assert not torn
        subprocess.run(["mount", "-o", "remount,size=500m", str(disk)], check=True)
        done = run(disk)
        assert done.returncode == 0, done.stderr
        assert outcome(disk) == outcome(reference[0])
    finally:
        subprocess.run(["umount", str(disk)], check=True)
