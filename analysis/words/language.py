"""English and Spanish. Code that needs a text gives both versions, side by side."""

import math
from dataclasses import dataclass
from typing import Literal

Code = Literal["en", "es"]


MINUS = "\N{MINUS SIGN}"


ARMS = {"assignment": "la de la tarea", "layers and units": "capas y unidades"}
"""Spanish names of the arms that are not named after a hyperparameter."""


CLASSES = {
    "T-shirt/top": "camiseta",
    "trouser": "pantalón",
    "pullover": "jersey",
    "dress": "vestido",
    "coat": "abrigo",
    "sandal": "sandalia",
    "shirt": "camisa",
    "sneaker": "zapatilla",
    "bag": "bolso",
    "ankle boot": "botín",
}
"""Spanish names of a data set's classes, by their names in `search.records.datasets`."""


@dataclass(frozen=True)
class Language:
    """Choose between two texts and format numbers by the conventions of the language."""

    code: Code

    def __call__(self, english: str, spanish: str) -> str:
        return english if self.code == "en" else spanish

    def number(self, value: float, digits: int = 2, sign: bool = False) -> str:
        """Format a number with the given number of decimals; a dash if it is missing."""
        if value is None or math.isnan(value):
            return "–"
        if math.isinf(value):
            return "∞"
        text = f"{value:{'+' if sign else ''}.{digits}f}".replace("-", MINUS)
        if float(f"{value:.{digits}f}") == 0:
            text = text.lstrip(f"+{MINUS}")
        return text if self.code == "en" else text.replace(".", ",")

    def short(self, value: float) -> str:
        """Format a number as an integer or with three significant digits."""
        text = f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"
        return text if self.code == "en" else text.replace(".", ",")

    def percent(self, share: float, digits: int = 2) -> str:
        return f"{self.number(100 * share, digits)} %"

    def points(self, share: float, digits: int = 2) -> str:
        """Format a difference of shares in percentage points, with its sign."""
        return self.number(100 * share, digits, sign=True)

    def between(self, low: float, high: float, digits: int = 2) -> str:
        """Format an interval of differences in points."""
        return f"[{self.points(low, digits)}; {self.points(high, digits)}]"

    def p(self, value: float) -> str:
        """Format a p-value with three decimals, or as "< 0.001"."""
        if math.isnan(value):
            return "–"
        return f"< {self.number(0.001, 3)}" if value < 0.001 else self.number(value, 3)

    def arm(self, name: str) -> str:
        """Return the name of an arm in this language."""
        return name if self.code == "en" else ARMS.get(name, name.replace("trial ", "prueba "))

    def class_name(self, name: str) -> str:
        """Return the name of a data set's class in this language."""
        return name if self.code == "en" else CLASSES.get(name, name)

    def several(self, names: list[str]) -> str:
        """Join names with commas and "and"."""
        return self._joined(names, self("and", "y"))

    def alternatives(self, names: list[str]) -> str:
        """Join names with commas and "or", for use after a negation."""
        return self._joined(names, self("or", "ni"))

    def _joined(self, names: list[str], word: str) -> str:
        if len(names) < 2:
            return "".join(names)
        return f"{', '.join(names[:-1])} {word} {names[-1]}"
