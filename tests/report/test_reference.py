"""The tracked final network: its files fit together, its sections stand, it scores as recorded."""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from analysis.evidence.trials import load
from analysis.report.blocks import Card
from analysis.report.contents import sections
from analysis.words.language import Language
from search.data.load import load_test_pool
from search.opening.ledger import LedgerFile
from search.records.folder import StudyFolder
from search.records.ledger import DECLARED

LOGS = Path(__file__).resolve().parents[2] / "tuner_logs"
SEARCH = StudyFolder(LOGS, "fashion-mnist-narrow")
MODEL = SEARCH.final.directory / "models" / "final-2.keras"


@pytest.fixture(scope="module")
def recorded():
    """What the ledger's last results say of the tracked model."""
    results = json.loads((SEARCH.final.directory / "test-2.json").read_text())
    return next(model for model in results["models"] if model["file"] == MODEL.name)


def test_the_model_is_the_one_declared_and_the_card_is_its_own(recorded):
    declared = [e for e in LedgerFile(SEARCH.final, SEARCH).read() if e.what == DECLARED][-1]
    sha256 = hashlib.sha256(MODEL.read_bytes()).hexdigest()
    assert sha256 == recorded["sha256"]
    assert sha256 in [model.sha256 for model in declared.models]
    card = MODEL.with_suffix(".md").read_text()
    assert sha256 in card
    assert f"{recorded['accuracy']:.2%} |" in card


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize(
    "key", ["regularization-strategy", "regularization-final", "regularization-path", "regularization-left-out",
            "regularization-test"]
)  # fmt: skip
def test_every_section_on_it_is_made_from_the_tracked_logs(key, language):
    names = [SEARCH.name, SEARCH.final.name, SEARCH.ablation.name]
    (made,) = sections([load(LOGS / name) for name in names], Language(language), key)
    cards = [block for block in made.blocks if isinstance(block, Card)]
    assert made.blocks
    assert not [card for card in cards if card.status == "FAIL"]


def last_accuracies(arm, seeds):
    """Of the path's runs of a configuration: mean val_accuracy of the last three epochs, by seed."""
    labels = {"tuner/epochs": 10, "tuner/initial_epoch": 0}
    found = {}
    for trial in SEARCH.ablation.read_trials()[0].values():
        values = dict(trial.values)
        seed = values.pop("tuner/seed")
        if values == arm | labels and seed in seeds:
            found[seed] = np.mean([row.val_accuracy for row in trial.run.epochs[-3:]])
    return np.array([found[seed] for seed in seeds])


@pytest.mark.slow
def test_the_strategy_says_what_the_path_and_leave_one_out_came_to():
    about = SEARCH.ablation.read_json("study.json")
    assert about["finished"]
    walked, left_out = about["parts"][-2:]
    first, *_, last = walked["arms"].values()
    gains = last_accuracies(last, walked["seeds"]) - last_accuracies(first, walked["seeds"])
    final = last_accuracies(left_out["arms"]["final"], left_out["seeds"])
    losses = {
        arm: (last_accuracies(values, left_out["seeds"]) - final).mean()
        for arm, values in left_out["arms"].items()
    }
    names = [SEARCH.name, "fashion-mnist", "fashion-mnist-refined"]
    names += [SEARCH.final.name, SEARCH.ablation.name]
    studies = [load(LOGS / name) for name in names]
    (made,) = sections(studies, Language("en"), "regularization-strategy")
    text, stages, spaces = made.blocks
    outcome = dict(zip(stages.frame["stage"], stages.frame["result"], strict=True))
    assert outcome["path: steps"].startswith(f"{100 * gains.mean():+.2f} [")
    worst = min(losses, key=losses.get)
    assert outcome["one choice reverted"].startswith(
        f"largest loss: {worst}, −{-100 * losses[worst]:.2f} ["
    )
    later = "fashion-mnist-refined and fashion-mnist-narrow"
    assert (
        f"started after fashion-mnist-final had been evaluated on the test images: {later}."
        in text.text
    )
    assert list(spaces.frame)[1:4] == ["fashion-mnist", "fashion-mnist-refined", SEARCH.name]


@pytest.mark.slow
def test_the_model_scores_as_recorded_on_the_real_test_images(fashion_dir, recorded):
    model = keras.models.load_model(MODEL, safe_mode=True)
    pool = load_test_pool("fashion-mnist", data_dir=fashion_dir)
    predicted = model.predict(pool.images, batch_size=1000, verbose=0).argmax(axis=1)
    # Processors without bfloat16 products round them otherwise, which moves images on a border.
    assert np.sum(predicted != np.array(recorded["predicted"])) <= 10
    assert np.mean(predicted == pool.labels) == pytest.approx(recorded["accuracy"], abs=0.001)
    assert np.mean(predicted == pool.labels) >= 0.907
