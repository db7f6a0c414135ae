"""KerasTuner's programs with one import changed."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import keras_tuner as kt
import numpy as np
import pytest

import search
from search.records.errors import Misuse
from search.records.folder import StudyFolder
from tests.drivers import wait_until
from tests.program import programs

ROOT = Path(__file__).parents[2]

PROGRAM = """
    import os
    import keras
    import numpy as np
    import search

    def build(hp):
        model = keras.Sequential([keras.layers.Dense(hp.Int("units", 8, 64), activation="tanh")])
        model.add(keras.layers.Dense(2, activation="softmax"))
        model.compile(
            keras.optimizers.Adam(hp.Float("rate", 1e-3, 1e-1, sampling="log")),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model

    draw = np.random.default_rng(0)
    x = draw.normal(size=(4000, 6))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    class Batches(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    callbacks = [keras.callbacks.EarlyStopping("val_loss", patience=3)]
    for name, more, most in (("loop", [], 4), ("keras", [Batches()], 2), ("whole", [], 4)):
        tuner = search.Hyperband(
            build, "val_accuracy", max_epochs=most, factor=2, directory={directory!r},
            project_name=name, seed=5,
        )
        tuner.search(x, y, validation_split=0.2, callbacks=[*callbacks, *more], verbose=2)
"""
"""Three searches without a `__main__` guard. The callback has Keras' own `fit` train the second."""


def run(path, **options):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, str(path)],
        cwd=path.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def outcome(directory, name):
    trials, torn = StudyFolder(directory, name).read_trials()
    assert not torn
    return sorted(
        (
            str(sorted(t.values.items())[:2]),
            t.values["tuner/bracket"],
            t.values["tuner/round"],
            t.status,
            t.run.keras_fit,
            str([row.logs for row in t.run.epochs]),
        )
        for t in trials.values()
    )


def ended_trials(directory):
    """The files of the trials that are no longer under way, by their path."""
    found = {}
    for path in directory.glob("*/trial_*/trial.json"):
        text = path.read_text()
        if json.loads(text)["status"] != "RUNNING":
            found[str(path)] = text
    return found


def killed(path, ended):
    """Run a program, kill it and its workers once so many trials have ended, and return these."""
    process = run(path)
    wait_until(lambda: process.poll() is not None or len(ended_trials(path.parent)) >= ended)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return ended_trials(path.parent)


@pytest.mark.slow
def test_searches_killed_six_times_lose_nothing_and_the_loops_end_as_undisturbed(tmp_path):
    """With callbacks and on two workers: five kills of the loop, and one while Keras trains."""
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PROGRAM).replace("{directory!r}", repr(str(tmp_path))))
    before = {}
    for ended in (1, 4, 7, 10, 13, 17):
        after = killed(path, ended)
        assert ended <= len(after)
        assert before.items() <= after.items()
        before = after
    assert not (tmp_path / "whole").exists()
    process = run(path)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert before.items() <= ended_trials(tmp_path).items()
    assert len(outcome(tmp_path, "loop")) == 15
    assert outcome(tmp_path, "loop") == outcome(tmp_path, "whole")
    by_keras = outcome(tmp_path, "keras")
    reason = "the callback Batches acts on batches"
    assert [(status, why) for *_, status, why, _ in by_keras] == [("COMPLETED", reason)] * 5


def test_importing_search_does_not_import_tensorflow():
    code = "import sys, search; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def tuner(tmp_path, made=programs.build, objective="val_accuracy", **options):
    options = {"max_trials": 2, "seed": 1, "directory": str(tmp_path)} | options
    return search.RandomSearch(made, objective, project_name="p", **options)


class OwnRunTrial(search.RandomSearch):
    def run_trial(self, trial, *args, **kwargs):
        return 1.0


