"""Every health check on small planted studies: the status of its card and what the card says."""

from dataclasses import replace

import pytest

from analysis.report import checks
from analysis.report.blocks import Card
from analysis.words.language import Language

EN, ES = Language("en"), Language("es")
CODES = [
    "SEEDS", "BOUNDS", "BUDGET", "CHANCE", "VALIDATION", "POWER", "FAILED", "MIXED", "COMPLETE",
]  # fmt: skip


def card(study, code, say=EN):
    """The card of one check. Every check has to work on every planted study."""
    found = checks.cards(study, say)
    assert [each.code for each in found][:9] == CODES
    assert not any(each.trace for each in found)
    return next(each for each in found if each.code == code)


def test_seeds_pass_with_as_many_as_can_show_a_difference(plant, tmp_path):
    """One comparison takes 6 seeds: 2 / 2^6 is the first p below 0.05."""
    found = card(
        plant.controlled(tmp_path / "s", {"relu": plant.near(0.9, 6), "tanh": plant.near(0.8, 6)}),
        "SEEDS",
    )
    assert found == Card(
        "SEEDS",
        "PASS",
        "Every arm has at least 6 completed seeds. Detecting a difference in every part takes at "
        "least 6 seeds.",
    )


@pytest.mark.parametrize(("seeds", "status"), [(5, "WARN"), (1, "FAIL")])
def test_too_few_seeds_warn_and_name_the_command_that_adds_them(plant, tmp_path, seeds, status):
    scores = {"relu": plant.near(0.9, seeds), "tanh": plant.near(0.8, seeds)}
    found = card(plant.controlled(tmp_path / "s", scores), "SEEDS")
    assert found.status == status
    assert f"at least {seeds} completed seeds" in found.found
    assert found.todo == (
        f"Add seeds: python -m search exercises --study s --logs {tmp_path} --seeds 7"
    )


def test_too_few_seeds_of_a_final_study_are_for_the_next_network(plant, tmp_path):
    scores = {"relu": plant.near(0.9, 3), "tanh": plant.near(0.8, 3)}
    study = plant.controlled(tmp_path / "s-final", scores, "final", search="s")
    found = card(study, "SEEDS")
    assert found.status == "WARN"
    assert found.todo.startswith("Use --seeds 7 for the next final network.")


def test_seeds_do_not_apply_to_a_search_or_a_single_arm(plant, tmp_path):
    found = card(plant.search(tmp_path / "s", [0.8, 0.9]), "SEEDS")
    assert (found.status, found.found) == ("N/A", "In a search, each configuration has one seed.")
    found = card(plant.controlled(tmp_path / "t", {"relu": plant.near(0.9)}), "SEEDS")
    assert (found.status, found.found) == ("N/A", "There are no arms to compare yet.")


@pytest.mark.parametrize(
    ("rates", "status", "said"),
    [
        ([0.03, 0.05], "PASS", "No best value lies on a bound of its range."),
        ([0.03, 0.95], "WARN", "Best values on a bound of their range: rate = 0.95."),
    ],
)
def test_bounds_of_a_search(plant, tmp_path, rates, status, said):
    found = card(plant.search(tmp_path / "s", [0.8, 0.9], rates), "BOUNDS")
    assert (found.status, found.found) == (status, said)
    assert found.todo == ("Widen the range and search again." if status == "WARN" else "")


@pytest.mark.parametrize(("best", "status"), [(1, "PASS"), (2, "WARN"), (0, "WARN")])
def test_bounds_of_a_grid_of_learning_rates(plant, tmp_path, best, status):
    """Three rates of one optimizer: the best in the middle or at an end."""
    arms = ["sgd 0.01", "sgd 0.1", "sgd 1"]
    scores = {arm: plant.near(0.9 if n == best else 0.8, 3) for n, arm in enumerate(arms)}
    study = plant.controlled(tmp_path / "s", scores)
    (part,) = study.parts
    part = replace(part, name="learning rates")
    study = replace(study, record=replace(study.record, parts=(part,)))
    for arm in arms:
        part.arms[arm]["optimizer"] = "sgd"
    for values in study.values.values():
        values["optimizer"] = "sgd"
    found = card(study, "BOUNDS")
    assert found.status == status
    assert (arms[best] in found.found) == (status == "WARN")


