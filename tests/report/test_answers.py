"""The page of answers, on planted studies whose truth is one way and the other."""

from dataclasses import replace

import pytest

from analysis.evidence.answers import Difference, Final, Regularisation, Verdict
from analysis.report.blocks import Answers
from analysis.report.contents import sections
from analysis.words.answers import answer_words
from analysis.words.english.answers import JUDGED
from analysis.words.language import Language

EN, ES = Language("en"), Language("es")
BETTER, SAME, WORSE = 0.90, 0.88, 0.86


def steady(accuracy):
    """Ten seeds whose differences from another such arm hardly vary."""
    return [accuracy + 0.0001 * (n % 3 - 1) for n in range(10)]


def wild(accuracy):
    """Ten seeds that vary so much that nothing of a point is shown."""
    return [accuracy + 0.02 * (-1) ** n for n in range(10)]


def answer(study, number=0, say=EN):
    """Return a row of the page of answers."""
    (section,) = sections([study], say, "answers")
    (page,) = section.blocks
    assert isinstance(page, Answers)
    return page.rows[number]


@pytest.mark.parametrize(
    ("sigmoid", "verdict", "english", "spanish"),
    [
        (steady(WORSE), "agrees", "sigmoid is below ReLU by 2.00 points", "por debajo de ReLU"),
        (steady(BETTER), "disagrees", "sigmoid is above ReLU by 2.00 points", "por encima de ReLU"),
        (
            steady(SAME)[::-1],
            "disagrees",
            "no difference between sigmoid and ReLU",
            "no se detecta",
        ),
        (wild(SAME), "cannot tell", "no difference between sigmoid and ReLU", "no se detecta"),
    ],
    ids=["as supposed", "the other way round", "equal", "unknown"],
)
def test_activation(plant, tmp_path, sigmoid, verdict, english, spanish):
    scores = {
        "relu": steady(SAME),
        "sigmoid": sigmoid,
        "tanh": steady(WORSE),
        "elu": steady(BETTER),
    }
    study = plant.controlled(tmp_path / "s", scores)
    found = answer(study)
    assert found.verdict == JUDGED[Verdict(verdict)]
    assert english in found.answer
    assert "Better than ReLU: elu. Worse: tanh." in found.answer
    assert spanish in answer(study, say=ES).answer
    assert found.link == "activation"


@pytest.mark.parametrize(
    ("zeros", "normal", "verdict", "said"),
    [
        (steady(0.1), steady(SAME)[::-1], "agrees", "that of a guess: the network does not learn."),
        (steady(SAME), steady(WORSE), "agrees", "−2.00 points"),
        (wild(SAME), wild(SAME), "cannot tell", "not detected"),
        (steady(0.1), steady(BETTER), "agrees", "+2.00 points"),
    ],
)
def test_initializer(plant, tmp_path, zeros, normal, verdict, said):
    scores = {"glorot_uniform": steady(SAME), "zeros": zeros, "random_normal": normal}
    facts = plant.facts(100)
    study = plant.controlled(tmp_path / "s", scores, exercise="initializer", facts=facts)
    found = answer(study)
    assert (found.verdict, said in found.answer) == (JUDGED[Verdict(verdict)], True)


@pytest.mark.parametrize(
    ("adam", "rmsprop", "verdict"),
    [
        (steady(BETTER), steady(BETTER), "agrees"),
        (steady(BETTER), steady(WORSE), "disagrees"),
        (steady(BETTER), steady(SAME)[::-1], "disagrees"),
        (steady(BETTER), wild(SAME), "cannot tell"),
    ],
    ids=["both", "one worse", "one equal", "one unknown"],
)
def test_optimizers(plant, tmp_path, adam, rmsprop, verdict):
    scores = {"sgd": steady(0.8), "momentum": steady(SAME), "rmsprop": rmsprop, "adam": adam}
    study = plant.controlled(tmp_path / "s", scores, exercise="optimizer", name="defaults")
    found = answer(study)
    assert found.verdict == JUDGED[Verdict(verdict)]
    assert "adam +2.00 [" in found.answer
    assert "adam +2,00 [" in answer(study, say=ES).answer


@pytest.mark.parametrize(
    ("both", "verdict"),
    [
        (steady(BETTER), "agrees"),
        (steady(WORSE), "disagrees"),
        (steady(SAME)[::-1], "disagrees"),
        (wild(SAME), "cannot tell"),
    ],
)
def test_regularisation(plant, tmp_path, both, verdict):
    scores = {"none": steady(SAME), "dropout": steady(SAME), "dropout + batch norm": both}
    study = plant.controlled(tmp_path / "s", scores, exercise="regularization")
    assert answer(study).verdict == JUDGED[Verdict(verdict)]


def test_lagging_statistics_cannot_show_that_regularisation_fails():
    """The same evidence, once with batch norm under a constant rate and once without."""
    worse = Difference("both", "none", -0.02, -0.03, -0.01, 0.01, 10, detected=True)
    better = replace(worse, mean=0.02, low=0.01, high=0.03)
    for level, lagging, verdict in (
        (worse, True, Verdict.CANNOT_TELL),
        (worse, False, Verdict.DISAGREES),
        (better, True, Verdict.AGREES),
    ):
        assert Regularisation(None, level, level, lagging).verdict is verdict


@pytest.mark.parametrize(
    ("validation", "gap", "goal", "near"),
    [
        ((0.91, 0.905, 0.915), (-0.004, -0.008, 0.0), "agrees", "agrees"),
        ((0.89, 0.88, 0.899), (-0.03, -0.04, -0.02), "disagrees", "disagrees"),
        ((0.90, 0.89, 0.91), (-0.008, -0.015, -0.001), "cannot tell", "cannot tell"),
    ],
)
def test_goal_and_test(validation, gap, goal, near):
    found = Final(None, {}, 6, validation, validation, gap)
    assert (found.goal, found.near) == (goal, near)
    for say in (EN, ES):
        words = answer_words(say)
        assert f"{say.percent(validation[0])} [" in words.goal(found)
        assert f"{say.points(gap[0])} " in words.test(found)
    said = {"agrees": "is reached.", "disagrees": "is not reached.", "cannot tell": "it is open"}
    assert said[goal] in answer_words(EN).goal(found)


def test_what_is_not_there_is_not_answered(plant, tmp_path):
    """An unfinished reference, and a study of other arms, have no answers but the warning."""
    study = plant.controlled(tmp_path / "s", {"relu": [None, None], "sigmoid": steady(SAME)})
    (section,) = sections([study], EN, "answers")
    assert [row.link for row in section.blocks[0].rows] == ["checks-s"]


def test_a_search_of_anyones_own(plant, tmp_path):
    scores = [0.80 + 0.001 * n for n in range(25)]
    study = plant.search(tmp_path / "s", scores, activations=("relu", "tanh"))
    (section,) = sections([study], EN, "answers")
    rows = {row.question: row.answer for row in section.blocks[0].rows}
    assert rows["What is the best?"] == (
        "Validation accuracy 82.40 %, the best of 25 configurations (trial 0024)."
    )
    assert rows["What mattered?"] == "More than chance allows: rate."
    assert rows["How sure is that?"].startswith("Each configuration was trained once")
    assert rows["What did it cost?"].startswith("25 trials, 25 epochs")
    (spanish,) = sections([study], ES, "answers")
    assert "Más de lo que permite el azar: rate." in [row.answer for row in spanish.blocks[0].rows]


def test_every_language_judges_every_verdict():
    for say in (EN, ES):
        assert len({answer_words(say).judged(verdict) for verdict in Verdict}) == len(Verdict)
