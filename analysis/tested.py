"""What the models of a final study say of the test images: by arm, and as tables."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import effects
from analysis.blocks import Table
from analysis.comparisons import shown_accuracy
from analysis.final import BASELINE, FINAL
from analysis.language import Language
from analysis.ledger import Json
from analysis.trials import Study

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

    def of(self, seeds: list[int]) -> "Arm":
        """The models of these seeds alone."""
        at = [self.seeds.index(seed) for seed in seeds]
        trials = [self.trials[place] for place in at]
        arrays = (self.held_out, self.loss, self.predicted, self.correct)
        return Arm(seeds, trials, *(array[at] for array in arrays))

    @property
    def shift(self) -> np.ndarray:
        """Test less validation accuracy of each model."""
        return np.asarray(self.correct.mean(axis=1) - self.held_out)

    def shares(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Of each class's test images, the share taken for each class; mean over models."""
        counts = np.zeros((classes, classes))
        for predicted in self.predicted:
            np.add.at(counts, (labels, predicted), 1)
        return np.asarray(counts / counts.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Tested:
    """The two arms of an opening of the test set.

    labels: shape (test images,). names: of the classes, in words.
    """

    labels: np.ndarray
    names: list[str]
    baseline: Arm
    final: Arm

    def paired(self) -> tuple[Arm, Arm]:
        """(final, baseline) with the models of seeds that both have."""
        both = [seed for seed in self.final.seeds if seed in self.baseline.seeds]
        return self.final.of(both), self.baseline.of(both)


def tested(study: Study, results: Json, say: Language) -> Tested:
    """results: content of a `test-N.json`."""
    labels = np.array(results["labels"])
    names = [str(digit) for digit in range(10)]
    if study.about["arguments"]["dataset"] == "fashion-mnist":
        names = [say(*garment) for garment in GARMENTS]
    return Tested(labels, names, _arm(results, labels, BASELINE), _arm(results, labels, FINAL))


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


def scores(found: Tested, say: Language) -> Table:
    """Validation and test by arm, and the final network less the assignment's in pairs by seed."""
    rows, numbers, trials = [], [], []
    keys = ("validation", "validation_low", "validation_high", "test", "test_low", "test_high")
    validation_heading = say("validation %", "validación %")
    shown_names = {
        BASELINE: say("assignment's", "la de la tarea"),
        FINAL: say("final network", "red final"),
    }
    for name, arm in ((BASELINE, found.baseline), (FINAL, found.final)):
        validation = effects.interval(arm.held_out)
        test = effects.seeds_and_images(arm.correct)
        gap = effects.new_images(arm.held_out, arm.correct)
        rows.append(
            {
                say("network", "red"): shown_names[name],
                "n": len(arm.seeds),
                validation_heading: shown_accuracy(*validation, say),
                "test %": shown_accuracy(*test, say),
                say("test − validation", "test − validación"): f"{say.points(gap[0])} "
                f"{say.between(gap[1], gap[2])}",
                say("test loss", "pérdida test"): say.number(float(arm.loss.mean()), 3),
            }
        )
        numbers.append(
            {
                "arm": name,
                "n": len(arm.seeds),
                **dict(zip(keys, (*validation, *test), strict=True)),
                **dict(zip(("gap", "gap_low", "gap_high"), gap, strict=True)),
                "test_loss": arm.loss.mean(),
            }
        )
        trials.append(", ".join(arm.trials))
    ours, theirs = found.paired()
    validation = effects.interval(ours.held_out - theirs.held_out)
    test = effects.interval(ours.correct.mean(axis=1) - theirs.correct.mean(axis=1))
    rows.append(
        {
            say("network", "red"): say("difference, in pairs", "diferencia, por parejas"),
            "n": len(ours.seeds),
            validation_heading: f"{say.points(validation[0])} {say.between(*validation[1:])}",
            "test %": f"{say.points(test[0])} {say.between(*test[1:])}",
        }
    )
    values = dict(zip(keys, (*validation, *test), strict=True))
    numbers.append({"arm": "final - assignment", "n": len(ours.seeds), **values})
    trials.append(", ".join(trials))
    caption = say(
        "Accuracy on validation images that stopped nothing (interval over seeds, each with images "
        "of its own) and on the test images (interval for new seeds and new images); the last row "
        "is in points, in pairs by seed. The loss has neither smoothing nor penalties.",
        "Exactitud con imágenes de validación que no detuvieron nada (intervalo entre semillas, "
        "cada una con las suyas) y con las de test (intervalo para nuevas semillas e imágenes); la "
        "última fila, en puntos, por parejas de semilla. La pérdida es sin suavizado ni "
        "penalizaciones.",
    )
    return Table("test", caption, pd.DataFrame(rows).fillna(""), pd.DataFrame(numbers), trials)


def mcnemar(found: Tested, say: Language) -> Table:
    """By seed, the images that one of the two networks gets right and the other does not."""
    ours, theirs = found.paired()
    columns = ["seed", "only_final", "only_assignment", "p"]
    rows = [
        (seed, *effects.mcnemar(one, other))
        for seed, one, other in zip(ours.seeds, ours.correct, theirs.correct, strict=True)
    ]
    data = pd.DataFrame(rows, columns=columns)
    data["p_holm"] = effects.holm(data["p"])
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
        score = effects.seeds_and_images(found.final.correct[:, own])
        other = effects.seeds_and_images(found.baseline.correct[:, own])
        mean, low, high = effects.interval(
            ours.correct[:, own].mean(axis=1) - theirs.correct[:, own].mean(axis=1)
        )
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
