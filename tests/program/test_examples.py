"""The examples run, on small data."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_an_own_hypermodel(digits, tmp_path, capsys):
    train = digits.x_train / 16, digits.y_train
    test = digits.x_validation / 16, digits.y_validation
    accuracy = example("own_hypermodel").main(train, test, str(tmp_path), max_epochs=3)
    assert accuracy > 0.5
    assert "test accuracy after" in capsys.readouterr().out


@pytest.mark.slow
def test_a_convolutional_network(few_digits, tmp_path):
    train = few_digits.x_train, few_digits.y_train
    validation = few_digits.x_validation, few_digits.y_validation
    tuner = example("convolutional").main(train, validation, str(tmp_path), max_epochs=3)
    trials = tuner.oracle.trials.values()
    assert all(trial.status == "COMPLETED" and trial.run.keras_fit == "" for trial in trials)
    best = tuner.oracle.get_best_trials()[0]
    assert best.score == min(trial.score for trial in trials)


@pytest.mark.slow
def test_a_table_of_rows(tmp_path):
    tuner, auc = example("tabular").main(str(tmp_path), max_trials=3, epochs=8)
    assert auc > 0.8
    assert {t.run.executed for t in tuner.oracle.trials.values()} == {2}


@pytest.mark.slow
def test_a_notebook_shows_the_search_and_its_curves(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("max_epochs=9", "max_epochs=3")
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    shown = [o.get("data", {}) for cell in notebook.cells for o in cell.get("outputs", [])]
    (display,) = (
        data["text/plain"] for data in shown if "trials 6/6" in data.get("text/plain", "")
    )
    # One output, without the codes of a terminal.
    assert "\x1b" not in display
    assert any("image/png" in data for data in shown)
