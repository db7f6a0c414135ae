"""The arguments of studies that belong to a search: its final network and its ablation."""

import math
from dataclasses import replace
from typing import Any

from search.networks.baselines import BASELINES, complete
from search.records.arguments import AblationArguments, FinalArguments, HyperbandArguments
from search.records.errors import Misuse
from search.records.folder import StudyFolder
from search.records.parts import FINAL
from search.records.trial import COMPLETED, TrialFile, Values, configuration, key_of


def final_arguments(search: StudyFolder, given: dict[str, Any]) -> FinalArguments:
    """Return the arguments of the final study of a search.

    given: what the command line says, by field.
    Raises Misuse if there is no such search, or if a continued study is asked to be another one.
    """
    if not search.final.exists():
        origin = search.record().arguments
        if not isinstance(origin, HyperbandArguments):
            raise Misuse(f"study {search.name} is no search: --study names a study of `search run`")
        values = {
            "search": search.name,
            "search_seed": origin.seed,
            "dataset": origin.dataset,
            "epochs": origin.max_epochs,
            **given,
        }
        asked = FinalArguments(configurations={}, **values)
        asked.check()
        found, too_slow = best_of_search(search, asked.top, asked.epoch_seconds or math.inf)
        given = {**values, "configurations": found, "too_slow": too_slow}
    arguments = search.final.settled(FinalArguments, given)
    # In a study that is older than a hyperparameter, the hyperparameter has its default.
    whole = {name: complete(values) for name, values in arguments.configurations.items()}
    return replace(arguments, configurations=whole)


def best_of_search(
    search: StudyFolder, count: int, slowest: float
) -> tuple[dict[str, Values], dict[str, float]]:
    """Return the best different configurations of a search, and as good ones that take too long.

    Both are by name, such as "trial 0123", the best first: values, and seconds an epoch. The score
    of a configuration is that of its best rung. The assignment's network is left out: it is the
    baseline. slowest: seconds an epoch. Raises Misuse if nothing is left.
    """
    records, _ = search.read_trials()
    done = [record for record in records.values() if record.status == COMPLETED]
    done.sort(key=lambda record: (-(record.score or 0.0), record.trial_id))
    seen = {key_of(complete(BASELINES["4 final"]))}
    found: dict[str, Values] = {}
    too_slow: dict[str, float] = {}
    for record in done:
        values = complete(configuration(record.values))
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
            raise Misuse(f"--epoch-seconds {slowest:g}: the fastest takes {least:.2g} s an epoch")
        raise Misuse(f"study {search.name} has no completed trial to choose: run the search first")
    return found, too_slow


def _epoch_seconds(record: TrialFile) -> float:
    if record.run is None or record.run.seconds is None:
        return 0.0
    return record.run.seconds / len(record.run.epochs)


def ablation_arguments(search: StudyFolder, given: dict[str, Any]) -> AblationArguments:
    """Return the arguments of the ablation study of a search whose final network is chosen.

    given: what the command line says, by field.
    Raises Misuse if no network is chosen, if another network was chosen since the study was
    started, or if a continued study is asked to be another one.
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
            "dataset": origin.dataset,
            "search": search.name,
            "search_seed": origin.search_seed,
            "target": chosen[0],
            **given,
        }
    arguments = search.ablation.settled(AblationArguments, given)
    target = complete(arguments.target)
    if chosen and complete(chosen[0]) != target:
        raise Misuse(
            f"study {search.ablation.name} leads to another network than {search.final.name} has "
            "chosen since: move its folder away, and the same command starts a new one"
        )
    return replace(arguments, target=target)
