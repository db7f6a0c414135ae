"""The ablation path on planted gains, and as a command on the digits."""

import itertools
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import keras_tuner as kt
import pytest

from analysis.evidence.trials import load
from analysis.report.ablation import sections
from analysis.report.blocks import Table
from analysis.words.language import Language
from search.networks.baselines import BASELINES, complete
from search.records.errors import Misuse
from search.records.folder import Study
from search.records.seeds import RACE_SEEDS
from search.records.trial import COMPLETED, FAILED, configuration
from search.studies.ablation import (
    PathOracle,
    arguments_of,
    choice_of,
    differing,
    race,
    with_choice,
)
from search.studies.exercises import EPOCHS
from search.studies.final import FinalOracle
from search.studies.oracles import ListOracle, Trial

START = complete(BASELINES["4 final"])
TARGET = complete(
    {
        **BASELINES["4 final"],
        "batch_norm": True,
        "activation": "gelu",
        "optimizer": "rmsprop",
        "rmsprop_lr": 0.002,
        "schedule": "cosine",
        "dropout": 0.1,
        "label_smoothing": 0.1,
        "units_2": 512,
        "use_l2": True,
        "l2": 1e-5,
    }
)
GAINS = {
    "activation": 0.004,
    "optimizer": 0.001,
    "schedule": 0.010,
    "dropout": 0.002,
    "label_smoothing": 0.003,
    "layers and units": 0.006,
    "l2": -0.001,
}
"""Planted: what each choice of TARGET adds, whatever the others."""


def study(directory, name="p"):
    made = Study(directory, name)
    made.directory.mkdir()
    return made


def planted(entry):
    made = [c for c in GAINS if c not in differing(entry.values, TARGET)]
    return 0.88 + sum(GAINS[c] for c in made) + 0.0001 * (entry.seed % 3)


def trained(oracle: ListOracle, score=planted):
    """Every trial that the oracle asks for, given its planted score; the oracle at its end."""
    number = 0
    while True:
        trial = oracle.create_trial("slot")
        if trial.status != "RUNNING":
            return oracle
        values = trial.hyperparameters.values
        entry = next(e for e in oracle.entries() if e.labelled() == values)
        accuracy = score(entry)
        trial.status = FAILED if accuracy is None else COMPLETED
        trial.run = {
            "epochs": [{"epoch": 0, "val_accuracy": accuracy}],
            "held_out": {"accuracy": accuracy},
        }
        if accuracy is not None:
            trial.metrics.register("val_accuracy", "max")
            trial.metrics.update("val_accuracy", accuracy)
        oracle.end_trial(trial)
        number += 1
        assert number < 500


def test_a_choice_takes_its_own_hyperparameters_along():
    assert choice_of("units_4") == "layers and units"
    assert choice_of("adamw_decay") == choice_of("momentum") == "optimizer"
    assert (choice_of("use_l2"), choice_of("label_smoothing")) == ("l2", "label_smoothing")
    assert set(differing(START, TARGET)) == set(GAINS)
    changed = with_choice(START, "optimizer", TARGET)
    assert {n for n in changed if choice_of(n) == "optimizer"} == {
        "optimizer", "rmsprop_lr", "rmsprop_rho",
    }  # fmt: skip
    assert changed["units_2"] == 256


