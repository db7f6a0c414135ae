"""What the models of a final study say of the test images: by arm, and as tables."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.evidence import intervals, paired
from analysis.evidence.ledger import Json
from analysis.evidence.trials import Study
from analysis.report.blocks import Table
from analysis.report.comparison import shown_accuracy
from analysis.report.final import AUGMENTED, BASELINE, FINAL
from analysis.words.language import Language

GARMENTS = (
    ("T-shirt/top", "camiseta"),
    ("trouser", "pantalón"),
    ("pullover", "jersey"),
    ("dress", "vestido"),
    ("coat", "abrigo"),
    ("sandal", "sandalia"),
    ("shirt", "camisa"),
    ("sneaker", "zapatilla"),
    ("bag", "bolso"),
    ("ankle boot", "botín"),
)


@dataclass(frozen=True)
class Arm:
    """The models of one arm, in the order of seeds.

    held_out: accuracy of each on the validation images that did not stop it, shape (models,).
    predicted: shape (models, test images). correct: whether that is the label.
    """

    seeds: list[int]
    trials: list[str]
    held_out: np.ndarray
    loss: np.ndarray
    predicted: np.ndarray
    correct: np.ndarray

    @property
    def gap(self) -> tuple[float, float, float]:
        """Test less validation accuracy, with its interval (`intervals.new_images`)."""
        return intervals.new_images(self.held_out, self.correct)

    def less(self, other: "Arm") -> np.ndarray:
        """By model and image, 1 where only this arm is right, -1 where only the other is."""
        return self.correct.astype(float) - other.correct

    def of(self, seeds: list[int]) -> "Arm":
        """The models of these seeds alone."""
        at = [self.seeds.index(seed) for seed in seeds]
        trials = [self.trials[place] for place in at]
        arrays = (self.held_out, self.loss, self.predicted, self.correct)
        return Arm(seeds, trials, *(array[at] for array in arrays))

    def shares(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Of each class's test images, the share taken for each class; mean over models."""
        counts = np.zeros((classes, classes))
        for predicted in self.predicted:
            np.add.at(counts, (labels, predicted), 1)
        return np.asarray(counts / counts.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Tested:
    """The arms of an opening of the test set: the assignment's, the final, perhaps an augmented one.

    labels: shape (test images,). names: of the classes, in words.
    """

    labels: np.ndarray
    names: list[str]
    arms: dict[str, Arm]

    @property
    def baseline(self) -> Arm:
        return self.arms[BASELINE]

    @property
    def final(self) -> Arm:
        return self.arms[FINAL]

    def paired(self, one: str = FINAL, other: str = BASELINE) -> tuple[Arm, Arm]:
        """Two arms with the models of seeds that both have."""
        first, second = self.arms[one], self.arms[other]
        both = [seed for seed in first.seeds if seed in second.seeds]
        return first.of(both), second.of(both)


def tested(study: Study, results: Json, say: Language) -> Tested:
    """results: content of a `test-N.json`."""
    labels = np.array(results["labels"])
    names = [str(digit) for digit in range(10)]
    if study.about["arguments"]["dataset"] == "fashion-mnist":
        names = [say(*garment) for garment in GARMENTS]
    arms = dict.fromkeys(model["arm"] for model in results["models"])
    return Tested(labels, names, {arm: _arm(results, labels, arm) for arm in arms})


def _arm(results: Json, labels: np.ndarray, name: str) -> Arm:
    models = [model for model in results["models"] if model["arm"] == name]
    predicted = np.array([model["predicted"] for model in models])
    return Arm(
        [model["seed"] for model in models],
        [model["trial"] for model in models],
        np.array([model["held_out"] for model in models]),
        np.array([model["loss"] for model in models]),
        predicted,
        predicted == labels,
    )


KEYS = ("validation", "validation_low", "validation_high", "test", "test_low", "test_high")


def scores(found: Tested, say: Language) -> Table:
    """Validation and test by arm, and the differences between arms in pairs by seed."""
    pairs = [(FINAL, BASELINE)]
    if AUGMENTED in found.arms:
        pairs += [(AUGMENTED, FINAL), (AUGMENTED, BASELINE)]
    made = [_arm_scores(found, arm, say) for arm in found.arms]
    made += [_difference(found, one, other, say) for one, other in pairs]
    rows, numbers, trials = zip(*made, strict=True)
    caption = say(
        "Accuracy on validation images that chose no epoch (interval over seeds, each with images "
        "of its own) and on the test images (interval for new seeds and new images); the rows of "
        "two networks are in points, in pairs by seed. The loss has neither smoothing nor "
        "penalties.",
        "Exactitud con imágenes de validación que no eligieron época (intervalo entre semillas, "
        "cada una con las suyas) y con las de test (intervalo para nuevas semillas e imágenes); las "
        "filas de dos redes, en puntos, por parejas de semilla. La pérdida es sin suavizado ni "
        "penalizaciones.",
    )
    if AUGMENTED in found.arms:
        caption += say(
            " On augmented images the network has three times the epochs and half the dropout.",
            " Con imágenes aumentadas, la red tiene el triple de épocas y la mitad de dropout.",
        )
    frame, data = pd.DataFrame(list(rows)).fillna(""), pd.DataFrame(list(numbers))
    return Table("test", caption, frame, data, list(trials))


def arm_name(arm: str, say: Language) -> str:
    return {
        BASELINE: say("assignment's", "la de la tarea"),
        FINAL: say("final network", "red final"),
        AUGMENTED: say("final, augmented images", "final, imágenes aumentadas"),
    }[arm]


Row = tuple[dict[str, object], dict[str, object], str]
"""What is shown, the numbers, the trials."""


def _arm_scores(found: Tested, name: str, say: Language) -> Row:
    arm = found.arms[name]
    validation = paired.interval(arm.held_out)
    test = intervals.seeds_and_images(arm.correct)
    gap = arm.gap
    shown: dict[str, object] = {
        say("network", "red"): arm_name(name, say),
        "n": len(arm.seeds),
        say("validation %", "validación %"): shown_accuracy(*validation, say),
        "test %": shown_accuracy(*test, say),
        say("test − validation", "test − validación"): f"{say.points(gap[0])} "
        f"{say.between(gap[1], gap[2])}",
        say("test loss", "pérdida test"): say.number(float(arm.loss.mean()), 3),
    }
    numbers: dict[str, object] = {
        "arm": name,
        "n": len(arm.seeds),
        **dict(zip(KEYS, (*validation, *test), strict=True)),
        **dict(zip(("gap", "gap_low", "gap_high"), gap, strict=True)),
        "test_loss": arm.loss.mean(),
    }
    return shown, numbers, ", ".join(arm.trials)


def _difference(found: Tested, one: str, other: str, say: Language) -> Row:
    ours, theirs = found.paired(one, other)
    validation = paired.interval(ours.held_out - theirs.held_out)
    test = intervals.seeds_and_images(ours.less(theirs))
    shown: dict[str, object] = {
        say("network", "red"): f"{arm_name(one, say)} − {arm_name(other, say)}",
        "n": len(ours.seeds),
        say("validation %", "validación %"): f"{say.points(validation[0])} "
        f"{say.between(*validation[1:])}",
        "test %": f"{say.points(test[0])} {say.between(*test[1:])}",
    }
    values = dict(zip(KEYS, (*validation, *test), strict=True))
    numbers: dict[str, object] = {"arm": f"{one} - {other}", "n": len(ours.seeds), **values}
    return shown, numbers, ", ".join([*ours.trials, *theirs.trials])


def mcnemar(found: Tested, say: Language) -> Table:
    """By seed, the images that one of the two networks gets right and the other does not."""
    ours, theirs = found.paired()
    columns = ["seed", "only_final", "only_assignment", "p"]
    rows = [
        (seed, *intervals.mcnemar(one, other))
        for seed, one, other in zip(ours.seeds, ours.correct, theirs.correct, strict=True)
    ]
    data = pd.DataFrame(rows, columns=columns)
    data["p_holm"] = paired.holm(data["p"])
    frame = pd.DataFrame(
        {
            say("seed", "semilla"): data["seed"],
            say("only the final network right", "solo acierta la red final"): data["only_final"],
            say("only the assignment's right", "solo acierta la de la tarea"): data[
                "only_assignment"
            ],
            "p (McNemar)": [say.p(p) for p in data["p"]],
            "p (Holm)": [say.p(p) for p in data["p_holm"]],
        }
    )
    caption = say(
        "McNemar's exact test by seed: test images that only one of the two networks gets right.",
        "Prueba exacta de McNemar por semilla: imágenes de test que solo acierta una de las dos.",
    )
    trials = [", ".join(pair) for pair in zip(ours.trials, theirs.trials, strict=True)]
    return Table("test-mcnemar", caption, frame, data, trials)


def by_class(found: Tested, say: Language) -> Table:
    """Test accuracy of each class by arm, and the difference in pairs by seed."""
    ours, theirs = found.paired()
    rows, numbers = [], []
    for number, name in enumerate(found.names):
        own = found.labels == number
        score = intervals.seeds_and_images(found.final.correct[:, own])
        other = intervals.seeds_and_images(found.baseline.correct[:, own])
        mean, low, high = intervals.seeds_and_images(ours.less(theirs)[:, own])
        rows.append(
            {
                say("class", "clase"): name,
                say("images", "imágenes"): int(own.sum()),
                say("final network %", "red final %"): shown_accuracy(*score, say),
                say("assignment's %", "la de la tarea %"): shown_accuracy(*other, say),
                say("difference, points", "diferencia, puntos"): f"{say.points(mean)} "
                f"{say.between(low, high)}",
            }
        )
        values = {"final": score[0], "assignment": other[0]}
        ends = {"difference": mean, "low": low, "high": high}
        numbers.append({"class": number, "images": int(own.sum()), **values, **ends})
    caption = say(
        "Test accuracy by class (its recall): means over seeds, 95 % intervals for new seeds and "
        "images; the difference is in pairs by seed.",
        "Exactitud de test por clase (su exhaustividad): medias entre semillas, intervalos del "
        "95 % para nuevas semillas e imágenes; la diferencia, por parejas de semilla.",
    )
    trials = [", ".join([*found.final.trials, *found.baseline.trials])] * len(found.names)
    return Table("test-classes", caption, pd.DataFrame(rows), pd.DataFrame(numbers), trials)
