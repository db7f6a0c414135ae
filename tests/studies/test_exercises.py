"""The exercises: their arms, and how their studies run and grow."""

import json
import math
import shutil

import keras_tuner as kt
import pytest

from search.cli.summary import summarize
from search.networks.dense import DenseNetworks
from search.records.arguments import ExerciseArguments
from search.records.datasets import DATASETS
from search.records.errors import Misuse
from search.records.folder import StudyFolder
from search.records.objective import Objective
from search.records.seeds import LEARNING_RATE_SEEDS
from search.records.trial import COMPLETED, FAILED, TrialRun, trained_from_scratch
from search.running.trial_session import TrialSession
from search.running.work import Work
from search.studies.arms import mean_scores
from search.studies.exercises import (
    RATES,
    activation,
    initializer,
    optimizer,
    parts_of,
    regularization,
)
from search.studies.oracles import Trial
from tests.called import search
from tests.laboratory import given
from tests.simulated import row_of

SEEDS = (1, 2)


def trial_of(values, accuracy, status=COMPLETED):
    """A trial of two epochs, the first of which was better."""
    space = kt.HyperParameters()
    space.values = values
    trial = Trial(space, "0000", status)
    rows = tuple(row_of(epoch, 1 / share - 1) for epoch, share in enumerate((0.99, accuracy)))
    trial.run = TrialRun(seed=1, split=1, started=0.0, epochs=rows)
    return trial


@pytest.mark.parametrize("exercise", ["activation", "initializer", "optimizer", "regularization"])
def test_arms_of_a_part_differ_in_its_factor_alone(exercise):
    allowed = {
        "activation": {"activation"},
        "initializer": {"initializer"},
        "optimizer": {"optimizer"},
        # Normalisation has a place.
        "regularization": {
            "dropout",
            "batch_norm",
            "norm_first",
            "use_l1",
            "l1",
            "use_l2",
            "l2",
            "schedule",
        },
    }[exercise]
    for part in parts_of(exercise, SEEDS, []):
        reference = part.arms[part.reference or next(iter(part.arms))]
        for values in part.arms.values():
            changed = {n for n in {*values, *reference} if values.get(n) != reference.get(n)}
            if exercise == "optimizer":
                changed = {n for n in changed if n.split("_")[0] not in RATES or n == "optimizer"}
                changed -= {"nesterov"}
            assert changed <= allowed


def test_the_arms_are_those_of_the_assignment():
    (main, *depths) = activation(SEEDS)
    assert len(main.arms) == 8
    assert [part.level for part in depths] == [1, 2, 3, 4, 5, 6]
    assert depths[5].arms["tanh"]["units_6"] == 128
    assert len(initializer(SEEDS)[0].arms) == 7
    crossed, by_schedule = regularization(SEEDS)
    assert list(by_schedule.arms) == ["none", "batch norm", "schedule", "batch norm + schedule"]
    assert by_schedule.arms["batch norm"] == crossed.arms["batch norm"]
    assert by_schedule.arms["schedule"]["schedule"] == "cosine"
    assert list(crossed.arms) == [
        "none", "dropout", "batch norm", "dropout + batch norm", "L2", "dropout + L2",
        "batch norm + L2", "dropout + batch norm + L2", "L1",
    ]  # fmt: skip
    final = crossed.arms["dropout + batch norm"]
    assert (final["dropout"], final["batch_norm"], final["units_1"]) == (0.3, True, 512)


def test_the_tuned_arms_have_the_rate_that_is_best_on_seeds_of_their_own():
    """Planted: the second rate of each; sgd's largest looks better on one seed but fails on one."""
    (_, grid) = optimizer(SEEDS, [])
    assert not set(LEARNING_RATE_SEEDS) & set(SEEDS)
    trials = []
    for name, rates in RATES.items():
        for place, rate in enumerate(rates):
            for seed in LEARNING_RATE_SEEDS:
                arm = grid.arms[f"{name} {rate:g}"]
                values = trained_from_scratch(arm, grid.epochs, seed)
                diverges = (
                    name == "sgd" and place == len(rates) - 1 and seed == LEARNING_RATE_SEEDS[0]
                )
                accuracy = 0.8 if place == 1 else 0.7
                if name == "sgd" and place == len(rates) - 1:
                    accuracy = 0.9
                status = FAILED if diverges else COMPLETED
                trials.append(trial_of(values, accuracy, status))
    assert mean_scores(grid, trials[:-1], Objective()) is None
    assert len(optimizer(SEEDS, trials[:-1])) == 2
    (_, _, tuned) = optimizer(SEEDS, trials)
    assert {n: v[f"{n}_lr"] for n, v in tuned.arms.items()} == {n: r[1] for n, r in RATES.items()}
    assert tuned.seeds == SEEDS


