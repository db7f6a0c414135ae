"""The report of the tracked reference study, rebuilt from its logs."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from analysis.evidence import paired
from analysis.evidence.arms import parts
from analysis.evidence.spread import spread
from analysis.evidence.trials import load
from analysis.report import comparison, exercises, files
from analysis.report.blocks import Plot, Section, Text
from analysis.words.language import Language
from search.records.errors import Misuse
from tests.laboratory import made_once

PROJECT = Path(__file__).parents[2]
LOGS = PROJECT / "tuner_logs"


def analysis(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "analysis", *map(str, arguments)],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def study():
    return load(LOGS / "exercises")


@pytest.fixture(scope="module")
def part(study):
    """A part by name and level."""
    found = {(part.name, part.level): part for part in parts(study)}
    return lambda name, level=None: found[name, level]


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """By language, the folder of a report."""

    def write(folder):
        for language in ("en", "es"):
            where = ("--lang", language, "--out", folder / language)
            done = analysis("report", "--study", "exercises", *where)
            assert done.returncode == 0, done.stderr

    folder = made_once(tmp_path_factory, "written", write)
    return {language: folder / language for language in ("en", "es")}


def test_every_run_of_the_reference_study_is_there(study):
    for part in parts(study):
        assert set(part.runs["status"]) <= {"COMPLETED", "FAILED"}
        if part.reference:
            assert part.seeds() == list(range(1, 11))
            assert part.table().notna().all(axis=None)


def test_zeros_under_relu_learn_nothing(part):
    last = part("initializer").curves.query("arm == 'zeros' and epoch == 10")
    assert len(last) == 10
    assert last["val_loss"].to_numpy() == pytest.approx(math.log(10), abs=2e-4)
    assert last["val_accuracy"].to_numpy() == pytest.approx(0.1, abs=1e-6)
    assert (last["weight_norm/output"] == 0).all()
    assert (last["dead/hidden_1"] == 1).all()


def test_hidden_units_stay_identical_under_zeros_with_sigmoid(part):
    zeros = part("initializer under sigmoid").curves.query("arm == 'zeros'")
    for layer in ("hidden_1", "hidden_2", "hidden_3"):
        assert (zeros[f"distinct/{layer}"] == 1 / 128).all()
    assert (zeros.query("epoch == 10")["val_loss"] < 2.0).all()


def test_gradients_of_a_sigmoid_shrink_by_a_quarter_a_layer(part):
    deepest = part("depth", 6)
    assert exercises.layer_ratio(deepest, "sigmoid") == pytest.approx(0.25, abs=0.03)
    assert exercises.layer_ratio(deepest, "relu") > 0.8


def test_optimizers_are_apart_at_defaults_and_close_when_tuned(part):
    before, after = spread(part("defaults").table()), spread(part("tuned").table())
    assert after[0] < before[0]
    assert after[2] < before[1]


def test_random_normal_starts_slower_than_glorot_when_deep_and_narrow(part):
    first = part("initializer").curves.query("epoch == 1")
    table = first.pivot(index="seed", columns="arm", values="val_accuracy")
    row = paired.compare(table[["glorot_uniform", "random_normal"]], "glorot_uniform")
    assert row.loc["random_normal", "difference"] < 0


@pytest.mark.slow
def test_no_section_fails_and_nothing_unnamed_is_said(written):
    for folder in written.values():
        text = (folder / "report.md").read_text()
        assert "FAIL SECTION" not in text
        assert not re.search(r"\bnan\b", text)
        assert len(list(folder.glob("figures/*.svg"))) == len(list(folder.glob("figures/*.png")))


def test_a_difference_whose_interval_holds_nothing_is_called_not_detected(study):
    for part in (p for p in parts(study) if p.reference):
        compared = part.compared()
        said = comparison.verdict(part, Language("en"))
        positive, _, negative = said.partition("No difference from the reference was detected")
        for arm, row in compared.iterrows():
            holds = row["low"] <= 0 <= row["high"]
            told = re.search(rf"(?:^|\. ){re.escape(arm)} is ", positive)
            assert bool(told) == (not holds and row["p_holm"] <= 0.05)
            if not told:
                assert arm in negative


@pytest.mark.slow
def test_same_logs_same_bytes_elsewhere(written, tmp_path):
    """In another time zone and locale, from a copy whose folders were made in another order."""
    for trial in sorted((LOGS / "exercises").iterdir(), reverse=True):
        copy = shutil.copytree if trial.is_dir() else shutil.copy
        (tmp_path / "logs/exercises").mkdir(parents=True, exist_ok=True)
        copy(trial, tmp_path / "logs/exercises" / trial.name)
    done = analysis(
        "report", "--study", "exercises", "--logs", tmp_path / "logs", "--out", tmp_path / "again",
        TZ="Pacific/Chatham", LC_ALL="tr_TR.UTF-8", LANG="tr_TR.UTF-8", PYTHONHASHSEED="5",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    files = sorted(p.relative_to(written["en"]) for p in written["en"].rglob("*") if p.is_file())
    assert files == sorted(
        p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file()
    )
    for name in files:
        assert (written["en"] / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


@pytest.mark.slow
def test_both_languages_give_the_same_numbers(written):
    for path in written["en"].glob("tables/*.csv"):
        assert path.read_bytes() == (written["es"] / "tables" / path.name).read_bytes()
    assert "semillas" in (written["es"] / "report.md").read_text()
    assert " seeds" not in (written["es"] / "report.md").read_text()


@pytest.mark.slow
def test_every_row_leads_to_its_trials(written, study):
    known = set(study.trials.index)
    for path in written["en"].glob("tables/*.csv"):
        frame = pd.read_csv(path, dtype=str)
        for trials in frame["trials"]:
            assert set(trials.split(", ")) <= known


def test_a_figure_that_raises_becomes_a_card_and_the_rest_is_written(study, tmp_path, monkeypatch):
    def draw():
        raise ZeroDivisionError("planted")

    blocks = [Text("Before."), Plot("f", "A figure.", draw, "trials"), Text("After.")]
    monkeypatch.setattr(files, "sections", lambda *_: [Section("a", "A section", blocks)])
    written = files.write([study], Language("en"), tmp_path)
    ((title, card),) = written.crashes
    assert (title, card.code, card.found) == ("A section", "SECTION", "ZeroDivisionError: planted")
    text = (tmp_path / "report.md").read_text()
    for said in ("Before.", "After.", "FAIL SECTION", "in draw"):
        assert said in text
    assert not (tmp_path / "figures").exists()


@pytest.fixture
def broken(tmp_path):
    """Logs of the reference study in which an arm is missing from the plan of exercise 1."""
    (tmp_path / "logs" / "exercises").mkdir(parents=True)
    for path in (LOGS / "exercises").iterdir():
        (tmp_path / "logs" / "exercises" / path.name).symlink_to(path)
    about = json.loads((LOGS / "exercises" / "study.json").read_text())
    del about["parts"][0]["arms"]["relu"]
    (tmp_path / "logs" / "exercises" / "study.json").unlink()
    (tmp_path / "logs" / "exercises" / "study.json").write_text(json.dumps(about))
    return tmp_path / "logs"


@pytest.mark.slow
def test_tables_of_a_section_that_raises_exit_1_with_the_card_and_the_traceback(broken):
    done = analysis("tables", "--exercise", "1", "--logs", broken)
    assert done.returncode == 1
    assert "FAIL  SECTION: KeyError: 'relu' → The rest of the report is valid." in done.stdout
    *traceback, last = done.stderr.splitlines()
    assert "Traceback (most recent call last):" in traceback
    assert last.startswith("analysis: sections with errors: 1 · Does the activation matter?.")


@pytest.mark.slow
def test_a_section_that_raises_becomes_a_card_and_the_rest_is_written(broken, tmp_path):
    done = analysis("report", "--logs", broken, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "Traceback (most recent call last):" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last == (
        "analysis: sections with errors: 1 · Does the activation matter?; "
        "Health checks of exercises. All other sections are complete."
    )
    text = (tmp_path / "out" / "report.md").read_text()
    assert text.count("FAIL SECTION") == 1
    assert "## 2 · Does the starting point matter?" in text
    assert "Zeros under relu" in text
    assert "  ````text\n  Traceback (most recent call last):\n" in text
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<details><summary>traceback</summary><pre>Traceback (most recent call last):" in page


@pytest.mark.slow
def test_an_arm_that_always_fails_is_said_and_the_rest_compared(study, tmp_path):
    """As if every sigmoid run had diverged."""
    broken = load(LOGS / "exercises")
    sigmoid = next(p for p in parts(study) if p.name == "activation").runs
    lost = sigmoid.loc[sigmoid["arm"] == "sigmoid", "trial"]
    broken.trials.loc[lost, "status"] = "FAILED"
    files.write([broken], Language("en"), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "FAIL SECTION" not in text
    assert "Too few finished runs to compare: sigmoid." in text
    assert "Failed runs, excluded from the means, with their number: sigmoid (10)." in text
    assert re.search(r"FAILED\*\* 1\d of ", text)


def test_one_run_that_is_left_out_leaves_the_pairs_of_the_others(study):
    broken = load(LOGS / "exercises")
    trial = next(p for p in parts(study) if p.name == "activation").runs.iloc[0]["trial"]
    broken.trials.loc[trial, "status"] = "RUNNING"
    whole, less = (next(p for p in parts(s) if p.name == "activation") for s in (study, broken))
    counts = paired.compare(less.table(), "relu")["n"]
    assert counts["sigmoid"] == paired.compare(whole.table(), "relu")["n"]["sigmoid"] - 1
    assert set(counts.drop("sigmoid")) == {10}


@pytest.mark.slow
def test_two_controlled_studies_are_refused(study, tmp_path):
    with pytest.raises(Misuse, match="A report covers only one of them"):
        files.write([study, study], Language("en"), tmp_path)


@pytest.mark.slow
def test_latex_is_escaped(written):
    for path in written["en"].glob("tables/*.tex"):
        assert not re.search(r"(?<!\\)[%#]", path.read_text()), path.name


@pytest.mark.slow
def test_tables_print_an_exercise(written):
    done = analysis("tables", "--exercise", "2", COLUMNS="200")
    assert done.returncode == 0, done.stderr
    assert "glorot_uniform" in done.stdout
    assert "Optimizers" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("report", "--study", "none"), "there is no folder"),
        (("report", "--study", "exercises", "--lang", "fr"), "--lang"),
        (("tables", "--exercise", "9"), "--exercise"),
        (("report", "--study", "exercises", "--events", "/nowhere"), "there is no such folder"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(arguments, said):
    done = analysis(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_analysis_needs_no_tensorflow():
    code = "import sys, analysis.report, analysis.exports; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT
    ).stdout.split()
    assert not {"tensorflow", "keras", "keras_tuner"} & set(loaded)
    packages = {".".join(name.split(".")[:2]) for name in loaded if name.startswith("search.")}
    assert packages <= {"search.records"}


def browser():
    """A headless Chromium; the test is skipped without it."""
    webdriver = pytest.importorskip("selenium.webdriver")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("no chromium with its chromedriver here")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless", "--no-sandbox", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService(driver))


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_opens_offline_without_error_or_request(written, language, width):
    chromium = browser()
    try:
        chromium.set_window_size(width, 900)
        emulate = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", emulate)
        page = (written[language] / "report.html").as_uri()
        chromium.get(page)
        assert chromium.get_log("browser") == []
        asked = re.findall(
            r'"Network\.requestWillBeSent".*?"documentURL":"([^"]*)".*?"url":"([^"]*)"',
            "\n".join(entry["message"] for entry in chromium.get_log("performance")),
        )
        assert {url for _, url in asked if not url.startswith("data:")} <= {page}
        assert chromium.execute_script("return document.querySelectorAll('svg').length") > 10
        assert chromium.execute_script("return document.querySelectorAll('[id]').length") == len(
            set(chromium.execute_script(
                "return [...document.querySelectorAll('[id]')].map(e => e.id)"
            ))
        )  # fmt: skip
        overflow = "return document.documentElement.scrollWidth - window.innerWidth"
        assert chromium.execute_script(overflow) <= 0
        assert chromium.find_element("tag name", "html").get_attribute("lang") == language
    finally:
        chromium.quit()


@pytest.mark.slow
def test_no_table_is_cut_off_in_print(written):
    """At the width of a landscape A4 page within its margins: 273 mm, 1031 CSS pixels."""
    chromium = browser()
    try:
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        emulate = {"width": 1031, "height": 700, "deviceScaleFactor": 1, "mobile": False}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", emulate)
        for folder in written.values():
            chromium.get((folder / "report.html").as_uri())
            widest = (
                "return Math.max(...[...document.querySelectorAll('table')]"
                ".map(e => e.getBoundingClientRect().right))"
            )
            assert 900 < chromium.execute_script(widest) <= 1031
    finally:
        chromium.quit()
