"""A study goes on as what it was: more of it on request, nothing else changed."""

import json

import pytest

from search.data.fashion_mnist import TRAIN_FILES
from search.networks.baselines import BASELINES, complete
from search.records.folder import StudyFolder
from search.records.trial import configuration, key_of
from tests.called import search
from tests.running.studies import SMALL, outcome

TINY = ("--dataset", "digits", "--max-epochs", 3, "--fix", "units_1=32", "--fix", "layers=1")


@pytest.mark.slow
def test_time_budget_stops_and_more_of_it_continues(undisturbed, run, tmp_path):
    """One worker needs 1.3 s at the very least: 67 epochs of 20 ms."""
    options = (*SMALL, "--workers", 1, "--checkpoint-every", 0)
    first = run(*options, "--time-budget", "1.2s", "--json")
    assert first.returncode == 0, first.stderr
    assert "time is up; raise --time-budget to continue: python -m search run" in first.stderr
    summary = json.loads(first.stdout)
    assert not summary["finished"]
    assert summary["seconds"] >= 1.2
    assert summary["completed"] < 21
    spent = run("--time-budget", "1s")
    assert spent.returncode == 2
    assert "raise the time budget" in spent.stderr
    assert run("--time-budget", "10m").returncode == 0
    assert outcome(tmp_path) == outcome(undisturbed)


@pytest.mark.slow
def test_iterations_can_be_raised_and_nothing_else_changed(run, tmp_path):
    assert run(*TINY).returncode == 0
    before = outcome(tmp_path)
    for option, other in (("--max-epochs", 9), ("--seed", 8), ("--fix", "layers=2")):
        refused = run(option, other)
        assert refused.returncode == 2
        assert f"was started with {option}" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    done = run("--iterations", 2, "--json")
    assert json.loads(done.stdout)["trials"] == 2 * len(before)
    assert set(before) <= set(outcome(tmp_path))


@pytest.mark.slow
def test_a_printed_summary_given_back_starts_the_same_study(
    undisturbed, summary, drivers, tmp_path
):
    assert summary["arguments"] == {
        "dataset": "digits",
        "data": None,
        "hypermodel": None,
        "objective": "val_accuracy",
        "executions": 1,
        "target": None,
        "max_epochs": 9,
        "min_epochs": 1,
        "factor": 3,
        "iterations": 1,
        "seed": 7,
        "fix": [],
        "seed_with": None,
        "draws": "learned",
        "rates": "rung",
    }
    config = ("--config", undisturbed / "summary.json")
    done = drivers.run("run", "--study", "again", "--logs", tmp_path, *config, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["arguments"] == summary["arguments"]
    assert outcome(tmp_path, "again") == outcome(undisturbed)


@pytest.mark.slow
def test_external_cluster_is_used_by_its_address(undisturbed, run, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs={"dashboard": False},
    ) as cluster:
        done = run(*SMALL, "--scheduler", cluster.scheduler_address)
    assert done.returncode == 0, done.stderr
    assert outcome(tmp_path) == outcome(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--dataset", "digits", "--fix", "activaton=relu"), 2, "activation"),
        (("--dataset", "digits", "--fix", "augmentation=crop"), 2, "none, flip, flip_shift"),
        (("--dataset", "digits", "--fix", "layers=1", "--fix", "layers=2"), 2, "fixed twice"),
        (("--data-dir", "/none"), 1, TRAIN_FILES[0]),
        (("--dataset", "digits", "--scheduler", "nothing://here"), 1, "no dask scheduler answers"),
    ],
)
def test_a_refused_start_is_one_line_and_leaves_no_folder(run, tmp_path, options, code, said):
    refused = run(*options)
    assert refused.returncode == code
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stdout == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_folder_that_is_no_study_of_this_project_is_left_alone(run, tmp_path):
    folder = StudyFolder(tmp_path, "s")
    trial = {"trial_id": "0000", "hyperparameters": {"space": [], "values": {"x": 1}}}
    trial |= {"metrics": {"metrics": {}}, "score": 1, "best_step": 0, "status": "COMPLETED"}
    path = folder.trial_directory("0000") / "trial.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(trial | {"message": None}))
    before = path.read_bytes()
    refused = run("--dataset", "digits")
    assert refused.returncode == 1
    assert "use a different search space" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    files = {file.name for file in tmp_path.rglob("*") if file.is_file()}
    assert files == {"trial.json", ".lock"}
    assert path.read_bytes() == before


@pytest.mark.slow
def test_the_assignments_networks_come_first_and_status_is_what_was_printed(run, tmp_path):
    done = run(*SMALL, "--seed-with", "baselines", "--json")
    summary = json.loads(done.stdout)
    assert summary["best"]["val_accuracy"] == max(
        trial.score or 0.0 for trial in StudyFolder(tmp_path, "s").read_trials()[0].values()
    )
    assert (
        json.loads(search("status", "--study", "s", "--logs", tmp_path, "--json").stdout) == summary
    )
    trials = StudyFolder(tmp_path, "s").read_trials()[0]
    found = {key_of(configuration(trial.values)) for trial in trials.values()}
    assert key_of(complete({})) in found
    assert key_of(complete(BASELINES["4 final"])) in found
