"""What a language must be able to say of the answers. Each language has a module of its own."""

from typing import Protocol

from analysis.evidence.answers import (
    Activation,
    Final,
    Initializer,
    Optimizers,
    Regularisation,
    Searched,
    Verdict,
)
from analysis.words.english.answers import English
from analysis.words.language import Language
from analysis.words.spanish.answers import Spanish


class AnswerWords(Protocol):
    """The sentences of the page of answers. Every method returns whole sentences."""

    title: str
    question: str
    answer: str
    verdict: str

    @property
    def claims(self) -> dict[str, str]:
        """By question: its words, with what the assignment supposes."""
        ...

    def judged(self, verdict: Verdict) -> str: ...
    def reached(self, verdict: Verdict) -> str: ...
    def activation(self, found: Activation) -> str: ...
    def initializer(self, found: Initializer) -> str: ...
    def optimizers(self, found: Optimizers) -> str: ...
    def regularisation(self, found: Regularisation) -> str: ...
    def goal(self, found: Final) -> str: ...
    def network(self, found: Final) -> str: ...
    def test(self, found: Final) -> str: ...
    def searched(self, found: Searched) -> str: ...
    def sure(self, found: Searched) -> str: ...
    def mattered(self, found: Searched) -> str: ...
    def further(self, found: Searched) -> str: ...
    def cost(self, found: Searched) -> str: ...


def answer_words(say: Language) -> AnswerWords:
    """Return the words of a language."""
    return English(say) if say.code == "en" else Spanish(say)
