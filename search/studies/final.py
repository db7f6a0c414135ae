"""The final network: the best of a search, chosen anew on fresh seeds, trained beside the baseline.

Every trial stops early by half of its validation images, or keeps the best epoch's weights by them,
and is judged by the other half, which chose no epoch. The configuration is chosen by that judgement
on seeds of their own, and then trained on others, so that choosing flatters the final estimate no
more than by the images that those seeds' splits have in common.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace

import keras_tuner as kt

from search.networks.baselines import BASELINES, complete
from search.networks.space import Values, declare
from search.records.arguments import FinalArguments, HyperbandArguments, settled
from search.records.errors import Misuse
from search.records.folder import Json, Study, study_record
from search.records.parts import AUGMENTED, BASELINE, FINAL
from search.records.seeds import CHOICE_SEEDS
from search.records.trial import COMPLETED, configuration, key_of
from search.studies.arms import Part, mean_scores
from search.studies.oracles import Entry, ListOracle, Trial

PATIENCE = 10
"""Epochs without a better val_accuracy, once early stopping looks at it. In up to 33 epochs nothing
stops by it: there, the watched half chooses the epoch alone."""


WATCHED_SHARE = 2 / 3
"""Of the epochs, those before early stopping begins to look. While a cosine learning rate is high,
val_accuracy varies more than it rises: the luckiest of those epochs would be taken for the best, and
what is gained as the rate falls be lost."""


LONGER = 3
"""How many times the epochs a network has for mirrored and shifted images: it fits them later."""


def best_of_search(
    search: Study, count: int, slowest: float
) -> tuple[dict[str, Values], dict[str, float]]:
    """The best different configurations of a search, and those as good that take too long.

    Both by name, "trial 0123", the best first: the values; the seconds an epoch. A configuration's
    score is that of its best rung. The assignment's network is left out: it is the baseline.
    slowest: seconds an epoch. Raises Misuse where nothing is left.
    """
    records, _ = search.read_trials()
    done = [record for record in records.values() if record["status"] == COMPLETED]
    done.sort(key=lambda record: (-record["score"], record["trial_id"]))
    seen = {key_of(complete(BASELINES["4 final"]))}
    found: dict[str, Values] = {}
    too_slow: dict[str, float] = {}
    for record in done:
        values = complete(configuration(record["hyperparameters"]["values"]))
        if key_of(values) in seen or len(found) == count:
            continue
        seen.add(key_of(values))
        seconds = record["run"]["seconds"] / len(record["run"]["epochs"])
        if seconds > slowest:
            too_slow[f"trial {record['trial_id']}"] = seconds
        else:
            found[f"trial {record['trial_id']}"] = values
    if not found:
        if too_slow:
            least = min(too_slow.values())
            raise Misuse(f"--epoch-seconds {slowest:g}: the fastest takes {least:.2g} s an epoch")
        raise Misuse(f"study {search.name} has no completed trial to choose: run the search first")
    return found, too_slow


def arguments_of(
    search: Study,
    top: int | None,
    seeds: int | None,
    slowest: float | None,
    augment: str | None,
) -> FinalArguments:
    """The arguments of the final study of a search.

    slowest: seconds an epoch of the configurations to compare. augment: as in `FinalArguments`.
    Raises Misuse where there is no such search, or where a study is asked to be another.
    """
    given: Json = {"seeds": seeds, "top": top, "epoch_seconds": slowest, "augment": augment}
    if not search.final.exists():
        about = study_record(search)
        if about["command"] != HyperbandArguments.COMMAND:
            raise Misuse(f"study {search.name} is no search: --study names one of `search run`")
        asked = FinalArguments(
            **{name: value for name, value in given.items() if value is not None}
        )
        asked.check()
        found, too_slow = best_of_search(search, asked.top, asked.epoch_seconds or math.inf)
        given |= {
            "dataset": about["arguments"]["dataset"],
            "search": search.name,
            "search_seed": about["arguments"]["seed"],
            "epochs": about["arguments"]["max_epochs"],
            "configurations": found,
            "too_slow": too_slow,
        }
    arguments = settled(search.final, FinalArguments, given)
    # A study from before a hyperparameter was in the space has it at its default, as its trials.
    whole = {name: complete(values) for name, values in arguments.configurations.items()}
    return replace(arguments, configurations=whole)


class FinalOracle(ListOracle):
    """The trials of a final network: the best configurations, then the chosen and the baseline.

    configurations: name to values, the search's best first.
    augment: of `AUGMENTATIONS`, for a third arm: the chosen one on images mirrored and shifted. It
    is never compared to be chosen: its images are others. None: there is no such arm.
    """

    patience = PATIENCE

    def __init__(
        self,
        study: Study,
        configurations: dict[str, Values],
        epochs: int,
        seeds: tuple[int, ...],
        augment: str | None = None,
    ):
        self.configurations = configurations
        self.epochs = epochs
        self.seeds = seeds
        self.augment = augment
        space = kt.HyperParameters()
        declare(space)
        super().__init__(study, space, self._list)

    def parts(self, trials: Sequence[Trial]) -> list[Part]:
        """The choice, and once all its trials have ended, the final part and the augmented one."""
        choice = Part("final", "choice", "", self.epochs, CHOICE_SEEDS, self.configurations)
        scores = mean_scores(choice, trials, held_out_accuracy)
        if scores is None:
            return [choice]
        chosen = self.configurations[max(self.configurations, key=scores.__getitem__)]
        arms = {BASELINE: complete(BASELINES["4 final"]), FINAL: chosen}
        parts = [choice, Part("final", "final", BASELINE, self.epochs, self.seeds, arms)]
        if self.augment:
            # Both regularise: with all of its dropout, too, a network fits too little.
            moved = {"augmentation": self.augment, "dropout": chosen["dropout"] / 2}
            arms = {AUGMENTED: {**chosen, **moved}}
            longer = LONGER * self.epochs
            parts.append(Part("final", "augmented", "", longer, self.seeds, arms))
        return parts

    def final_trials(self) -> dict[str, list[Trial]]:
        """By arm, the completed trials that chose nothing, in the order of seeds."""
        trials = list(self.trials.values())
        by_values = {key_of(t.hyperparameters.values): t for t in trials}
        found: dict[str, list[Trial]] = {}
        for part in self.parts(trials)[1:]:
            for arm, values in part.arms.items():
                keys = [key_of(Entry(values, part.epochs, s).labelled()) for s in part.seeds]
                own = [by_values[key] for key in keys if key in by_values]
                found[arm] = [trial for trial in own if trial.status == COMPLETED]
        return found

    def wants_weights(self, trial: Trial) -> bool:
        return int(trial.hyperparameters.values["tuner/seed"]) in self.seeds

    def watched_from(self, trial: Trial) -> int:
        return int(WATCHED_SHARE * trial.hyperparameters.values["tuner/epochs"])

    def _list(self, trials: Sequence[Trial]) -> list[Entry]:
        return [entry for part in self.parts(trials) for entry in part.entries()]

    def record(self) -> Json:
        """`parts` as in `ExercisesOracle`, and what early stopping does to all but the augmented."""
        parts = [asdict(part) for part in self.parts(list(self.trials.values()))]
        watched_from = int(WATCHED_SHARE * self.epochs)
        return {"parts": parts, "patience": self.patience, "watched_from": watched_from}


def held_out_accuracy(run: Json) -> float:
    """Of the best epoch's weights, on the validation images that did not choose it."""
    return float(run["held_out"]["accuracy"])
