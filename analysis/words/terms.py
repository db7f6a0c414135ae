"""The terms of a study's report: its objective in words and numbers, its data, its baseline."""

import math
import re
from dataclasses import dataclass

import numpy as np

from analysis.evidence.study import Study
from analysis.words.language import Language
from search.records.datasets import Dataset
from search.records.objective import Objective

SMALLEST_DECIMAL = 1e-5
"""A number below this is written with a power of ten."""


@dataclass(frozen=True)
class Terms:
    """Words for what a study optimises and for what it learns from, and the format of its numbers.

    Accuracies are written in percent, and their differences in points. All other objectives are
    plain numbers of four significant digits, and their differences have three.
    own: whether the hypermodel is the user's. images: whether the examples are images.
    """

    say: Language
    objective: Objective = Objective()  # noqa: RUF009  it is frozen
    own: bool = False
    images: bool = True

    def __call__(self, english: str, spanish: str) -> str:
        """Choose between two texts, and put the text into the terms of the study.

        The texts are written for images and the assignment's network. In Spanish, the nouns for
        images and examples have the same gender.
        """
        text = self.say(english, spanish)
        words = {"images": self.examples, "image": self.example}
        words |= {"imágenes": self.examples, "imagen": self.example}
        if self.own:
            words |= {"assignment's network": self.baseline, "red de la tarea": self.baseline}
            words |= {"the assignment's is": "that of the default network is"}
        for word, term in words.items():
            text = re.sub(rf"\b{word}\b", term, text)
        return text

    @property
    def share(self) -> bool:
        """Whether the objective is an accuracy."""
        return self.objective.is_accuracy

    @property
    def lower(self) -> bool:
        """Whether a lower value of the objective is better."""
        return self.objective.direction == "min"

    @property
    def train(self) -> str:
        """The objective's name on the training data. The same name if it has none."""
        return self.objective.name.removeprefix("val_")

    @property
    def trained(self) -> str:
        """The objective in training and validation alike."""
        if self.train == "accuracy":
            return self.say("accuracy", "exactitud")
        return self.say("loss", "pérdida") if self.train == "loss" else self.train

    @property
    def name(self) -> str:
        """The objective in a sentence."""
        if self.objective.name == "val_accuracy":
            return self.say("validation accuracy", "exactitud de validación")
        if self.objective.name == "multi_objective":
            return self.say("the combined objective", "el objetivo combinado")
        return self.objective.name

    @property
    def short(self) -> str:
        """The objective in the heading of a column, with its unit."""
        if self.objective.name == "val_accuracy":
            return self.say("val. accuracy %", "exactitud val. %")
        return f"{self.objective.name} %" if self.share else self.objective.name

    @property
    def direction(self) -> str:
        """A sentence on the direction, for objectives whose direction a reader may not know."""
        if self.share:
            return ""
        low = self.say(
            f"Lower values of {self.name} are better. ",
            f"Los valores más bajos de {self.name} son mejores. ",
        )
        high = self.say(
            f"Higher values of {self.name} are better. ",
            f"Los valores más altos de {self.name} son mejores. ",
        )
        return low if self.lower else high

    def cell(self, value: float) -> str:
        """Format a value without its unit."""
        return self.say.number(100 * value) if self.share else self.plain(value)

    def value(self, value: float) -> str:
        """Format a value with its unit."""
        return self.say.percent(value) if self.share else self.plain(value)

    def interval(self, low: float, high: float) -> str:
        """Format an interval of values. Accuracies are clipped to 0-100 %."""
        if self.share:
            low, high = (float(np.clip(end, 0, 1)) for end in (low, high))
        return f"[{self.cell(low)}; {self.cell(high)}]"

    def mean(self, mean: float, low: float, high: float) -> str:
        """Format a mean with its interval."""
        return f"{self.cell(mean)} {self.interval(low, high)}"

    def signed(self, difference: float) -> str:
        """Format a difference with its sign, without its unit."""
        return self.say.points(difference) if self.share else self.plain(difference, 3, True)

    def between(self, low: float, high: float) -> str:
        """Format an interval of differences."""
        if self.share:
            return self.say.between(low, high)
        return f"[{self.plain(low, 3, True)}; {self.plain(high, 3, True)}]"

    def difference(self, mean: float, low: float, high: float) -> str:
        """Format a difference with its sign and its interval, all with the same decimals."""
        if self.share:
            return f"{self.signed(mean)} {self.between(low, high)}"
        ends = [abs(end) for end in (mean, low, high) if math.isfinite(end) and end]
        if not ends or max(ends) < SMALLEST_DECIMAL:
            return f"{self.signed(mean)} {self.between(low, high)}"
        digits = max(0, 2 - math.floor(math.log10(max(ends))))
        middle, start, end = (self.say.number(one, digits, True) for one in (mean, low, high))
        return f"{middle} [{start}; {end}]"

    @property
    def points(self) -> str:
        """The unit of differences, after a number. Empty if they have none."""
        return self.say(" points", " puntos") if self.share else ""

    def point(self, share: float) -> str:
        """Return the unit of a difference of accuracy, after a number: singular for one point."""
        return self.say(" point", " punto") if round(100 * share, 9) == 1 else self.points

    @property
    def unit(self) -> str:
        """The unit of differences, in the heading of a column."""
        return self.say(", points", ", puntos") if self.share else ""

    @property
    def in_points(self) -> str:
        """The unit of differences, as an aside in a sentence."""
        return self.say(", in points", ", en puntos") if self.share else ""

    def size(self, difference: float) -> str:
        """Format the size of a difference, with its unit."""
        if self.share:
            return f"{self.say.number(100 * abs(difference))}{self.points}"
        return self.plain(abs(difference), 3)

    def plain(self, value: float, digits: int = 4, sign: bool = False) -> str:
        """Format a number with significant digits, so that its integer part is whole."""
        if value is None or not math.isfinite(value) or value == 0:
            return self.say.number(value, 0, sign)
        size = math.floor(math.log10(abs(value)))
        if abs(value) < SMALLEST_DECIMAL:
            mantissa = self.say.number(value / 10.0**size, digits - 1, sign)
            return f"{mantissa} × 10^{size}"
        return self.say.number(value, max(0, digits - 1 - size), sign)

    @property
    def examples(self) -> str:
        """What the data hold. The Spanish noun is feminine."""
        if self.images:
            return self.say("images", "imágenes")
        return self.say("examples", "observaciones")

    @property
    def example(self) -> str:
        """One of the examples."""
        return self.examples[:-1] if self.say.code == "en" else self._one

    @property
    def _one(self) -> str:
        return "imagen" if self.images else "observación"

    @property
    def baseline(self) -> str:
        """What the final network is compared with, without an article. It is feminine in Spanish."""
        if self.own:
            return self.say("default network", "red por defecto")
        return self.say("assignment's network", "red de la tarea")

    def numbered(self, number: str, english: str, spanish: str) -> str:
        """Return a title with the number of the assignment's exercise, if the networks are its."""
        title = self.say(english, spanish)
        return title if self.own else f"{number} · {title}"


def terms(study: Study, say: Language) -> Terms:
    """Return the terms of a study."""
    return Terms(say, study.objective, study.own, _images(study.facts))


def _images(facts: Dataset | None) -> bool:
    """Return whether examples are images: pixels of whole numbers, or three dimensions."""
    sides = len(facts.shape) if facts else 0
    return facts is not None and (sides == 3 or (sides == 2 and facts.levels > 1))
