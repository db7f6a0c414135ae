"""The arguments of studies that belong to a search: its final network and its ablation."""

import math
from dataclasses import replace
from typing import Any

from search.data.load import has_test_set
from search.networks.baselines import built_in, complete
from search.networks.hypermodels import load
from search.networks.spaces import Space
from search.records.arguments import (
    SUBJECT,
    AblationArguments,
    FinalArguments,
    HyperbandArguments,
    Subject,
)
from search.records.errors import Misuse
from search.records.folder import StudyFolder
from search.records.parts import FINAL
from search.records.trial import COMPLETED, TrialFile, Values, configuration, key_of
from search.studies.kinds import space_of


def final_arguments(search: StudyFolder, given: dict[str, Any]) -> FinalArguments:
    """Return the arguments of the final study of a search.

    given: the command line's values by field.
    Raises Misuse if there is no such search, or if `given` would make a continued study a different
    study.
    """
    if not search.final.exists():
        origin = search.record().arguments
        if not isinstance(origin, HyperbandArguments):
            raise Misuse(
                f"study {search.name} is not a search: choose a study that `search run` started"
            )
        values = {
            **_subject(origin),
            "search": search.name,
            "search_seed": origin.seed,
            "epochs": origin.max_epochs,
            **given,
        }
        asked = FinalArguments(configurations={}, **values)
        asked.check()
        if not has_test_set(asked.data):
            raise Misuse(
                f"the data {asked.data} have no test set, which final needs: add one and search again"
            )
        if asked.augment and asked.hypermodel:
            raise Misuse(
                f"--augment {asked.augment}: only the built-in networks can mirror and shift "
                f"images, not {asked.hypermodel}"
            )
        slowest = asked.epoch_seconds or math.inf
        found, too_slow = best_of_search(search, asked.top, slowest, _space(origin))
        given = {**values, "configurations": found, "too_slow": too_slow}
    arguments = search.final.settled(FinalArguments, given)
    if arguments.hypermodel:
        return arguments
    # If a hyperparameter is newer than the study, it has its default.
    whole = {name: complete(values) for name, values in arguments.configurations.items()}
    return replace(arguments, configurations=whole)


def _subject(origin: Subject) -> dict[str, Any]:
    """Return what a search has studied, which its final network and ablation study too."""
    return {name: getattr(origin, name) for name in SUBJECT}


def _space(origin: Subject) -> Space:
    """Return the space of a search's hypermodel."""
    if not origin.hypermodel:
        return built_in()
    return space_of(origin, load(origin.hypermodel).hypermodel)


def best_of_search(
    search: StudyFolder, count: int, slowest: float, space: Space
) -> tuple[dict[str, Values], dict[str, float]]:
    """Return the best distinct configurations of a search, and those left out as too slow.

    Both are by name, such as "trial 0123", the best first. Of the slow configurations, the seconds
    per epoch are returned instead of the values. The score of a configuration is the score of its
    best rung. The baseline is left out.

    count: number of configurations to find.
    slowest: largest number of seconds per epoch.
    Raises Misuse if nothing is left.
    """
    records, _ = search.read_trials()
    sign = -1 if search.record().objective.direction == "max" else 1
    scored = [
        (sign * record.score, record.trial_id, record)
        for record in records.values()
        if record.status == COMPLETED and record.score is not None
    ]
    done = [record for _, _, record in sorted(scored, key=lambda one: one[:2])]
    seen = {key_of(space.baseline)}
    found: dict[str, Values] = {}
    too_slow: dict[str, float] = {}
    for record in done:
        values = space.complete(configuration(record.values))
        if key_of(values) in seen or len(found) == count:
            continue
        seen.add(key_of(values))
        seconds = _epoch_seconds(record)
        if seconds > slowest:
            too_slow[f"trial {record.trial_id}"] = seconds
        else:
            found[f"trial {record.trial_id}"] = values
    if not found:
        if too_slow:
            least = min(too_slow.values())
            raise Misuse(
                f"--epoch-seconds {slowest:g}: too small, because the fastest configuration takes "
                f"{least:.2g} s an epoch"
            )
        raise Misuse(f"study {search.name} has no completed trial yet: run the search first")
    return found, too_slow


def _epoch_seconds(record: TrialFile) -> float:
    if record.run is None or record.run.seconds is None:
        return 0.0
    return record.run.seconds / len(record.run.epochs)


def ablation_arguments(search: StudyFolder, given: dict[str, Any]) -> AblationArguments:
    """Return the arguments of the ablation study of a search whose final network is chosen.

    given: the command line's values by field.
    Raises Misuse if no network is chosen, if another network was chosen since the study was
    started, or if `given` would make a continued study a different study.
    """
    final = search.final.record() if search.final.exists() else None
    chosen = [p.arms[FINAL] for p in final.parts if FINAL in p.arms] if final else []
    if not search.ablation.exists():
        if final is None or not chosen:
            raise Misuse(
                f"no final network of study {search.name} has been chosen: first run "
                f"python -m search final --study {search.name}"
            )
        origin = final.arguments
        assert isinstance(origin, FinalArguments)
        given = {
            **_subject(origin),
            "search": search.name,
            "search_seed": origin.search_seed,
            "target": chosen[0],
            "epochs": origin.epochs,
            **given,
        }
    arguments = search.ablation.settled(AblationArguments, given)
    # If a hyperparameter of the built-in space is newer than the study, it has its default.
    whole = dict if arguments.hypermodel else complete
    target = whole(arguments.target)
    if chosen and whole(chosen[0]) != target:
        raise Misuse(
            f"study {search.ablation.name} leads to another network than {search.final.name} has "
            "chosen since: move its folder away, then run the same command to start a new study"
        )
    return replace(arguments, target=target)
