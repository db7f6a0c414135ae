"""What the models of a final study predict on the test set, by arm."""

from dataclasses import dataclass

import numpy as np

from analysis.evidence import intervals
from analysis.evidence.study import Study
from search.records.ledger import Results
from search.records.parts import BASELINE, FINAL


@dataclass(frozen=True)
class Arm:
    """The models of one arm, in the order of seeds.

    held_out: accuracy of each model on the validation images that did not stop it, shape (models,).
    loss: test loss, shape (models,). predicted: classes, shape (models, test images).
    correct: whether the predicted class is the label, same shape.
    """

    seeds: list[int]
    trials: list[str]
    held_out: np.ndarray
    loss: np.ndarray
    predicted: np.ndarray
    correct: np.ndarray

    @property
    def gap(self) -> tuple[float, float, float]:
        """Test minus validation accuracy, with its interval (`intervals.new_images`)."""
        return intervals.new_images(self.held_out, self.correct)

    def less(self, other: "Arm") -> np.ndarray:
        """Return, by model and image, 1 if only this arm is right, -1 if only the other is, else 0."""
        return self.correct.astype(float) - other.correct

    def of(self, seeds: list[int]) -> "Arm":
        """Return the models of the given seeds."""
        at = [self.seeds.index(seed) for seed in seeds]
        trials = [self.trials[place] for place in at]
        arrays = (self.held_out, self.loss, self.predicted, self.correct)
        return Arm(seeds, trials, *(array[at] for array in arrays))

    def shares(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Return the share of each class's test images classified as each class, mean over models."""
        counts = np.zeros((classes, classes))
        for predicted in self.predicted:
            np.add.at(counts, (labels, predicted), 1)
        return np.asarray(counts / counts.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Tested:
    """The arms evaluated on the test set: assignment, final and, in some studies, augmented.

    labels: shape (test images,). classes: their names in the data set, or their numbers. study: the
    final study, None for the built-in networks on images.
    """

    labels: np.ndarray
    classes: list[str]
    arms: dict[str, Arm]
    study: Study | None = None

    @property
    def baseline(self) -> Arm:
        return self.arms[BASELINE]

    @property
    def final(self) -> Arm:
        return self.arms[FINAL]

    @property
    def pooled(self) -> tuple[float, float, float]:
        """Test minus validation accuracy of all arms together, with its interval.

        Arms of a seed share the validation images that judge them, and all share the test images. So
        they are no separate witnesses, and a single figure has less noise.
        """
        both = [
            seed
            for seed in self.final.seeds
            if all(seed in arm.seeds for arm in self.arms.values())
        ]
        own = [arm.of(both) for arm in self.arms.values()]
        held_out = np.mean([arm.held_out for arm in own], axis=0)
        return intervals.new_images(held_out, np.mean([arm.correct for arm in own], axis=0))

    def paired(self, one: str = FINAL, other: str = BASELINE) -> tuple[Arm, Arm]:
        """Return two arms, restricted to the seeds that both have."""
        first, second = self.arms[one], self.arms[other]
        both = [seed for seed in first.seeds if seed in second.seeds]
        return first.of(both), second.of(both)


def tested(study: Study, results: Results) -> Tested:
    """Read the arms from the results of an opening, the content of a `test-N.json`."""
    labels = np.array(results.labels)
    known = study.facts.classes if study.facts else ()
    numbers = range(1 + max([*results.labels, *(max(m.predicted) for m in results.models)]))
    classes = list(known) or [str(number) for number in numbers]
    arms = dict.fromkeys(model.arm for model in results.models)
    return Tested(labels, classes, {arm: _arm(results, labels, arm) for arm in arms}, study)


def _arm(results: Results, labels: np.ndarray, name: str) -> Arm:
    models = [model for model in results.models if model.arm == name]
    predicted = np.array([model.predicted for model in models])
    return Arm(
        [model.seed for model in models],
        [model.trial for model in models],
        np.array([model.held_out for model in models]),
        np.array([model.loss for model in models]),
        predicted,
        predicted == labels,
    )
