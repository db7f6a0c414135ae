"""The final network, its path and the one look at the test set, on the digits."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest

from search.data.load import load_test_pool
from search.networks.dense import DenseNetworks
from search.opening.models import network
from search.records.folder import Study
from search.records.trial import WEIGHTS
from search.studies.oracles import Trial

CHEAP = ["layers=1:2", "units_1=32:64", "units_2=32:64", "batch_size=128", "batch_norm=False"]
CHEAP += ["precision=bfloat16", "use_l2=True"]


def search(*arguments, **environment):
    command = [sys.executable, "-m", "search", *map(str, arguments)]
    env = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A finished search `s` of the digits, and `s-final` with its test set opened."""
    logs = tmp_path_factory.mktemp("logs")
    fixes = [word for fix in CHEAP for word in ("--fix", fix)]
    steps = [
        ["run", "--study", "s", "--dataset", "digits", "--max-epochs", 9, *fixes],
        ["final", "--study", "s", "--top", 2, "--seeds", 2, "--augment", "flip"],
    ]
    for step in steps:
        done = search(*step, "--logs", logs)
        assert done.returncode == 0, done.stderr
    return logs


@pytest.fixture
def copy(logs, tmp_path):
    shutil.copytree(logs, tmp_path / "logs")
    return tmp_path / "logs"


def read(path):
    return json.loads(path.read_text())


def trials(directory):
    return {path.parent.name: read(path) for path in directory.glob("trial_*/trial.json")}


