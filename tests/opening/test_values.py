"""The test set of data whose labels are no classes: what is evaluated, and what the report says."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from analysis.report.opening_values import opened_values
from analysis.words.language import Language
from search.data.pool import Pool
from search.networks.hypermodels import Loaded
from search.opening.opening import evaluated_values, summary
from search.records.errors import Failure
from search.records.folder import StudyFolder
from search.records.ledger import DeclaredModel, EvaluatedModel, Results
from search.records.objective import Objective
from tests.report import own


@pytest.mark.parametrize("name", ["val_loss", "val_mae", "val_f1"])
def test_a_model_is_evaluated_by_the_objective(tmp_path, name):
    own.final(tmp_path, "conv")
    study = StudyFolder(tmp_path, "conv-final")
    study.write_record(replace(study.record(), objective=Objective(name, "min")))
    draw = np.random.default_rng(1)
    x, y = draw.normal(size=(700, 11)).astype("float32"), draw.normal(size=700).astype("float32")
    model = keras.Sequential([keras.Input((11,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    (study.directory / "models").mkdir()
    model.save(study.directory / "models" / "final-1.keras")
    declared = DeclaredModel("final", 1, "0001", "final-1.keras", "", 0.5)
    pool, loaded = Pool(own.TABLE, x, y, {}), Loaded(None)
    if name == "val_f1":
        with pytest.raises(Failure, match=r"final-1.keras reports no val_f1, only loss, mae"):
            evaluated_values(study, declared, pool, loaded)
        return
    kernel, bias = model.get_weights()
    errors = (x @ kernel + bias)[:, 0] - y
    found = evaluated_values(study, declared, pool, loaded)
    assert found.accuracy is None
    expected = np.mean(errors**2) if name == "val_loss" else np.mean(np.abs(errors))
    assert found.score == pytest.approx(expected, rel=1e-5)
    arms = summary(Results(1, [], (found,)))["arms"]
    assert arms == {"final": {"models": 1, "held_out": 0.5, "test": found.score}}


def planted(arm, seed, score, held_out):
    return EvaluatedModel(arm, seed, f"{seed:04d}", "m", "", held_out, None, 0.1, [], score)


def test_the_report_compares_the_objective_over_seeds(tmp_path):
    """By hand: the final loss is 0.1 lower; its test loss is 0.02 above validation."""
    study = own.final(tmp_path, "conv")
    noise = [0.001, -0.001, 0.0, 0.001, -0.001, 0.0]
    models = [planted("assignment", s, 0.4 + e, 0.4) for s, e in enumerate(noise, 1)]
    models += [planted("final", s, 0.3 - e, 0.28) for s, e in enumerate(noise, 1)]
    blocks = opened_values(study, Results(1, [], tuple(models)), Language("en"))
    agreement, table, against = blocks
    assert "Test minus validation is +0.0200 [" in agreement.text
    assert "The test result is worse" in agreement.text
    assert against.text.endswith("the difference is detected.")
    rows = table.data.set_index("arm")
    assert rows.loc["final - assignment", "test"] == pytest.approx(-0.1)
    assert rows.loc["final", "gap"] == pytest.approx(0.02)
    spanish = opened_values(study, Results(1, [], tuple(models)), Language("es"))
    assert "se detecta la diferencia" in spanish[2].text
