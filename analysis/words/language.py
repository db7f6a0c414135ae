"""English and Spanish: each text stands in both, side by side, where it is used."""

import math
from dataclasses import dataclass
from typing import Literal

Code = Literal["en", "es"]


MINUS = "\N{MINUS SIGN}"


ARMS = {"assignment": "la de la tarea", "layers and units": "capas y unidades"}
"""In Spanish, the arms that bear no hyperparameter's name."""


@dataclass(frozen=True)
class Language:
    """Chooses between two texts, and writes numbers as the language does."""

    code: Code

    def __call__(self, english: str, spanish: str) -> str:
        return english if self.code == "en" else spanish

    def number(self, value: float, digits: int = 2, sign: bool = False) -> str:
        """A number with so many decimals; a dash where there is none."""
        if value is None or math.isnan(value):
            return "–"
        if math.isinf(value):
            return "∞"
        text = f"{value:{'+' if sign else ''}.{digits}f}".replace("-", MINUS)
        if float(f"{value:.{digits}f}") == 0:
            text = text.lstrip(f"+{MINUS}")
        return text if self.code == "en" else text.replace(".", ",")

    def short(self, value: float) -> str:
        """A number of any size: whole, or with three significant digits."""
        text = f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"
        return text if self.code == "en" else text.replace(".", ",")

    def percent(self, share: float, digits: int = 2) -> str:
        return f"{self.number(100 * share, digits)} %"

    def points(self, share: float, digits: int = 2) -> str:
        """A difference of shares, with its sign, in percentage points."""
        return self.number(100 * share, digits, sign=True)

    def between(self, low: float, high: float, digits: int = 2) -> str:
        """An interval of differences in points."""
        return f"[{self.points(low, digits)}; {self.points(high, digits)}]"

    def p(self, value: float) -> str:
        """A p-value: three decimals, or below 0.001."""
        if math.isnan(value):
            return "–"
        return f"< {self.number(0.001, 3)}" if value < 0.001 else self.number(value, 3)

    def arm(self, name: str) -> str:
        """An arm's name, for people."""
        return name if self.code == "en" else ARMS.get(name, name.replace("trial ", "prueba "))

    def several(self, names: list[str]) -> str:
        """A list in words."""
        if len(names) < 2:
            return "".join(names)
        return f"{', '.join(names[:-1])} {self('and', 'y')} {names[-1]}"