def test_bounds_do_not_apply_without_a_range(plant, tmp_path):
    found = card(
        plant.controlled(tmp_path / "s", {"relu": plant.near(0.9), "tanh": plant.near(0.8)}),
        "BOUNDS",
    )
    assert (found.status, found.found) == ("N/A", "No range was searched.")


def test_budget_passes_with_one_budget_and_warns_of_several(plant, tmp_path):
    found = card(plant.search(tmp_path / "s", [0.8, 0.9]), "BUDGET")
    assert found.status == "PASS"
    assert found.found == "All configurations have the same number of epochs."
    found = card(plant.search(tmp_path / "t", [0.8, 0.9], epochs=[1, 3]), "BUDGET")
    assert found.status == "WARN"
    assert "trained for different numbers of epochs" in found.found
    assert "compares them only at equal numbers of epochs" in found.found


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("exercises", "trained for the same number of epochs"),
        ("final", "the same maximum number of epochs and the same patience"),
    ],
)
def test_budget_of_arms_passes_and_says_what_they_share(plant, tmp_path, kind, said):
    scores = {"relu": plant.near(0.9), "tanh": plant.near(0.8)}
    found = card(plant.controlled(tmp_path / "s", scores, kind), "BUDGET")
    assert found.status == "PASS"
    assert said in found.found


def test_chance_names_the_trials_that_learned_nothing(plant, tmp_path):
    found = card(plant.search(tmp_path / "s", [0.8, 0.105, 0.1, 0.9]), "CHANCE")
    assert found.status == "WARN"
    assert found.found == "2 of 4 trials ended at chance accuracy (50 %): 0001, 0002."
    assert "dead and saturated units" in found.todo
    found = card(plant.search(tmp_path / "t", [0.8, 0.9]), "CHANCE")
    assert (found.status, found.found) == ("PASS", "No trial ended at chance accuracy.")


def test_chance_does_not_apply_without_curves(plant, tmp_path):
    study = plant.search(tmp_path / "s", [0.8, 0.9])
    study.curves["val_accuracy"] = float("nan")
    found = card(study, "CHANCE")
    assert (found.status, found.found) == ("N/A", "There are no curves.")


@pytest.mark.parametrize(("images", "status"), [(400, "WARN"), (10**6, "PASS")])
def test_validation_of_a_search_says_by_how_much_the_best_is_too_good(
    plant, tmp_path, images, status
):
    """The largest of 30 standard normals is 2.043 on average: times √(0.25 / 400), 5.1 points."""
    study = plant.search(tmp_path / "s", [0.5] * 30, facts=plant.facts(images))
    found = card(study, "VALIDATION")
    assert found.status == status
    points = "5.1" if images == 400 else "0.1"
    assert found.found == (
        f"Picking the best of 30 scores on {images} images overstates accuracy by about {points} "
        "points. Picking the best epoch adds to that."
    )
    assert "not used to choose it" in found.todo


def test_validation_does_not_apply_without_the_number_of_images(plant, tmp_path):
    found = card(plant.search(tmp_path / "s", [0.8, 0.9], arguments={}), "VALIDATION")
    assert found.status == "N/A"
    assert found.found == "The number of validation examples is not recorded."


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("exercises", "Arms are compared after a fixed epoch."),
        ("final", "Runs are not judged on the images that stopped them."),
    ],
)
def test_validation_of_arms_says_why_choosing_does_not_bias_them(plant, tmp_path, kind, said):
    scores = {"relu": plant.near(0.9), "tanh": plant.near(0.8)}
    study = plant.controlled(tmp_path / "s", scores, kind)
    found = card(study, "VALIDATION")
    assert found.status == "PASS"
    assert found.found.startswith(said)