def test_what_cannot_be_honoured_is_refused_in_one_sentence(tmp_path):
    for options, said in (
        ({"distribution_strategy": object()}, "distribution_strategy: every trial trains on one"),
        ({"logger": object()}, "logger: KerasTuner has dropped this argument"),
        ({"tuner_id": "tuner1"}, "this project has no chief"),
        ({"time_budget": "soon"}, "write 90s, 30m or 2h"),
        ({"time_budget": "soon"}, "^time_budget=soon: write 90s"),
        ({"workers": 0}, "^workers=0: must be at least 1"),
        ({"device": "gpu"}, "^device=gpu: choose auto or cpu"),
        ({"workers": 3, "scheduler": "tcp://a:1"}, "^workers is for workers on this machine"),
        ({"objective": "val_own"}, "^objective=val_own: .*write val_own:min or val_own:max"),
        ({"max_trials": 0}, "^max_trials=0: give a number of trials, at least 1"),
    ):
        with pytest.raises(Misuse, match=said):
            tuner(tmp_path, **options)
    with pytest.raises(Misuse, match=r"OwnRunTrial.run_trial would not be called"):
        OwnRunTrial(programs.build, "val_accuracy", directory=str(tmp_path))
    with pytest.raises(ValueError, match="hypermodel is None"):
        tuner(tmp_path, None)
    with pytest.raises(ValueError, match="tune_new_entries=False"):
        tuner(tmp_path, tune_new_entries=False)


def test_a_folder_of_something_else_is_neither_continued_nor_overwritten(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "thesis.txt").write_text("years of work")
    with pytest.raises(Misuse, match="holds no study, so it is not overwritten"):
        tuner(tmp_path, overwrite=True)
    assert (tmp_path / "p" / "thesis.txt").exists()


def test_the_space_is_found_when_the_tuner_is_made(tmp_path, capsys):
    made = tuner(tmp_path, programs.Batches)
    assert [hp.name for hp in made.oracle.get_space().space] == ["units", "rate"]
    made.search_space_summary()
    assert "units (Int)" in capsys.readouterr().out


@pytest.mark.slow
def test_a_search_and_what_users_ask_of_it(tmp_path, few_digits, capsys):
    x, y = few_digits.x_train, few_digits.y_train
    call = {"validation_split": 0.2, "epochs": 3, "verbose": 0}
    made = tuner(
        tmp_path,
        programs.Unlucky(),
        executions_per_trial=2,
        max_trials=4,
        workers=2,
        max_consecutive_failed_trials=9,
    )
    made.search(x, y, **call)
    trials = made.oracle.trials.values()
    failed = [t for t in trials if t.status == "FAILED"]
    good = [t for t in trials if t.status == "COMPLETED"]
    assert len(failed) + len(good) == 4
    assert good
    for trial in failed:
        assert trial.hyperparameters.values["batch_size"] == 16
        assert "ValueError: these batches are too small" in trial.message
    best = made.oracle.get_best_trials(1)[0]
    each = [max(row.val_accuracy for row in best.run.epochs if row.execution == n) for n in (0, 1)]
    assert best.score == pytest.approx(np.mean(each))
    assert best.hyperparameters.values == made.get_best_hyperparameters()[0].values
    # The model has the weights of the better execution.
    (model,) = made.get_best_models()
    split = int(len(x) * 0.8)
    _, accuracy = model.evaluate(x[split:], y[split:], verbose=0)
    assert accuracy == pytest.approx(max(each), abs=1e-6)
    made.results_summary()
    assert f"Trial {best.trial_id} summary" in capsys.readouterr().out
    # The same program again has nothing left to train, and gives the same.
    again = tuner(tmp_path, programs.Unlucky(), executions_per_trial=2, max_trials=4)
    assert again.get_best_hyperparameters()[0].values == best.hyperparameters.values
    again.search(x, y, **call)
    other = tuner(tmp_path, programs.Unlucky(), executions_per_trial=2, max_trials=4)
    with pytest.raises(
        Misuse, match=r"other arguments of search \(epochs, y differ\): give the same"
    ):
        other.search(x, y[::-1], **call | {"epochs": 4})
    with pytest.raises(Misuse, match="was started with executions=2, not 1"):
        tuner(tmp_path, programs.Unlucky(), max_trials=4)
    with pytest.raises(Misuse, match="was started with the objective val_accuracy, not val_loss"):
        tuner(tmp_path, programs.Unlucky(), "val_loss", executions_per_trial=2, max_trials=4)
    stock = kt.RandomSearch(
        programs.Unlucky(), "val_accuracy", max_trials=4, directory=str(tmp_path), project_name="p"
    )
    assert stock.get_best_hyperparameters()[0].values == best.hyperparameters.values
    assert isinstance(stock.get_best_models()[0], keras.Model)