@pytest.fixture(scope="module")
def initializers(simulate, tmp_path_factory):
    """Logs with the second exercise on two seeds, run to its end."""
    logs = tmp_path_factory.mktemp("logs")
    folder = StudyFolder(logs, "exercises")
    given = {"dataset": "digits", "seeds": 2, "exercises": ("initializer",)}
    simulate(folder, folder.settled(ExerciseArguments, given))
    return logs


@pytest.fixture
def made(initializers, tmp_path):
    """A copy of that study, to be changed."""
    shutil.copytree(initializers, tmp_path, dirs_exist_ok=True)
    return StudyFolder(tmp_path, "exercises")


def files_of(folder):
    return {path: path.read_bytes() for path in folder.directory.glob("trial_*/trial.json")}


@pytest.mark.slow
def test_exercises_run_and_grow(made, simulate):
    summary = summarize(made)
    # Seven initializers under ReLU and three under sigmoid, on two seeds.
    assert (summary["finished"], summary["trials"], summary["planned_epochs"]) == (True, 20, 200)
    before = files_of(made)
    runs = [trial.run for trial in made.read_trials()[0].values()]
    assert {(run.seed, run.split) for run in runs} == {(1, 1), (2, 2)}
    simulate(made, made.settled(ExerciseArguments, {"seeds": 3}))
    assert summarize(made)["trials"] == 30
    after = files_of(made)
    assert all(after[path] == content for path, content in before.items())


def test_a_study_of_exercises_is_refused_what_it_is_not(made, tmp_path):
    with pytest.raises(Misuse, match="was started with --dataset digits"):
        made.settled(ExerciseArguments, {"dataset": "fashion-mnist"})
    with pytest.raises(Misuse, match="was started with --seeds 2"):
        made.settled(ExerciseArguments, {"seeds": 1})
    other = search("run", "--study", "exercises", "--logs", tmp_path)
    assert other.returncode == 2
    assert "was started by `search exercises`" in other.stderr


def test_trials_from_before_a_hyperparameter_was_in_the_space_are_taken_up(made, simulate):
    """As written by an earlier version, whose networks had it at its default."""
    for path, content in files_of(made).items():
        trial = json.loads(content)
        del trial["hyperparameters"]["values"]["augmentation"]
        path.write_text(json.dumps(trial))
    before = {trial_id: trial.run for trial_id, trial in made.read_trials()[0].items()}
    simulate(made, made.settled(ExerciseArguments, {}))
    after, _ = made.read_trials()
    # As text, since the loss of a divergence, NaN, is not equal to itself.
    assert str({trial_id: trial.run for trial_id, trial in after.items()}) == str(before)
    assert {trial.values["augmentation"] for trial in after.values()} == {"none"}


@pytest.mark.slow
def test_the_command_finds_a_finished_study_finished(made, tmp_path):
    before = files_of(made)
    done = search("exercises", "initializer", "--logs", tmp_path, "--workers", 1, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["finished"], summary["trials"]) == (True, 20)
    assert files_of(made) == before


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_zeros_learn_what_theory_says(few_digits, make_hp, activation):
    """Under ReLU nothing but the output's bias learns; under sigmoid units stay identical."""
    networks = DenseNetworks(DATASETS["digits"], max_epochs=2)

    def last_row(initializer):
        hp = make_hp(initializer=initializer, activation=activation, batch_size=64)
        work = Work("s", "0", hp.get_config(), 1, 1, 0, 0, 2, math.inf)
        session = TrialSession(work, networks, given(few_digits), None)
        report = session.train(work, lambda row: None)
        session.close()
        return report.rows[-1]

    assert last_row("glorot_uniform").diagnostics["distinct/hidden_2"] == 1
    zeros = last_row("zeros")
    assert zeros.diagnostics["distinct/hidden_2"] == 1 / 128
    if activation == "relu":
        assert zeros.diagnostics["weight_norm/output"] == 0
        assert zeros.val_accuracy < 0.15
    else:
        assert zeros.diagnostics["weight_norm/output"] > 0