def test_the_path_takes_the_largest_planted_gain_first_and_ends_at_the_target(tmp_path):
    oracle = trained(PathOracle(study(tmp_path), TARGET, (1, 2)))
    *races, walked, left_out = oracle.parts(list(oracle.trials.values()))
    assert list(walked.arms) == ["assignment", *sorted(GAINS, key=GAINS.get, reverse=True)]
    configurations = list(walked.arms.values())
    assert (configurations[0], configurations[-1]) == (START, TARGET)
    for before, after in itertools.pairwise(configurations):
        assert len(differing(before, after)) == 1
    # Seven changes race on a seed, the best three on a second, then one is left: by step
    # 7 + 3, 6 + 2, 5 + 2, 4 + 2, 3, 2 and, the last having no rival, none.
    seeds = [t.hyperparameters.values["tuner/seed"] for t in oracle.trials.values()]
    assert sum(seed in RACE_SEEDS for seed in seeds) == 10 + 8 + 7 + 6 + 3 + 2
    assert [len(part.arms) for part in races if part.level == 1] == [7, 3]
    assert not {1, 2} & set(RACE_SEEDS)
    # The path's 8 configurations, and each of the 9 choices that are not the space's default
    # undone; that without l2 is the path's last but one.
    assert set(left_out.arms) == {"final", *GAINS, "batch_norm", "batch_size"}
    assert sum(seed in (1, 2) for seed in seeds) == 2 * (8 + 9 - 1)
    assert {part.epochs for part in (*races, walked, left_out)} == {EPOCHS}


@pytest.fixture
def walked(tmp_path):
    """A path study on planted gains, six seeds, its runs spread so that a step's gain is 0.01 points
    a seed from the next seed's."""

    def score(entry):
        made = [c for c in GAINS if c not in differing(entry.values, TARGET)]
        return 0.88 + sum(GAINS[choice] + 0.0001 * (entry.seed - 3.5) for choice in made)

    kept = study(tmp_path, "s-path")
    oracle = trained(PathOracle(kept, TARGET, (1, 2, 3, 4, 5, 6)), score)
    arguments = {"dataset": "digits", "search": "s"}
    about = {"command": "exercises path", "arguments": arguments, **oracle.record()}
    kept.write_json("study.json", about)
    return kept


def told(kept, final=None, language="en"):
    """The sentences and cards of each section on a path study, and its tables' numbers by name."""
    texts, numbers = [], {}
    for _, _, make in sections(load(kept.directory), final, Language(language)):
        blocks = make()
        texts.append(" ".join(getattr(b, "text", getattr(b, "found", "")) for b in blocks))
        numbers |= {b.name: b.data for b in blocks if isinstance(b, Table)}
    return texts, numbers


def test_the_report_gives_the_planted_gains_back(walked):
    (path, left_out), numbers = told(walked)
    found = numbers["path"].dropna().set_index("choice")
    # Six pairs, 0.01 points apart: standard deviation 0.0187, of the mean 0.00764; times
    # t(0.975, 5) = 2.5706.
    half = 2.5706 * 0.0001 * (3.5 / 6) ** 0.5
    for choice, gain in GAINS.items():
        assert found.loc[choice, "gain"] == pytest.approx(gain)
        ends = [gain - half, gain + half]
        assert list(found.loc[choice, ["low", "high"]]) == pytest.approx(ends, rel=1e-3)
    assert found["total"].iloc[-1] == pytest.approx(sum(GAINS.values()))
    assert "(steps: 7): +2.50 points" in path
    assert "above 0: schedule (+1.00), layers and units (+0.60), activation (+0.40)" in path
    assert "below 0: l2 (−0.10)" in path
    assert "takes 9 seeds (here: 6)" in path
    undone = numbers["leave-one-out"].set_index("arm")["difference"]
    assert {c: undone[c] for c in GAINS} == pytest.approx({c: -g for c, g in GAINS.items()})
    assert "(interval below 0): schedule (−1.00), layers and units (−0.60)" in left_out
    assert "Undoing gains: l2 (+0.10)" in left_out
    assert "The interval holds 0 for batch_size and batch_norm" in left_out