def test_power_passes_if_every_difference_is_detected(plant, tmp_path):
    found = card(
        plant.controlled(tmp_path / "s", {"relu": plant.near(0.9), "tanh": plant.near(0.8)}),
        "POWER",
    )
    assert (found.status, found.found) == ("PASS", "Every difference is detected.")


def test_power_gives_the_seeds_that_an_undetected_difference_needs(plant, tmp_path):
    """Differences of alternating sign around 0.1 points, standard deviation 1.05 points.

    With 80 % power at level 0.05, a paired t-test needs about (1.96 + 0.84)² × 1.05² = 8.7 + 2 pairs for
    1 point and 4 × 8.7 + 2 for half a point. The measured 0.1 points count for nothing.
    """
    tanh = [0.9 + 0.001 + 0.01 * (-1) ** n for n in range(10)]
    found = card(plant.controlled(tmp_path / "s", {"relu": [0.9] * 10, "tanh": tanh}), "POWER")
    assert found.status == "WARN"
    assert (
        "would detect 1.00 points / 0.50 points with 80 % power: activation: tanh (" in found.found
    )
    point, half = map(int, found.found.rpartition("(")[2].rstrip(").").split(" / "))
    assert point == pytest.approx(11, abs=1)
    assert half == pytest.approx(37, abs=1)
    assert found.todo.startswith("Report that no difference was detected. If you add seeds")


def test_power_does_not_apply_without_arms(plant, tmp_path):
    found = card(plant.search(tmp_path / "s", [0.8, 0.9]), "POWER")
    assert (found.status, found.found) == ("N/A", "There are no arms to compare.")


@pytest.mark.parametrize(
    ("lost", "status", "said"),
    [
        (0, "PASS", "0 of 20 trials failed."),
        (2, "WARN", "2 of 20 trials failed (0010, 0011)."),
        (3, "FAIL", "3 of 20 trials failed (0010, 0011, 0012)."),
    ],
)
def test_failed_trials_warn_up_to_a_tenth_and_fail_beyond(plant, tmp_path, lost, status, said):
    scores = {"relu": plant.near(0.9), "tanh": [None] * lost + plant.near(0.8)[lost:]}
    found = card(plant.controlled(tmp_path / "s", scores), "FAILED")
    assert (found.status, found.found) == (status, said)
    assert ("trial.json" in found.todo) == bool(lost)


def test_mixed_names_what_differs_between_sessions(plant, tmp_path):
    scores = {"relu": plant.near(0.9), "tanh": plant.near(0.8)}
    found = card(
        plant.controlled(tmp_path / "s", scores, sessions=[plant.session, plant.session]), "MIXED"
    )
    assert found.status == "PASS"
    assert found.found.startswith("All sessions used one commit")
    others = [plant.session, plant.session | {"commit": "b", "processor": "q"}]
    found = card(plant.controlled(tmp_path / "t", scores, sessions=others), "MIXED")
    assert (found.status, found.found) == ("WARN", "Sessions differ in: commit, processor.")
    assert "bit-identical" in found.todo
    found = card(plant.controlled(tmp_path / "u", scores, sessions=[]), "MIXED")
    assert (found.status, found.found) == ("N/A", "No software versions are recorded.")


def test_complete_lists_what_is_missing(plant, tmp_path):
    scores = {"relu": plant.near(0.9), "tanh": plant.near(0.8)}
    found = card(plant.controlled(tmp_path / "s", scores), "COMPLETE")
    assert (found.status, found.found) == ("PASS", "Nothing is missing.")
    study = plant.controlled(tmp_path / "t", scores)
    study.notes.extend(f"note {n}" for n in range(8))
    found = card(study, "COMPLETE")
    assert found.status == "WARN"
    assert found.found == "note 0, note 1, note 2, note 3, note 4, note 5 … (+2)"
    assert found.todo.startswith("Continue the study")


