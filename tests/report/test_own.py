"""The report of studies of a user's own hypermodel, planted so that the truth is known."""

import math
import random
import re
from dataclasses import replace

import pandas as pd
import pytest

from analysis import exports
from analysis.evidence import observed, paired
from analysis.evidence.arms import parts
from analysis.report import checks, compared, files, searched, trained
from analysis.report.agreement import agreement
from analysis.report.contents import sections
from analysis.words.language import Language
from analysis.words.terms import Terms, terms
from search.records.objective import Objective
from tests.planted import own_trial
from tests.report import own

EN, ES = Language("en"), Language("es")


def said(blocks):
    """Everything that blocks say in words."""
    return " ".join(getattr(block, "text", getattr(block, "caption", "")) for block in blocks)


def table(blocks, name):
    return next(
        block for block in blocks if getattr(block, "name", "") == name and hasattr(block, "frame")
    )


@pytest.mark.parametrize("objective", [Objective(), own.LOSS, Objective("val_auc", "max")])
def test_the_best_configuration_is_the_best_in_the_direction_of_the_objective(tmp_path, objective):
    study = own.hyperband(tmp_path, objective=objective)
    column = study.curves.groupby("trial")[objective.name]
    best = column.min().min() if objective.direction == "min" else column.max().max()
    text, *blocks = searched.overview(study, EN)
    ranked = table(blocks, "conv-best").data[objective.name]
    assert ranked.iloc[0] == best
    assert list(ranked) == sorted(ranked, reverse=objective.direction == "max")
    assert terms(study, EN).value(best) in text.text
    assert ("Lower values of val_loss are better." in text.text) == (objective == own.LOSS)
    assert "The hypermodel is net.py:Convolutions." in text.text


def test_a_loss_is_a_plain_number_and_an_accuracy_a_percentage():
    loss, accuracy = Terms(EN, own.LOSS), Terms(EN)
    assert [loss.cell(v) for v in (0.34125, 12.345, 1234.5, 0)] == ["0.3412", "12.35", "1234", "0"]
    assert loss.difference(-0.0123, -0.02, 0.000456) == "−0.0123 [−0.0200; +0.0005]"
    assert loss.size(-0.0123) == "0.0123"
    assert accuracy.mean(0.9, 0.8, 1.1) == "90.00 [80.00; 100.00]"
    assert accuracy.size(-0.0123) == "1.23 points"
    assert Terms(ES, own.LOSS).value(0.34125) == "0,3412"


def test_a_hyperparameter_with_the_name_of_a_column_keeps_its_own(tmp_path):
    study = own.hyperband(tmp_path)
    assert study.hyperparameters[-1] == "hp.epochs"
    assert set(study.trials["epochs"].dropna()) == {3, 9}
    assert study.trials["hp.epochs"].between(2, 9).all()
    assert study.bounds["hp.epochs"] == (2, 9)


def test_a_score_is_the_mean_of_the_best_values_of_the_executions(tmp_path):
    rows = [[{"val_loss": v} for v in run] for run in ([3.0, 1.0, 2.0], [5.0, 4.0, math.nan])]
    own_trial(tmp_path / "s", "0000", own.drawn(random.Random(1)), rows)
    study = own.write(
        tmp_path, "s", own.ProgramArguments("RandomSearch", "f", 1), objective=own.LOSS
    )
    trial = study.trials.loc["0000"]
    assert (trial["score"], trial["best_epoch"], trial["executions"]) == (2.5, 2, 2)
    assert study.executions["best"].tolist() == [1.0, 4.0]
    assert observed.isolation(study, "kernel", 3)["score"].tolist() == [2.5]
    assert observed.isolation(study, "kernel", 1)["score"].tolist() == [4.0]


def test_a_list_of_objectives_is_one_value(tmp_path):
    parts = {"val_loss": "min", "val_auc": "max"}
    study = own.hyperband(tmp_path, objective=Objective("multi_objective", "min", parts))
    curve = study.curves
    assert curve["multi_objective"].tolist() == (curve["val_loss"] - curve["val_auc"]).tolist()
    assert study.chains["score"].min() == curve["multi_objective"].min()
    assert "the combined objective" in searched.overview(study, EN)[0].text


def test_without_promotions_a_trial_that_stopped_early_had_the_whole_budget(tmp_path):
    study = own.random_search(tmp_path)
    assert observed.budgets(study) == [6]
    assert len(observed.at_budget(study, 6)) == len(study.chains) == 24
    finding = checks.budget(study, [], EN)
    assert finding.status == "PASS"
    assert "6 of 24 were stopped before its end" in finding.found
    assert "Hyperband" not in said(searched.overview(study, EN))


def test_executions_are_told_with_their_spread(tmp_path):
    study = own.random_search(tmp_path)
    text, shown = trained.executions(study, EN)
    first = shown.data.iloc[0]
    assert first["val_loss"] == pytest.approx((first["execution_0"] + first["execution_1"]) / 2)
    by_trial = study.executions.groupby("trial")["best"]
    spread = math.sqrt(by_trial.var(ddof=1).mean())
    assert f"standard deviation of an execution is {terms(study, EN).size(spread)}" in text.text
    assert trained.executions(own.hyperband(tmp_path), EN) == []