@pytest.mark.parametrize("language", ["en", "es"])
def test_what_is_not_measured_yet_is_not_told_to_be_nothing(walked, language):
    """Stopped after the path, and then after its first seed: the trials behind are gone."""
    about = walked.read_json("study.json")
    (on_path, others) = (about["parts"][-2]["arms"], about["parts"][-1]["arms"])
    behind = [values for values in others.values() if values not in on_path.values()]
    for trial, record in walked.read_trials()[0].items():
        if configuration(record["hyperparameters"]["values"]) in behind:
            shutil.rmtree(walked.trial_directory(trial))
    (_, left_out), numbers = told(walked, language=language)
    few = {"en": "Too few finished runs to compare: ", "es": "Muy pocas pruebas terminadas"}
    # Undoing the last step is the path's last but one, which is there.
    assert few[language] in left_out
    for trial, record in walked.read_trials()[0].items():
        if record["hyperparameters"]["values"]["tuner/seed"] in (2, 3, 4, 5, 6):
            shutil.rmtree(walked.trial_directory(trial))
    (path, left_out), numbers = told(walked, language=language)
    none = {"en": ("No step is measured yet.", "No choice undone is measured yet.")}
    none["es"] = ("Aún no se midió ningún paso.", "Aún no se midió ninguna decisión deshecha.")
    assert none[language][0] in path
    assert none[language][1] in left_out
    assert numbers == {}


def test_a_path_to_an_earlier_final_network_is_refused_and_told(walked, tmp_path):
    final = study(tmp_path, "s-final")
    arms = {"final": TARGET | {"dropout": 0.2}}
    final.write_json("study.json", {"parts": [{"arms": arms}]})
    with pytest.raises(Misuse, match="leads to another network than s-final has chosen"):
        arguments_of(Study(tmp_path, "s"), None)
    about = load(walked.directory)
    arguments = {"epochs": 27}
    other = replace(about, about={"arguments": arguments, "parts": [{"arms": arms}]})
    assert told(walked, other)[0][0].startswith("the path leads to another network")
    arms = {"final": TARGET}
    same = replace(about, about={"arguments": arguments, "parts": [{"arms": arms}]})
    assert "another network" not in told(walked, same)[0][0]
    for said in told(walked, same)[0]:
        assert "chosen for 27 epochs, and these trials have 10" in said
    shorter = replace(same, about=same.about | {"arguments": {"epochs": 10}})
    assert not any("chosen for" in said for said in told(walked, shorter)[0])


def test_a_change_that_fails_does_not_win(tmp_path):
    def score(entry):
        alone = differing(entry.values, TARGET)
        return None if "schedule" not in alone and len(alone) == 6 else planted(entry)

    oracle = trained(PathOracle(study(tmp_path), TARGET, (1, 2)), score)
    *_, walked, _ = oracle.parts(list(oracle.trials.values()))
    assert list(walked.arms)[1] == "layers and units"


def test_a_race_waits_for_its_trials():
    rounds, winner = race(1, START, TARGET, [])
    assert winner is None
    assert [len(part.arms) for part in rounds] == [7]
    assert rounds[0].seeds == RACE_SEEDS[:1]


def test_the_chosen_configuration_is_the_best_on_images_held_out(tmp_path):
    """A third of the seeds fail for the one that looks best elsewhere."""
    means = {"trial 1": 0.90, "trial 2": 0.91, "trial 3": 0.95}
    configurations = {
        name: complete({"units_1": units}) for name, units in zip(means, (32, 64, 256), strict=True)
    }

    def score(entry):
        if entry.seed < 100:
            return 0.9
        name = next(n for n, values in configurations.items() if values == entry.values)
        return None if (name, entry.seed) == ("trial 3", 112) else means[name]

    oracle = trained(FinalOracle(study(tmp_path), configurations, 9, (1, 2, 3)), score)
    choice, final = oracle.parts(list(oracle.trials.values()))
    assert choice.seeds == (111, 112, 113)
    assert final.arms == {"assignment": START, "final": configurations["trial 2"]}
    assert len(oracle.trials) == 9 + 6
    assert [len(own) for own in oracle.final_trials().values()] == [3, 3]
    kept = [t for t in oracle.trials.values() if oracle.wants_weights(t)]
    assert len(kept) == 6
    assert oracle.patience == 10
    assert {oracle.watched_from(trial) for trial in oracle.trials.values()} == {6}


