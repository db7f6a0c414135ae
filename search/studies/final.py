"""The final network: chosen from the best of a search, and trained beside the baseline.

Half of a trial's validation images choose the epoch whose weights it keeps, and may stop it early.
The other half judge those weights. The configuration is chosen by this judgement on seeds reserved
for choosing, and then trained on other seeds. The final estimate is therefore optimistic only to
the extent that the splits of these seeds share validation images.
"""

from collections.abc import Sequence
from typing import Any

from search.networks.baselines import built_in
from search.networks.spaces import Space
from search.records.parts import AUGMENTED, BASELINE, FINAL, PlannedPart
from search.records.seeds import CHOICE_SEEDS
from search.records.trial import COMPLETED, Values, key_of
from search.studies.arms import held_out_value, mean_scores, ranked
from search.studies.oracles import ListOracle, Trial

PATIENCE = 10
"""Epochs without improvement of the objective that stop a trial, counted from the first watched
epoch. A trial of up to 33 epochs never stops early. Its watched half then only chooses an epoch."""

WATCHED_SHARE = 2 / 3
"""Share of the epochs that pass before early stopping watches. While a cosine learning rate is
high, the objective scatters more than it improves. Watching these epochs would restore the luckiest of
them and lose the gain that comes as the rate falls."""

LONGER = 3
"""Factor on the epochs of a network that trains on augmented images, which take longer to fit."""


class FinalOracle(ListOracle):
    """The oracle of a final study: the candidates, then the chosen network and the baseline.

    configurations: values by name, the search's best first.
    epochs: epochs of every trial without augmentation.
    augment: a key of `AUGMENTATIONS`, which adds a third arm, the chosen network on augmented
    images. This arm is never a candidate, because its images differ. None: no third arm.
    space: that of the dense networks by default.
    """

    patience = PATIENCE

    def __init__(
        self,
        configurations: dict[str, Values],
        epochs: int,
        seeds: tuple[int, ...],
        augment: str | None = None,
        space: Space | None = None,
        objective: Any = "val_accuracy",
    ):
        self.configurations = configurations
        self.epochs = epochs
        self.seeds = seeds
        self.augment = augment
        self.space = space or built_in()
        super().__init__(self.space.parameters, self._following, objective)

    def _following(self, trials: Sequence[Trial]) -> list[PlannedPart]:
        """Return the choice and, once its trials have ended, the parts that follow from it."""
        choice = PlannedPart("final", "choice", "", self.epochs, CHOICE_SEEDS, self.configurations)
        scores = mean_scores(choice, trials, self.goal, held_out_value)
        if scores is None:
            return [choice]
        chosen = self.configurations[ranked(scores, self.goal)[0]]
        arms = {BASELINE: self.space.baseline, FINAL: chosen}
        parts = [choice, PlannedPart("final", "final", BASELINE, self.epochs, self.seeds, arms)]
        if self.augment:
            # Augmentation regularises too: with its full dropout, a network would underfit.
            moved = {"augmentation": self.augment, "dropout": chosen["dropout"] / 2}
            arms = {AUGMENTED: {**chosen, **moved}}
            longer = LONGER * self.epochs
            parts.append(PlannedPart("final", "augmented", "", longer, self.seeds, arms))
        return parts

    def final_trials(self) -> dict[str, list[Trial]]:
        """Return by arm the completed trials on judging seeds, in the order of seeds."""
        by_key = {key_of(t.hyperparameters.values): t for t in self.trials.values()}
        found: dict[str, list[Trial]] = {}
        for part in self.parts()[1:]:
            for (arm, _), key in part.keys().items():
                own = found.setdefault(arm, [])
                if key in by_key and by_key[key].status == COMPLETED:
                    own.append(by_key[key])
        return found

    def wants_weights(self, trial: Trial) -> bool:
        """Return whether the trial has a judging seed, so that its model may be evaluated."""
        return int(trial.hyperparameters.values["tuner/seed"]) in self.seeds

    def watched_from(self, trial: Trial) -> int:
        """Return the first epoch, from 0, that may be restored."""
        return int(WATCHED_SHARE * trial.hyperparameters.values["tuner/epochs"])

    def recorded(self) -> dict[str, Any]:
        """Return the parts, and the rule by which trials without augmentation stop early."""
        watched_from = int(WATCHED_SHARE * self.epochs)
        return {**super().recorded(), "patience": self.patience, "watched_from": watched_from}
