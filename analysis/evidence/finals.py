"""What a final study has chosen."""

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