def test_the_augmented_network_is_the_chosen_one_trained_longer(tmp_path):
    configurations = {
        name: complete({"units_1": units, "dropout": 0.4})
        for name, units in (("trial 1", 32), ("trial 2", 64))
    }

    def score(entry):
        """It is the better one, and still not the final network: its images are others."""
        return (
            0.9
            + 0.01 * (entry.values["units_1"] == 64)
            + (0.02 * (entry.values["augmentation"] == "flip_shift"))
        )

    made = FinalOracle(study(tmp_path), configurations, 9, (1, 2), augment="flip_shift")
    oracle = trained(made, score)
    _, final, augmented = oracle.parts(list(oracle.trials.values()))
    assert final.arms == {"assignment": START, "final": configurations["trial 2"]}
    moved = {"augmentation": "flip_shift", "dropout": 0.2}
    assert augmented.arms == {"augmented": configurations["trial 2"] | moved}
    assert (augmented.epochs, augmented.seeds, final.epochs) == (27, (1, 2), 9)
    # Two candidates on three seeds, three arms on two.
    assert len(oracle.trials) == 2 * 3 + 3 * 2
    assert [len(own) for own in oracle.final_trials().values()] == [2, 2, 2]
    # Two thirds of 9 epochs and of 27.
    assert {oracle.watched_from(trial) for trial in oracle.trials.values()} == {6, 18}


def test_a_path_from_before_a_hyperparameter_was_in_the_space_has_it_at_its_default(tmp_path):
    searched, kept = study(tmp_path, "s"), study(tmp_path, "s-path")
    target = {name: value for name, value in TARGET.items() if name != "augmentation"}
    arguments = {"dataset": "digits", "search": "s", "target": target, "seeds": 2}
    kept.write_json("study.json", {"command": "exercises path", "arguments": arguments})
    assert arguments_of(searched, None).target == TARGET


def test_a_choice_undone_takes_with_it_what_it_leaves_without_effect():
    target = complete({"batch_norm": True, "norm_first": True, "dropout": 0.2})
    assert with_choice(target, "batch_norm", complete({})) == complete({"dropout": 0.2})
    behind = with_choice(target, "norm_first", complete({}))
    assert behind == complete({"batch_norm": True, "dropout": 0.2})


@pytest.mark.slow
def test_the_command_walks_to_the_final_network_and_the_report_tells_it(tmp_path):
    """A final network that differs from the assignment's in two choices, planted in its study."""
    target = complete({**BASELINES["4 final"], "dropout": 0.1, "batch_size": 128})
    final = study(tmp_path, "s-final")
    part = {"name": "final", "arms": {"assignment": START, "final": target}}
    arguments = {"dataset": "digits", "search_seed": 1}
    final.write_json("study.json", {"arguments": arguments, "parts": [part]})
    command = [sys.executable, "-m", "search", "exercises", "path", "--study", "s"]
    command += ["--seeds", "2", "--logs", str(tmp_path)]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["finished"]
    # Two race; three configurations of the path on two seeds; four choices undone on two seeds.
    assert summary["trials"] == 2 + 2 * 3 + 2 * 4
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert json.loads(again.stdout)["trials"] == summary["trials"]
    command = [sys.executable, "-m", "analysis", "tables", "--study", "s-path"]
    shown = subprocess.run(
        [*command, "--logs", tmp_path], capture_output=True, text=True, check=True
    )
    words = " ".join(shown.stdout.split())
    assert "From the assignment's final network to ours (steps: 2): " in words
    assert "FAIL" not in shown.stdout.replace("FAILED", "")


def test_hyperparameters_of_a_path_are_those_of_the_space(tmp_path):
    oracle = PathOracle(study(tmp_path), TARGET, (1, 2))
    trial = oracle.create_trial("slot")
    hp = kt.HyperParameters.from_config(trial.hyperparameters.get_config())
    assert {n: v for n, v in hp.values.items() if not n.startswith("tuner/")} in (
        list(oracle.parts([])[0].arms.values())
    )
    assert isinstance(trial, Trial)