def test_how_the_trials_were_trained_is_counted(tmp_path):
    (text,) = trained.trained(own.random_search(tmp_path), EN)
    assert text.text.startswith(
        "The compiled loop trained 16 of 24 trials, Keras' own fit the others."
    )
    assert text.text.endswith("callback Pictures acts on batches (8).")
    (text,) = trained.trained(own.hyperband(tmp_path), ES)
    assert text.text == "El bucle compilado entrenó todas las pruebas."


@pytest.mark.parametrize(
    ("reached", "expected"),
    [
        ("0007", "Trial 0007 reached the target, val_loss 0.2200, with 0.3392, and that ended"),
        (None, "No trial has reached the target, val_loss 0.2200."),
    ],
)
def test_a_target_is_told_with_the_trial_and_the_time(tmp_path, reached, expected):
    study = own.random_search(tmp_path, target=0.22, reached=reached)
    (text,) = trained.reached(study, EN)
    assert text.text.startswith(expected)
    assert ("2 min, 24 trials and 264 epochs" in text.text) == bool(reached)
    assert trained.reached(own.hyperband(tmp_path), EN) == []


def test_the_time_to_a_target_has_no_pauses(tmp_path):
    """A trial that ended at 100 s, 10 s after the second run began; the first worked for 30 s."""
    first = replace(own.SESSION, seconds=30.0)
    sessions = (first, replace(own.SESSION, started=90.0))
    study = own.random_search(tmp_path, target=0.2, reached="0001", sessions=sessions)
    assert trained.worked_until(study, "0001") == 40


def test_a_trial_that_raised_is_shown_with_the_last_line(tmp_path):
    study = own.hyperband(tmp_path)
    shown = table(searched.overview(study, EN), "conv-exceptions")
    assert shown.data["error"].tolist() == ["ValueError: kernel larger than its image"]
    finding = checks.failed(study, [], EN)
    assert "Exceptions: ValueError: kernel larger than its image (1)." in finding.found
    assert "Correct the hypermodel" in finding.todo


def test_one_hyperparameter_at_a_time_is_compared_under_its_name(tmp_path):
    study = own.compare(tmp_path, own.KERNELS, effects={"kernel=5": 0.05})
    (part,) = parts(study)
    assert part.arms == ["kernel=3", "kernel=5"]
    blocks = compared.compared(part, EN)
    row = table(blocks, "compared-kernel").data.set_index("arm").loc["kernel=5"]
    assert row["difference"] == pytest.approx(0.02, abs=0.002)
    assert row["detected"]
    assert "kernel=5 is 2." in said(blocks)
    assert "Only kernel differs between the arms." in said(blocks)
    assert table(blocks, "compared-kernel-speed").data["reached_reference"].tolist() == [10, 10]


def test_a_lower_loss_is_the_better_arm(tmp_path):
    study = own.compare(tmp_path, own.KERNELS, effects={"kernel=5": 0.05}, objective=own.LOSS)
    blocks = compared.compared(parts(study)[0], EN)
    shown = table(blocks, "compared-kernel").frame
    assert shown["seeds better"].tolist() == ["", "100 %"]
    assert "kernel=5 is better: 0.05" in said(blocks)
    assert " es mejor: queda 0,05" in said(compared.compared(parts(study)[0], ES))


def test_a_factorial_gives_the_planted_effect_and_no_other(tmp_path):
    study = own.compare(
        tmp_path, own.FACTORIAL, objective=own.LOSS, effects={"kernel=5": 0.05, "dropout=True": 0.0}
    )
    (part,) = parts(study)
    found = table(compared.compared(part, EN), "compared-factorial-effects").data
    found = found.set_index("effect")
    assert found["detected"].to_dict() == {
        "kernel": True, "dropout": False, "kernel × dropout": False,
    }  # fmt: skip
    assert found.loc["kernel", "difference"] == pytest.approx(-0.05, abs=0.003)
    assert compared.title(part, EN) == "The effects of kernel and dropout, crossed: compared"


def test_a_factorial_of_three_values_has_no_main_effects(tmp_path):
    arms = {
        f"kernel={kernel}, filters={filters}": {"kernel": kernel, "filters": filters}
        for kernel in (3, 5)
        for filters in (8, 16, 32)
    }
    study = own.compare(tmp_path, {"factorial": arms}, seeds=3)
    assert "only if every hyperparameter has two values" in said(
        compared.compared(parts(study)[0], EN)
    )