@pytest.mark.slow
def test_the_best_of_the_search_are_chosen_on_fresh_seeds_and_trained_on_others(logs):
    about = read(logs / "s-final" / "study.json")
    scores = sorted((t["score"] for t in trials(logs / "s").values()), reverse=True)
    named = [name.removeprefix("trial ") for name in about["arguments"]["configurations"]]
    assert [read(logs / "s" / f"trial_{n}/trial.json")["score"] for n in named] == scores[:2]
    choice, final, augmented = about["parts"]
    assert (choice["name"], choice["seeds"]) == ("choice", [111, 112, 113])
    # Not the search's own seed, 1, whose validation images chose the configurations.
    assert (final["seeds"], list(final["arms"])) == ([2, 3], ["assignment", "final"])
    assert final["arms"]["assignment"]["units_1"] == 512
    means = {name: [] for name in choice["arms"]}
    for trial in trials(logs / "s-final").values():
        values = trial["hyperparameters"]["values"]
        for name, own in choice["arms"].items():
            labels = {k: v for k, v in values.items() if not k.startswith("tuner/")}
            if own == labels and values["tuner/seed"] in choice["seeds"]:
                means[name].append(trial["run"]["held_out"]["accuracy"])
    assert [len(found) for found in means.values()] == [3, 3]
    best = max(means, key=lambda name: np.mean(means[name]))
    assert final["arms"]["final"] == choice["arms"][best]
    # On images moved about, three times as long as the search's 9 epochs.
    chosen = final["arms"]["final"]
    moved = {"augmentation": "flip", "dropout": chosen["dropout"] / 2}
    assert augmented["arms"] == {"augmented": chosen | moved}
    assert (augmented["epochs"], augmented["seeds"]) == (27, final["seeds"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["final-2", "augmented-2"])
def test_a_model_file_opens_without_us_and_gives_the_recorded_test_accuracy(logs, tmp_path, name):
    results = read(logs / "s-final" / "test-1.json")
    model = next(m for m in results["models"] if m["file"] == f"{name}.keras")
    pool = load_test_pool("digits")
    np.savez(tmp_path / "test.npz", x=pool.images.reshape(-1, 8, 8), y=pool.labels)
    code = (
        "import sys, keras, numpy as np\n"
        "test = np.load(sys.argv[2])\n"
        "model = keras.models.load_model(sys.argv[1], safe_mode=True)\n"
        "p = model.predict(test['x'], verbose=0)\n"
        "assert not any(name.split('.')[0] == 'search' for name in sys.modules)\n"
        "print(np.abs(p.sum(axis=1) - 1).max() < 1e-5, (p.argmax(axis=1) == test['y']).mean())\n"
        "print(*model.evaluate(test['x'], test['y'], verbose=0))"
    )
    file = logs / "s-final" / "models" / f"{name}.keras"
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code, file, tmp_path / "test.npz"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    sums_to_one, accuracy, *evaluated = done.stdout.split()
    assert sums_to_one == "True"
    assert float(accuracy) == model["accuracy"]
    expected = [model["loss"], model["accuracy"]]
    assert [float(figure) for figure in evaluated] == pytest.approx(expected, rel=1e-5)
    if name == "final-2":
        card = (logs / "s-final" / "models" / "final-2.md").read_text()
        assert model["sha256"] in card
        assert f"{model['accuracy']:.2%}" in card


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_network_of_bfloat16_products_is_kept_in_half_the_bytes(
    make_hp, digits, tmp_path, norm_first
):
    study = Study(tmp_path, "s-final")
    hp = make_hp(precision="bfloat16", batch_norm=True, norm_first=norm_first, use_l2=True)
    networks = DenseNetworks(64, 10, len(digits.x_train), max_epochs=9)
    trained = networks.build(hp)
    (study.directory / "trial_0000").mkdir(parents=True)
    trained.save_weights(study.directory / "trial_0000" / WEIGHTS)
    model = network(study, networks, Trial(hp, "0000"), "digits")
    model.save(tmp_path / "model.keras")
    opened = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    images = digits.x_validation.astype("float32")
    expected = trained.predict(images / np.float32(16), verbose=0)
    squares = images.reshape(-1, 8, 8)
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


def interrupted_when_opened(logs, number, *options):
    """`final` stopped by Ctrl-C in an opening of the test set; the command that it then prints."""
    command = [sys.executable, "-m", "search", "final", "--study", "s", "--logs", logs, *options]
    final = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while (logs / "s-final" / "ledger.jsonl").read_text().count('"opened"') < number:
        assert final.poll() is None, final.stderr.read()
    final.send_signal(signal.SIGINT)
    _, said = final.communicate()
    assert final.returncode == 130
    (line,) = [line for line in said.splitlines() if "to continue: " in line]
    _, _, printed = line.partition("to continue: python -m ")
    return [sys.executable, "-m", *shlex.split(printed)]


@pytest.mark.slow
def test_the_test_set_is_opened_once(copy):
    ledger = copy / "s-final" / "ledger.jsonl"
    entries = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [entry["what"] for entry in entries] == ["declared", "opened", "evaluated"]
    assert len(entries[0]["models"]) == 6
    assert entries[0]["elsewhere"] == []
    before = ledger.read_bytes()
    refused = search("final", "--study", "s", "--logs", copy)
    assert refused.returncode == 2
    assert "--open-test-again REASON" in refused.stderr
    assert ledger.read_bytes() == before
    again = interrupted_when_opened(copy, 2, "--open-test-again", "it's a bug")
    done = subprocess.run([*again, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["test"]["opening"] == 2
    lines = ledger.read_bytes()
    assert lines.startswith(before)
    entries = [json.loads(line) for line in lines.splitlines()[3:]]
    # Taken up by the command that was printed, with what was declared.
    assert [entry["what"] for entry in entries] == ["declared", "opened", "opened", "evaluated"]
    assert {entry["opening"] for entry in entries} == {2}
    assert entries[0]["reason"] == "it's a bug"
    assert (
        read(copy / "s-final" / "test-2.json")["models"]
        == (read(copy / "s-final" / "test-1.json")["models"])
    )
    out = copy.parent / "report"
    command = [sys.executable, "-m", "analysis", "report", "--logs", copy, "--out", out]
    subprocess.run(command, check=True, capture_output=True)
    assert "opened 2 times; again for these reasons: " in (out / "report.md").read_text()
    assert ": it's a bug; every time each model said the same of every image" in (
        (out / "report.md").read_text()
    )


@pytest.mark.slow
def test_a_final_study_from_before_a_hyperparameter_was_in_the_space_goes_on(copy):
    """As written by an earlier version, whose networks had it at its default."""
    names = ("norm_first", "precision")
    directory = copy / "s-final"
    for path in directory.glob("trial_*/trial.json"):
        trial = read(path)
        for name in names:
            trial["hyperparameters"]["values"].pop(name, None)
        path.write_text(json.dumps(trial))
    about = read(directory / "study.json")
    arms = [values for part in about["parts"] for values in part["arms"].values()]
    for values in (*arms, *about["arguments"]["configurations"].values()):
        for name in names:
            values.pop(name, None)
    (directory / "study.json").write_text(json.dumps(about))
    runs = {name: trial["run"] for name, trial in trials(directory).items()}
    again = search("final", "--study", "s", "--logs", copy, "--open-test-again", "check", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["finished"]
    assert {name: trial["run"] for name, trial in trials(directory).items()} == runs
    models = [read(directory / f"test-{number}.json")["models"] for number in (1, 2)]
    assert models[0] == models[1]


@pytest.mark.slow
def test_a_changed_ledger_is_refused_and_reported(copy):
    ledger = copy / "s-final" / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace('"reason": null', '"reason": "none"'))
    refused = search("final", "--study", "s", "--logs", copy, "--open-test-again", "whim")
    assert refused.returncode == 1
    assert "was changed by other hands" in refused.stderr
    command = [sys.executable, "-m", "analysis", "tables", "--logs", copy]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "FAIL  LEDGER" in shown.stdout


@pytest.mark.slow
def test_a_changed_result_is_reported(copy):
    path = copy / "s-final" / "test-1.json"
    path.write_text(path.read_text().replace('"accuracy": 0.', '"accuracy": 0.9', 1))
    command = [sys.executable, "-m", "analysis", "tables", "--exercise", "4", "--logs", copy]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "test-1.json is not the one that the ledger speaks of" in shown.stdout


@pytest.mark.slow
def test_an_opening_cut_off_is_finished_for_the_declared_models_alone(copy):
    """As after a crash between opening and evaluating: the last entry and its witness are gone."""
    ledger = copy / "s-final" / "ledger.jsonl"
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text("".join(lines[:1]))
    about = read(copy / "s" / "study.json")
    del about["ledger"]
    (copy / "s" / "study.json").write_text(json.dumps(about))
    results = (copy / "s-final" / "test-1.json").read_bytes()
    (copy / "s-final" / "test-1.json").unlink()
    model = copy / "s-final" / "models" / "final-3.keras"
    content = model.read_bytes()
    model.write_bytes((copy / "s-final" / "models" / "final-2.keras").read_bytes())
    refused = search("final", "--study", "s", "--logs", copy)
    assert refused.returncode == 1
    assert "final-3.keras is not the file declared" in refused.stderr
    model.write_bytes(content)
    done = search("final", "--study", "s", "--logs", copy)
    assert done.returncode == 0, done.stderr
    assert (copy / "s-final" / "test-1.json").read_bytes() == results
    whats = [json.loads(line)["what"] for line in ledger.read_text().splitlines()]
    assert whats == ["declared", "opened", "evaluated"]


@pytest.mark.slow
def test_the_report_gives_what_the_logs_hold(logs, tmp_path):
    for lang in ("en", "es"):
        command = [sys.executable, "-m", "analysis", "report", "--logs", logs, "--lang", lang]
        subprocess.run([*command, "--out", tmp_path / lang], check=True, capture_output=True)
    text = (tmp_path / "en" / "report.md").read_text()
    assert "FAIL" not in text.replace("FAILED", "")
    assert "**PASS LEDGER** the test set was opened once" in text
    results = read(logs / "s-final" / "test-1.json")
    labels = np.array(results["labels"])
    right = {m["file"]: np.array(m["predicted"]) == labels for m in results["models"]}
    ours, theirs = (
        np.array([right[f"{arm}-{seed}.keras"] for seed in (2, 3)])
        for arm in ("final", "assignment")
    )
    tables = tmp_path / "en" / "tables"
    scores = pd.read_csv(tables / "test.csv").set_index("arm")
    assert scores.loc["final", "test"] == pytest.approx(ours.mean())
    assert scores.loc["final - assignment", "test"] == pytest.approx(ours.mean() - theirs.mean())
    moved = np.array([right[f"augmented-{seed}.keras"] for seed in (2, 3)])
    assert scores.loc["augmented", "test"] == pytest.approx(moved.mean())
    assert scores.loc["augmented - final", "test"] == pytest.approx(moved.mean() - ours.mean())
    arm = read(logs / "s-final" / "study.json")["parts"][1]["arms"]["final"]
    judged = [
        trial["run"]["held_out"]["accuracy"]
        for trial in trials(logs / "s-final").values()
        if arm.items() <= trial["hyperparameters"]["values"].items()
        and trial["run"]["seed"] in (2, 3)
    ]
    assert len(judged) == 2
    assert scores.loc["final", "validation"] == pytest.approx(np.mean(judged))
    slopes = []
    for trial in trials(logs / "s-final").values():
        if trial["hyperparameters"]["values"]["units_1"] == 512:
            curve = [row["val_accuracy"] for row in trial["run"]["epochs"]]
            # Of three points at equal distances: half of what the last is from the first.
            slopes.append(100 * (curve[8] - curve[6]) / 2)
    assert len(slopes) == 2
    assert f"from epoch 7 to 9 by {np.mean(slopes):+.3f}".replace("-", "−") in text
    stages = pd.read_csv(tables / "strategy.csv")
    assert stages["study"].tolist() == ["s", "s-final", "s-final", "s-final"]
    # The search; two candidates, the two arms that are compared, the augmented one.
    assert stages["configurations"].tolist()[1:] == [2, 2, 1]
    for study in ("s", "s-final"):
        runs = [trial["run"] for trial in trials(logs / study).values()]
        own = stages[stages["study"] == study].sum()
        assert own["epochs"] == sum(len(run["epochs"]) for run in runs)
        assert own["core_seconds"] == pytest.approx(sum(run["seconds"] for run in runs))
    spaces = pd.read_csv(tables / "strategy-spaces.csv").set_index("hyperparameter")
    assert spaces.loc["layers", "s"] == "(1, 2)"
    assert spaces.loc["units_1", "final"] == str(arm["units_1"])
    mcnemar = pd.read_csv(tables / "test-mcnemar.csv").set_index("seed")
    assert mcnemar.loc[2, "only_final"] == np.sum(ours[0] & ~theirs[0])
    assert mcnemar.loc[3, "only_assignment"] == np.sum(theirs[1] & ~ours[1])
    classes = pd.read_csv(tables / "test-classes.csv").set_index("class")
    assert classes.loc[8, "final"] == pytest.approx(ours[:, labels == 8].mean())
    assert classes["images"].tolist() == np.bincount(labels).tolist()
    for path in tables.glob("*.csv"):
        assert path.read_bytes() == (tmp_path / "es" / "tables" / path.name).read_bytes()


@pytest.mark.slow
def test_pictures_are_named(logs, tmp_path):
    from PIL import Image

    model = logs / "s-final" / "models" / "final-2.keras"
    pool = load_test_pool("digits")
    results = read(logs / "s-final" / "test-1.json")
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
        (["exercises", "path", "--study", "none"], "no final network of study none"),
        (["exercises", "path", "activation"], "path goes alone"),
    ],
)
def test_misuse_is_told_in_a_line(tmp_path, arguments, says):
    refused = search(*arguments, "--logs", tmp_path)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert refused.stderr.count("\n") == 1
