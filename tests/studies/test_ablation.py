"""The ablation path on planted gains, and run on simulated networks."""

import itertools
import json
import shutil
from dataclasses import replace

import keras_tuner as kt
import pytest

from analysis.evidence.trials import load
from analysis.report.ablation import sections
from analysis.report.blocks import Table
from analysis.words.language import Language
from search.cli.summary import summarize
from search.networks.baselines import BASELINES, built_in, complete
from search.records.arguments import AblationArguments, FinalArguments
from search.records.errors import Misuse
from search.records.folder import StudyFolder
from search.records.objective import Objective
from search.records.parts import PlannedPart
from search.records.seeds import RACE_SEEDS
from search.records.study import StudyRecord
from search.records.trial import COMPLETED, FAILED, HeldOut, TrialRun, configuration
from search.studies.ablation import AblationOracle, race
from search.studies.arguments import ablation_arguments
from search.studies.exercises import EPOCHS
from search.studies.final import FinalOracle
from search.studies.oracles import ListOracle, Trial
from tests.called import analysis, search
from tests.planted import planted_study
from tests.simulated import row_of

SPACE = built_in()
choice_of, differing, with_choice = SPACE.choice_of, SPACE.differing, SPACE.with_choice
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


def planted(values, seed):
    made = [c for c in GAINS if c not in differing(values, TARGET)]
    return 0.88 + sum(GAINS[c] for c in made) + 0.0001 * (seed % 3)


def trained(oracle: ListOracle, score=planted):
    """Give every trial that the oracle asks for its score, and return the oracle at its end.

    score: of a configuration on a seed; None: the trial fails.
    """
    number = 0
    while True:
        trial = oracle.create_trial("slot")
        if trial.status != "RUNNING":
            return oracle
        values = trial.hyperparameters.values
        accuracy = score(configuration(values), values["tuner/seed"])
        trial.status = FAILED if accuracy is None else COMPLETED
        trial.run = TrialRun(values["tuner/seed"], values["tuner/seed"], started=0.0)
        if accuracy is not None:
            row = replace(row_of(0, 0.0), val_accuracy=accuracy)
            held_out = HeldOut(0, accuracy, 0.0, [], [])
            trial.run = replace(trial.run, epochs=(row,), held_out=held_out)
            trial.metrics.register("val_accuracy", "max")
            trial.metrics.update("val_accuracy", accuracy)
        oracle.end_trial(trial)
        number += 1
        assert number < 500


def final_study(logs, target):
    """The study of `s`'s final network, which has chosen."""
    part = PlannedPart("final", "final", "assignment", 27, (2, 3), {"final": target})
    return planted_study(
        logs, "s-final", FinalArguments("s", 1, {}, 27, dataset="digits"), parts=(part,)
    )


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


def test_the_path_takes_the_largest_planted_gain_first_and_ends_at_the_target():
    oracle = trained(AblationOracle(TARGET, (1, 2), 10))
    *races, walked, left_out = oracle.parts()
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
    # reverted; the network without l2 is the path's last but one.
    assert set(left_out.arms) == {"final", *GAINS, "batch_norm", "batch_size"}
    assert sum(seed in (1, 2) for seed in seeds) == 2 * (8 + 9 - 1)
    assert {part.epochs for part in (*races, walked, left_out)} == {EPOCHS}


@pytest.fixture(scope="module")
def ablation(tmp_path_factory):
    """Logs with an ablation on planted gains, six seeds, its runs spread so that a step's gain is
    0.01 points a seed from the next seed's."""

    def score(values, seed):
        made = [c for c in GAINS if c not in differing(values, TARGET)]
        return 0.88 + sum(GAINS[choice] + 0.0001 * (seed - 3.5) for choice in made)

    oracle = trained(AblationOracle(TARGET, (1, 2, 3, 4, 5, 6), 10), score)
    arguments = AblationArguments("s", 1, TARGET, dataset="digits")
    logs = tmp_path_factory.mktemp("logs")
    kept = planted_study(logs, "s-path", arguments, **oracle.recorded())
    for trial_id, trial in oracle.trials.items():
        kept.write_trial(trial_id, trial.get_state())
    return logs


