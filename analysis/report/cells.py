"""Numbers as the tables and sentences of a report have them."""

import numpy as np
import pandas as pd

from analysis.words.language import Language


def capital(words: str) -> str:
    """Return words that begin a sentence. A name from the code keeps its letters."""
    return words if "_" in words else words[:1].upper() + words[1:]


def shown_accuracy(mean: float, low: float, high: float, say: Language) -> str:
    """Return an accuracy in percent with its interval, clipped to 0–100 %."""
    return f"{say.number(100 * mean)} {shown_interval(low, high, say)}"


def shown_interval(low: float, high: float, say: Language) -> str:
    """Return an interval of accuracies in percent, clipped to 0–100 %."""
    ends = (say.number(100 * float(np.clip(end, 0, 1))) for end in (low, high))
    return f"[{'; '.join(ends)}]"


def difference_numbers(row: pd.Series) -> dict[str, object]:
    """Return a row of `paired.compare` for a CSV file, with names distinct from `low` and `high`."""
    keys = ["difference", "p", "p_holm", "superiority", "detected"]
    ends = {"difference_low": row["low"], "difference_high": row["high"]}
    return {**{key: row[key] for key in keys}, **ends}
