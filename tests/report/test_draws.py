"""What a report says of a search whose draws learn, and what it computes importances from."""

import json
import random

import pytest

from analysis.evidence.importance import importance
from analysis.evidence.trials import load
from analysis.report.trained import cut_short, drawn
from analysis.words.language import Language
from tests.planted import write_trial

ROOT = {"tuner/epochs": 3, "tuner/initial_epoch": 0, "tuner/bracket": 1, "tuner/round": 0}


def write_search(folder, samplers):
    """A search whose configurations were drawn by these samplers, in this order."""
    choose = random.Random(2)
    for n, sampler in enumerate(samplers):
        values = {
            "activation": choose.choice(["relu", "tanh"]),
            "rate": 10 ** choose.uniform(-3, 0),
        }
        accuracy = 0.7 + 0.1 * (values["activation"] == "tanh") + choose.uniform(0, 0.01)
        labels = ROOT | ({} if sampler is None else {"tuner/draw": n, "tuner/sampler": sampler})
        write_trial(folder, f"{n:04d}", values | labels, [accuracy] * 3)
    return folder


def test_importances_are_of_random_draws_alone(tmp_path):
    folder = write_search(tmp_path / "s", ["random"] * 20 + ["prior"] * 9 + ["model"] * 5)
    found = importance(load(folder))
    assert found.n == 20
    assert found.table.index[0] == "activation"
    fewer = write_search(tmp_path / "t", ["random"] * 19 + ["prior"] * 9)
    assert importance(load(fewer)) is None


def test_draws_of_earlier_versions_are_random_though_a_later_version_goes_on(tmp_path):
    study = load(write_search(tmp_path / "s", [None] * 15 + ["random"] * 6))
    assert set(study.chains["sampler"]) == {"random"}
    assert importance(study).n == 21
    assert drawn(study, Language("en")) == []


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Origin of the 6 configurations: 3 at random, 2 near textbook values and 1 given"),
        ("es", "Origen de las 6 configuraciones: 3 al azar, 2 cerca de valores de manual y 1 dad"),
    ],
)
def test_the_report_says_what_drew_the_configurations(tmp_path, language, said):
    folder = write_search(tmp_path / "s", ["given", *["random"] * 3, *["prior"] * 2])
    (text,) = drawn(load(folder), Language(language))
    assert text.text.startswith(said)


def test_the_report_names_trials_that_could_not_learn_and_no_other(tmp_path):
    folder = write_search(tmp_path / "s", ["random"] * 3)
    values = {"activation": "relu", "rate": 0.1, **ROOT}
    write_trial(folder, "0003", values, [0.1], cut_short="no weight matrix has a gradient")
    # A trial that a worker has just received has no record of its training yet.
    write_trial(folder, "0004", values, [], status="RUNNING")
    path = folder / "trial_0004" / "trial.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "run": {}}))
    (text,) = cut_short(load(folder), Language("en"))
    assert "had a gradient: 0003 (trials)" in text.text
    assert cut_short(load(write_search(tmp_path / "t", ["random"])), Language("en")) == []
