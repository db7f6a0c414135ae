"""What a final study has chosen, and which searches came before it."""

from analysis.evidence.study import Study
from search.records.parts import FINAL
from search.records.trial import Values


def chosen_values(study: Study) -> Values:
    """Return the hyperparameters of the final network; empty before the choice."""
    found = (part.arms[FINAL] for part in study.parts if FINAL in part.arms)
    return next(found, {})


def chosen_candidate(study: Study) -> str:
    """Return the name of the chosen candidate, such as "trial 0123"; empty before the choice."""
    values = chosen_values(study)
    candidates = study.final_arguments.configurations
    return next((name for name, own in candidates.items() if own == values), "")


def led_to(search: Study, final: Study) -> bool:
    """Return whether a search preceded a final network: same data, and started earlier.

    Arrays of a Python program have no hash, so nothing is known of them.
    """
    if search.data != final.data or (not search.data and search.name != final.search):
        return False
    return bool(search.begun and final.begun and search.begun < final.begun)
