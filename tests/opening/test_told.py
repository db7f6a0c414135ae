"""What the report says of a final network, counted again from the files."""

import numpy as np
import pandas as pd
import pytest

from tests.called import analysis
from tests.digits_studies import EPOCHS
from tests.opening.files import read, trials


@pytest.mark.slow
def test_the_report_gives_what_the_logs_hold(digits_logs, tmp_path):
    for lang in ("en", "es"):
        command = ["report", "--logs", digits_logs, "--lang", lang, "--out", tmp_path / lang]
        assert analysis(*command).returncode == 0
    text = (tmp_path / "en" / "report.md").read_text()
    assert "FAIL" not in text.replace("FAILED", "")
    assert "**pass ledger** the test set was opened once" in text.lower()
    results = read(digits_logs / "s-final" / "test-1.json")
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
    arm = read(digits_logs / "s-final" / "study.json")["parts"][1]["arms"]["final"]
    judged = [
        trial["run"]["held_out"]["accuracy"]
        for trial in trials(digits_logs / "s-final").values()
        if arm.items() <= trial["hyperparameters"]["values"].items()
        and trial["run"]["seed"] in (2, 3)
    ]
    assert len(judged) == 2
    assert scores.loc["final", "validation"] == pytest.approx(np.mean(judged))
    slopes = []
    for trial in trials(digits_logs / "s-final").values():
        if trial["hyperparameters"]["values"]["units_1"] == 512:
            curve = [row["val_accuracy"] for row in trial["run"]["epochs"]]
            # Of two epochs that were watched.
            slopes.append(100 * (curve[-1] - curve[-2]))
    assert len(slopes) == 2
    assert (
        f"from epoch {EPOCHS - 1} to {EPOCHS} by {np.mean(slopes):+.3f}".replace("-", "−") in text
    )
    stages = pd.read_csv(tables / "strategy.csv")
    assert stages["study"].tolist() == ["s", "s-final", "s-final", "s-final"]
    # The search; two candidates, the two arms that are compared, the augmented one.
    assert stages["configurations"].tolist()[1:] == [2, 2, 1]
    for study in ("s", "s-final"):
        runs = [trial["run"] for trial in trials(digits_logs / study).values()]
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