def test_ledger_of_a_test_set_that_is_closed_or_was_opened_once(plant, tmp_path):
    found = card(plant.opened(tmp_path / "a"), "LEDGER")
    assert (found.status, found.found) == ("N/A", "The test set has not been opened.")
    found = card(plant.opened(tmp_path / "b", None), "LEDGER")
    assert found.status == "PASS"
    assert found.found == (
        "The test set was opened once, on 2026-01-01, for 1 models declared by hash beforehand."
    )


def test_ledger_warns_of_a_second_opening_and_says_whether_it_repeats_the_first(plant, tmp_path):
    found = card(plant.opened(tmp_path / "a", None, "a bug"), "LEDGER")
    assert found.status == "WARN"
    assert found.found.startswith("The test set was opened 2 times.")
    assert "opening it again: 2026-01-02: a bug." in found.found
    assert "each model predicted the same class for every image" in found.found
    assert found.todo == ""
    found = card(plant.opened(tmp_path / "b", None, "a bug", "another"), "LEDGER")
    assert "predicted the same class" not in found.found
    assert found.todo == "Treat the latest test accuracies as validation accuracies."


def test_ledger_warns_of_other_studies_an_interruption_and_a_lost_witness(plant, tmp_path):
    elsewhere = [{"study": "u-final", "time": "2026-01-05T00:00:00"}]
    found = card(plant.opened(tmp_path / "a", None, elsewhere=elsewhere), "LEDGER")
    assert found.status == "WARN"
    assert "already been evaluated on these images: u-final (2026-01-05)." in found.found
    assert "no choice in this study depended" in found.todo
    found = card(plant.opened(tmp_path / "b", None, last=False), "LEDGER")
    assert found.status == "WARN"
    assert "The last opening was interrupted." in found.found
    assert found.todo == "Run the same command again."
    found = card(plant.opened(tmp_path / "c", None, witness=False), "LEDGER")
    assert found.status == "WARN"
    assert "which confirms the ledger, is missing" in found.found


def test_ledger_fails_if_it_was_changed(plant, tmp_path):
    study = plant.opened(tmp_path, None, "a bug")
    path = tmp_path / "t-final" / "ledger.jsonl"
    path.write_text(path.read_text().replace('"a bug"', '"none"'))
    found = card(study, "LEDGER")
    assert found.status == "FAIL"
    assert "line 5" in found.found
    assert "In its present state, the ledger records 2 openings (none)." in found.found
    assert found.todo.startswith("Restore the files")


@pytest.mark.parametrize("code", [*CODES, "LEDGER"])
def test_a_check_that_crashes_keeps_its_code_and_its_traceback(plant, tmp_path, monkeypatch, code):
    def crash(*_):
        raise ZeroDivisionError("planted")

    monkeypatch.setitem(checks.CHECKS, code, crash)
    found = checks.cards(plant.opened(tmp_path, None), EN)
    assert [each.code for each in found] == [*CODES, "LEDGER"]
    (broken,) = [each for each in found if each.trace]
    assert (broken.code, broken.status) == (code, "FAIL")
    assert broken.found == "ZeroDivisionError: planted"
    assert broken.trace.startswith("Traceback")
    assert "in crash" in broken.trace


def test_every_card_is_in_spanish_too(plant, tmp_path):
    studies = [
        plant.opened(
            tmp_path / "a", None, "a bug", "another", elsewhere=[{"study": "u", "time": "2026"}]
        ),
        plant.controlled(tmp_path / "b", {"relu": plant.near(0.9, 3), "tanh": plant.near(0.9, 3)}),
        plant.search(tmp_path / "c", [0.1, 0.9], [0.03, 0.95], [1, 3], facts=plant.facts(100)),
    ]
    for study in studies:
        english, spanish = (checks.cards(study, say) for say in (EN, ES))
        for ours, theirs in zip(english, spanish, strict=True):
            assert (ours.code, ours.status) == (theirs.code, theirs.status)
            assert ours.found != theirs.found
            assert bool(ours.todo) == bool(theirs.todo)
            assert not theirs.todo or ours.todo != theirs.todo