@pytest.fixture
def walked(ablation, tmp_path):
    """A copy of that study, to be changed."""
    shutil.copytree(ablation, tmp_path, dirs_exist_ok=True)
    return StudyFolder(tmp_path, "s-path")


def told(kept, final=None, language="en"):
    """The sentences and cards of each section on a path study, and its tables' numbers by name."""
    texts, numbers = [], {}
    for _, _, make in sections(load(kept.directory), final, Language(language)):
        blocks = make()
        texts.append(" ".join(getattr(b, "text", getattr(b, "found", "")) for b in blocks))
        numbers |= {b.name: b.data for b in blocks if isinstance(b, Table)}
    return texts, numbers


@pytest.mark.slow
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
    assert "(steps: 7)" in path
    assert "+2.50 points" in path
    assert (
        "gain is detected: schedule (+1.00), layers and units (+0.60), activation (+0.40)" in path
    )
    assert "loss is detected: l2 (−0.10)" in path
    assert "by Student's t, with Holm's correction" in path
    reverted = numbers["leave-one-out"].set_index("arm")["difference"]
    assert {c: reverted[c] for c in GAINS} == pytest.approx({c: -g for c, g in GAINS.items()})
    assert "worse: schedule (−1.00), layers and units (−0.60)" in left_out
    assert ": l2 (+0.10)" in left_out
    assert "detected for batch_size or batch_norm" in left_out


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "es"])
def test_what_is_not_measured_yet_is_not_told_to_be_nothing(walked, language):
    """Stopped after the path, and then after its first seed: the trials behind are gone."""
    (on_path, others) = (part.arms for part in walked.record().parts[-2:])
    behind = [values for values in others.values() if values not in on_path.values()]
    for trial_id, trial in walked.read_trials()[0].items():
        if configuration(trial.values) in behind:
            shutil.rmtree(walked.trial_directory(trial_id))
    (_, left_out), numbers = told(walked, language=language)
    few = {"en": "Too few finished runs to compare: ", "es": "Muy pocas pruebas terminadas"}
    # Reverting the last step gives the path's last but one, which is there.
    assert few[language] in left_out
    for trial_id, trial in walked.read_trials()[0].items():
        if trial.values["tuner/seed"] in (2, 3, 4, 5, 6):
            shutil.rmtree(walked.trial_directory(trial_id))
    (path, left_out), numbers = told(walked, language=language)
    none = {"en": ("No step is measured yet.", "No reverted choice is measured yet.")}
    none["es"] = ("Aún no se midió ningún paso.", "Aún no se midió ninguna decisión revertida.")
    assert none[language][0] in path
    assert none[language][1] in left_out
    assert numbers == {}


def test_a_path_to_an_earlier_final_network_is_refused_and_told(walked, tmp_path):
    arms = {"final": TARGET | {"dropout": 0.2}}
    final_study(tmp_path, arms["final"])
    with pytest.raises(Misuse, match="leads to another network than s-final has chosen"):
        ablation_arguments(StudyFolder(tmp_path, "s"), {})
    path = load(walked.directory)

    def final(epochs, **arms):
        """A final study of so many epochs, of which the report reads the plan alone."""
        part = PlannedPart("final", "final", "", epochs, (), arms)
        arguments = FinalArguments("s", 1, {}, epochs, dataset="digits")
        return replace(path, record=StudyRecord("f", "final", arguments, {}, parts=(part,)))

    other = final(27, **arms)
    assert "leads to another network" in told(walked, other)[0][0]
    arms = {"final": TARGET}
    same = final(27, **arms)
    assert "another network" not in told(walked, same)[0][0]
    for said in told(walked, same)[0]:
        assert "chosen for 27 epochs, " in said
        assert "these trials have 10" in said
    shorter = final(10, **arms)
    assert not any("chosen for" in said for said in told(walked, shorter)[0])


def test_a_change_that_fails_does_not_win():
    def score(values, seed):
        alone = differing(values, TARGET)
        return None if "schedule" not in alone and len(alone) == 6 else planted(values, seed)

    oracle = trained(AblationOracle(TARGET, (1, 2), 10), score)
    *_, walked, _ = oracle.parts()
    assert list(walked.arms)[1] == "layers and units"