def test_a_search_is_compared_with_the_controlled_study_of_its_hypermodel(tmp_path):
    search = own.hyperband(tmp_path, data={"x": "a"})
    study = own.compare(tmp_path, own.KERNELS, effects={"kernel=5": 0.05}, data={"x": "a"})
    text, shown = agreement(search, [study], EN)
    assert (
        text.text
        == "kernel: the best value in the search is 5; the experiment detects no better value."
    )
    assert shown.data["value"].tolist() == ["3", "5"]
    keys = {section.key for section in sections([search, study], EN)}
    assert "agreement-conv" in keys
    other = replace(search, record=replace(search.record, source={"net.py": "1" * 64}))
    assert "agreement-conv" not in {s.key for s in sections([other, study], EN)}


def test_runs_that_need_fewer_epochs_to_a_loss_get_there_first():
    curve = pd.Series([0.9, 0.5, 0.4], index=[1, 2, 3])
    assert paired.epochs_to(curve, 0.5, lower=True) == 2
    assert paired.epochs_to(curve, 0.3, lower=True) == math.inf


def test_chance_is_of_the_classes_of_the_data(tmp_path):
    study = own.hyperband(tmp_path)
    curves = study.curves.copy()
    curves.loc[curves["trial"] == "0003", "val_accuracy"] = 0.105
    finding = checks.chance(replace(study, curves=curves), [], EN)
    assert "1 of 28 trials ended at chance accuracy (4 %): 0003." in finding.found
    many = replace(own.KUZUSHIJI, classes=("a",) * 100)
    more = replace(study, curves=curves, record=replace(study.record, facts=many))
    assert checks.chance(more, [], EN).status == "PASS"
    assert checks.chance(own.random_search(tmp_path), [], EN).status == "N/A"


@pytest.mark.slow
def test_every_kind_of_study_is_reported_in_both_languages_with_the_same_numbers(tmp_path):
    studies = [
        own.hyperband(tmp_path, data={"x": "a"}),
        own.hyperband(tmp_path, "losses", own.LOSS, facts=own.TABLE),
        own.random_search(tmp_path, target=0.2),
        own.compare(tmp_path, own.KERNELS, data={"x": "a"}),
        own.compare(tmp_path, own.FACTORIAL, "crossed", own.LOSS),
    ]
    for say in (EN, ES):
        done = files.write(studies, say, tmp_path / say.code)
        assert done.crashes == []
    for path in (tmp_path / "en").glob("tables/*.csv"):
        assert path.read_bytes() == (tmp_path / "es" / "tables" / path.name).read_bytes()
    english, spanish = ((tmp_path / code / "report.md").read_text() for code in ("en", "es"))
    assert english.startswith("# Hyperparameter study\n")
    for word in (" seeds", "Lower", " the "):
        assert word not in spanish
    assert not re.search(r"\bnan\b", english + spanish)
    assert "gradient" not in english
    assert "saturated" not in english


def test_exports_have_every_metric_and_the_direction(tmp_path):
    optuna = pytest.importorskip("optuna")
    study = own.random_search(tmp_path)
    paths = {path.stem: path for path in exports.export(study, "csv", tmp_path / "csv")}
    assert "val_auc" in pd.read_csv(paths["program-curves"])
    assert len(pd.read_csv(paths["program-executions"])) == 48
    assert "val_loss" in pd.read_csv(paths["program-chains"])
    assert pd.read_csv(paths["program-trials"])["keras_fit"].count() == 8
    (path,) = exports.export(study, "optuna", tmp_path / "optuna")
    theirs = optuna.load_study(study_name="program", storage=f"sqlite:///{path}")
    assert theirs.best_value == study.trials["score"].min()


@pytest.mark.parametrize("objective", [own.LOSS, Objective()])
def test_the_way_to_a_final_network_is_told_for_any_hypermodel(tmp_path, objective):
    facts = own.TABLE if objective == own.LOSS else own.KUZUSHIJI
    studies = [
        own.hyperband(tmp_path, objective=objective, facts=facts),
        own.final(tmp_path, "conv", objective, facts=facts),
        own.ablation(tmp_path, "conv", objective, facts=facts),
    ]
    for say in (EN, ES):
        done = files.write(studies, say, tmp_path / say.code)
        assert done.crashes == []
    english, spanish = ((tmp_path / code / "report.md").read_text() for code in ("en", "es"))
    for words in ("4.1 ·", "4.2 ·", "assignment", "de la tarea"):
        assert words not in english + spanish
    assert not re.search(r"\bnan\b", english + spanish)
    assert "The chosen candidate is trial 0002." in english
    assert "From the default network to the final network" in english
    assert ("images" in english) == ("imágenes" in spanish) == (objective == Objective())
    path = pd.read_csv(tmp_path / "en" / "tables" / "path.csv").set_index("choice")
    sign = -1 if objective == own.LOSS else 1 / 2.5
    assert path.loc["kernel", "gain"] == pytest.approx(sign * 0.04, abs=0.006)
    assert path.loc["filters", "total"] == pytest.approx(sign * 0.05, abs=0.006)
    races = pd.read_csv(tmp_path / "en" / "tables" / "path-races.csv")
    assert races["choice"].tolist()[0] in ("kernel", "filters")
    if objective == own.LOSS:
        assert "Choices whose reversal makes val_loss worse: " in english
        assert "it is clearly ahead" in english
