"""The final network of a search of the digits: how it was chosen, and what its files give."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from search.data.load import load_test_pool
from search.networks.dense import DenseNetworks
from search.opening.models import network
from search.records.datasets import DATASETS
from search.records.folder import StudyFolder
from search.records.trial import WEIGHTS, configuration
from search.studies.oracles import Trial
from tests.called import search
from tests.digits_studies import EPOCHS
from tests.opening.files import read, trials


@pytest.mark.slow
def test_the_best_of_the_search_are_chosen_on_fresh_seeds_and_trained_on_others(digits_logs):
    about = read(digits_logs / "s-final" / "study.json")
    searched = trials(digits_logs / "s")
    # Of a configuration that was promoted, the best of its trials counts.
    scores = {}
    for trial in searched.values():
        values = str(sorted(configuration(trial["hyperparameters"]["values"]).items()))
        scores[values] = max(trial["score"], scores.get(values, 0.0))
    named = [name.replace(" ", "_") for name in about["arguments"]["configurations"]]
    assert [searched[name]["score"] for name in named] == sorted(scores.values())[:-3:-1]
    choice, final, augmented = about["parts"]
    assert (choice["name"], choice["seeds"]) == ("choice", [111, 112, 113])
    # Not the search's own seed, 1, whose validation images chose the configurations.
    assert (final["seeds"], list(final["arms"])) == ([2, 3], ["assignment", "final"])
    assert final["arms"]["assignment"]["units_1"] == 512
    means = {name: [] for name in choice["arms"]}
    for trial in trials(digits_logs / "s-final").values():
        values = trial["hyperparameters"]["values"]
        for name, own in choice["arms"].items():
            if own == configuration(values) and values["tuner/seed"] in choice["seeds"]:
                means[name].append(trial["run"]["held_out"]["accuracy"])
    assert [len(found) for found in means.values()] == [3, 3]
    best = max(means, key=lambda name: np.mean(means[name]))
    assert final["arms"]["final"] == choice["arms"][best]
    # On images moved about, three times as long as the search's trials.
    chosen = final["arms"]["final"]
    moved = {"augmentation": "flip", "dropout": chosen["dropout"] / 2}
    assert augmented["arms"] == {"augmented": chosen | moved}
    assert (augmented["epochs"], augmented["seeds"]) == (3 * EPOCHS, final["seeds"])


@pytest.mark.slow
def test_a_model_file_opens_without_us_and_gives_the_recorded_test_accuracy(digits_logs, tmp_path):
    directory = digits_logs / "s-final"
    names = ["final-2.keras", "augmented-2.keras"]
    results = read(directory / "test-1.json")["models"]
    models = [next(m for m in results if m["file"] == name) for name in names]
    pool = load_test_pool("digits")
    np.savez(tmp_path / "test.npz", x=pool.images.reshape(-1, 8, 8), y=pool.labels)
    code = (
        "import sys, keras, numpy as np\n"
        "test = np.load(sys.argv[1])\n"
        "for path in sys.argv[2:]:\n"
        "    model = keras.models.load_model(path, safe_mode=True)\n"
        "    p = model.predict(test['x'], verbose=0)\n"
        "    right = (p.argmax(axis=1) == test['y']).mean()\n"
        "    print(np.abs(p.sum(axis=1) - 1).max() < 1e-5, right, end=' ')\n"
        "    print(*model.evaluate(test['x'], test['y'], verbose=0))\n"
        "assert not any(name.split('.')[0] == 'search' for name in sys.modules)\n"
    )
    command = [sys.executable, "-W", "error::UserWarning", "-c", code, tmp_path / "test.npz"]
    done = subprocess.run(
        [*command, *(directory / "models" / name for name in names)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    for model, line in zip(models, done.stdout.splitlines(), strict=True):
        sums_to_one, accuracy, *evaluated = line.split()
        assert sums_to_one == "True"
        assert float(accuracy) == model["accuracy"]
        expected = [model["loss"], model["accuracy"]]
        assert [float(figure) for figure in evaluated] == pytest.approx(expected, rel=1e-5)
    card = (directory / "models" / "final-2.md").read_text()
    assert models[0]["sha256"] in card
    assert f"{models[0]['accuracy']:.2%}" in card


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_network_of_bfloat16_products_is_kept_in_half_the_bytes(
    make_hp, digits, tmp_path, norm_first
):
    study = StudyFolder(tmp_path, "s-final")
    hp = make_hp(precision="bfloat16", batch_norm=True, norm_first=norm_first, use_l2=True)
    networks = DenseNetworks(replace(DATASETS["digits"], train_size=len(digits.x_train)), 9)
    trained = networks.build(hp)
    (study.directory / "trial_0000").mkdir(parents=True)
    trained.save_weights(study.directory / "trial_0000" / WEIGHTS)
    model = network(study, networks, Trial(hp, "0000"), DATASETS["digits"])
    model.save(tmp_path / "model.keras")
    opened = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    squares = digits.x_validation
    expected = trained.predict(squares, verbose=0)
    assert np.array_equal(opened.predict(squares, verbose=0), expected)
    # Without the penalties that training added.
    labels = digits.y_validation
    evaluated = opened.evaluate(squares, labels, verbose=0)
    crossentropy = -np.mean(np.log(expected[np.arange(len(labels)), labels]))
    right = np.mean(expected.argmax(axis=1) == labels)
    assert evaluated == pytest.approx([crossentropy, right], rel=1e-5)
    dense = [layer for layer in opened.layers if isinstance(layer, keras.layers.Dense)]
    # The output layer computes in float32, and keeps what it needs for that.
    assert [layer.kernel.dtype for layer in dense[:-1]] == ["bfloat16"] * (len(dense) - 1)
    assert dense[-1].kernel.dtype == "float32"


@pytest.mark.slow
def test_pictures_are_named(digits_logs, tmp_path):
    from PIL import Image

    model = digits_logs / "s-final" / "models" / "final-2.keras"
    pool = load_test_pool("digits")
    results = read(digits_logs / "s-final" / "test-1.json")
    expected = next(m for m in results["models"] if m["file"] == model.name)["predicted"]
    files = []
    for number in range(5):
        # Larger by whole pixels: brought to the model's size they are what they were.
        pixels = (pool.images[number].reshape(8, 8) * 15).repeat(10, axis=0).repeat(10, axis=1)
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(pixels.astype(np.uint8)).convert("RGB").save(files[-1])
    done = search("predict", model, *files, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["predictions"]
    assert [int(row["class"]) for row in found] == expected[:5]
    assert all(0.1 < row["probability"] <= 1 for row in found)
    bracketed = tmp_path / "boot[copy].png"
    shutil.copy(files[0], bracketed)
    assert str(bracketed) in search("predict", model, bracketed).stdout
    torn = tmp_path / "torn.png"
    torn.write_bytes(files[0].read_bytes()[:60])
    none = tmp_path / "none.keras"
    for wrong in ([none, files[0]], [files[0], files[0]], [model, __file__], [model, torn]):
        refused = search("predict", *wrong)
        assert refused.returncode == 2
        assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["final", "--study", "none"], "there is no study none"),
        (["ablation", "--study", "none"], "no final network of study none"),
    ],
)
def test_misuse_is_told_in_a_line(tmp_path, arguments, says):
    refused = search(*arguments, "--logs", tmp_path)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert refused.stderr.count("\n") == 1