def test_a_race_waits_for_its_trials():
    rounds, winner = race(1, START, TARGET, [], SPACE, Objective(), 10)
    assert winner is None
    assert [len(part.arms) for part in rounds] == [7]
    assert rounds[0].seeds == RACE_SEEDS[:1]


def test_the_chosen_configuration_is_the_best_on_images_held_out():
    """A third of the seeds fail for the one that looks best elsewhere."""
    means = {"trial 1": 0.90, "trial 2": 0.91, "trial 3": 0.95}
    configurations = {
        name: complete({"units_1": units}) for name, units in zip(means, (32, 64, 256), strict=True)
    }

    def score(values, seed):
        if seed < 100:
            return 0.9
        name = next(n for n, own in configurations.items() if own == values)
        return None if (name, seed) == ("trial 3", 112) else means[name]

    oracle = trained(FinalOracle(configurations, 9, (1, 2, 3)), score)
    choice, final = oracle.parts()
    assert choice.seeds == (111, 112, 113)
    assert final.arms == {"assignment": START, "final": configurations["trial 2"]}
    assert len(oracle.trials) == 9 + 6
    assert [len(own) for own in oracle.final_trials().values()] == [3, 3]
    kept = [t for t in oracle.trials.values() if oracle.wants_weights(t)]
    assert len(kept) == 6
    assert oracle.patience == 10
    assert {oracle.watched_from(trial) for trial in oracle.trials.values()} == {6}


def test_the_augmented_network_is_the_chosen_one_trained_longer():
    configurations = {
        name: complete({"units_1": units, "dropout": 0.4})
        for name, units in (("trial 1", 32), ("trial 2", 64))
    }

    def score(values, seed):
        """The augmented network is better, and still not the final network: its images differ."""
        augmented = values["augmentation"] == "flip_shift"
        return 0.9 + 0.01 * (values["units_1"] == 64) + 0.02 * augmented

    made = FinalOracle(configurations, 9, (1, 2), augment="flip_shift")
    oracle = trained(made, score)
    _, final, augmented = oracle.parts()
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
    target = {name: value for name, value in TARGET.items() if name != "augmentation"}
    planted_study(tmp_path, "s-path", AblationArguments("s", 1, target, seeds=2, dataset="digits"))
    assert ablation_arguments(StudyFolder(tmp_path, "s"), {}).target == TARGET


def test_a_choice_undone_takes_with_it_what_it_leaves_without_effect():
    target = complete({"batch_norm": True, "norm_first": True, "dropout": 0.2})
    assert with_choice(target, "batch_norm", complete({})) == complete({"dropout": 0.2})
    behind = with_choice(target, "norm_first", complete({}))
    assert behind == complete({"batch_norm": True, "dropout": 0.2})


@pytest.mark.slow
def test_it_walks_to_the_final_network_and_the_report_tells_it(tmp_path, simulate):
    """To a final network that differs from the assignment's in two choices, planted in its study."""
    final_study(tmp_path, complete({**BASELINES["4 final"], "dropout": 0.1, "batch_size": 128}))
    searched = StudyFolder(tmp_path, "s")
    simulate(searched.ablation, ablation_arguments(searched, {"seeds": 2}))
    summary = summarize(searched.ablation)
    assert summary["finished"]
    # Two race; three configurations of the path on two seeds; four choices reverted on two seeds.
    assert summary["trials"] == 2 + 2 * 3 + 2 * 4
    again = search("ablation", "--study", "s", "--logs", tmp_path, "--workers", 1, "--json")
    assert json.loads(again.stdout)["trials"] == summary["trials"]
    shown = analysis("tables", "--study", "s-path", "--logs", tmp_path).stdout
    assert "(steps: 2)" in " ".join(shown.split())
    assert "FAIL" not in shown.replace("FAILED", "")


def test_hyperparameters_of_a_path_are_those_of_the_space():
    oracle = AblationOracle(TARGET, (1, 2), 10)
    trial = oracle.create_trial("slot")
    hp = kt.HyperParameters.from_config(trial.hyperparameters.get_config())
    assert {n: v for n, v in hp.values.items() if not n.startswith("tuner/")} in (
        list(oracle.parts()[0].arms.values())
    )
    assert isinstance(trial, Trial)
