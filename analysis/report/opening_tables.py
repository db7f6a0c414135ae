"""The tables of a test set: accuracies by arm, by seed and by class."""

import pandas as pd

from analysis.evidence import intervals, paired
from analysis.evidence.tested import Tested
from analysis.report.blocks import Table
from analysis.report.cells import shown_accuracy
from analysis.words.language import Language
from analysis.words.terms import Terms, terms
from search.records.parts import AUGMENTED, BASELINE, FINAL


def terms_of(found: Tested, say: Language) -> Terms:
    """Return the terms of the study."""
    return terms(found.study, say) if found.study else Terms(say)


KEYS = ("validation", "validation_low", "validation_high", "test", "test_low", "test_high")


def scores(found: Tested, say: Language) -> Table:
    """Return validation and test accuracy by arm, and differences between arms paired by seed."""
    told = terms_of(found, say)
    pairs = [(FINAL, BASELINE)]
    if AUGMENTED in found.arms:
        pairs += [(AUGMENTED, FINAL), (AUGMENTED, BASELINE)]
    made = [_arm_scores(found, arm, say) for arm in found.arms]
    made += [_difference(found, one, other, say) for one, other in pairs]
    rows, numbers, trials = zip(*made, strict=True)
    caption = say(
        f"Accuracy on validation {told.examples} that chose no epoch, and on the test "
        f"{told.examples}. Validation intervals are over seeds, each with its own {told.examples}; "
        f"test intervals are for new seeds and new {told.examples}. Rows with two networks give the difference in points, paired by seed. The "
        "loss excludes label smoothing and penalties.",
        f"Exactitud con las {told.examples} de validación que no eligieron época y con las de "
        f"test. Los intervalos de validación son entre semillas, cada una con sus {told.examples}; "
        f"los de test, para nuevas semillas y nuevas {told.examples}. Las filas con dos redes dan la diferencia "
        "en puntos, por parejas de semilla. La pérdida no incluye suavizado de etiquetas ni "
        "penalizaciones.",
    )
    if AUGMENTED in found.arms:
        caption += say(
            " The network trained on augmented images has three times the epochs and half the "
            "dropout.",
            " La red entrenada con imágenes aumentadas tiene el triple de épocas y la mitad de "
            "dropout.",
        )
    frame, data = pd.DataFrame(list(rows)).fillna(""), pd.DataFrame(list(numbers))
    return Table("test", caption, frame, data, list(trials))


def arm_name(arm: str, told: Terms) -> str:
    say = told.say
    return {
        BASELINE: told.baseline,
        FINAL: say("final network", "red final"),
        AUGMENTED: say("final network, augmented images", "red final, imágenes aumentadas"),
    }[arm]


Row = tuple[dict[str, object], dict[str, object], str]
"""A row of a table: its cells, its numbers, its trials."""


def _arm_scores(found: Tested, name: str, say: Language) -> Row:
    arm = found.arms[name]
    validation = paired.interval(arm.held_out)
    test = intervals.seeds_and_images(arm.correct)
    gap = arm.gap
    shown: dict[str, object] = {
        say("network", "red"): arm_name(name, terms_of(found, say)),
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
    told = terms_of(found, say)
    shown: dict[str, object] = {
        say("network", "red"): f"{arm_name(one, told)} − {arm_name(other, told)}",
        "n": len(ours.seeds),
        say("validation %", "validación %"): f"{say.points(validation[0])} "
        f"{say.between(*validation[1:])}",
        "test %": f"{say.points(test[0])} {say.between(*test[1:])}",
    }
    values = dict(zip(KEYS, (*validation, *test), strict=True))
    numbers: dict[str, object] = {"arm": f"{one} - {other}", "n": len(ours.seeds), **values}
    return shown, numbers, ", ".join([*ours.trials, *theirs.trials])


def mcnemar(found: Tested, say: Language) -> Table:
    """Return, by seed, the numbers of images that only one of the two networks gets right."""
    told = terms_of(found, say)
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
            say("only final network correct", "solo acierta la red final"): data["only_final"],
            say(f"only {told.baseline} correct", f"solo acierta la {told.baseline}"): data[
                "only_assignment"
            ],
            "p (McNemar)": [say.p(p) for p in data["p"]],
            "p (Holm)": [say.p(p) for p in data["p_holm"]],
        }
    )
    caption = say(
        f"McNemar's exact test by seed, on the test {told.examples} that only one of the two networks "
        "classifies correctly.",
        f"Prueba exacta de McNemar por semilla, con las {told.examples} de test que solo acierta una de "
        "las dos redes.",
    )
    trials = [", ".join(pair) for pair in zip(ours.trials, theirs.trials, strict=True)]
    return Table("test-mcnemar", caption, frame, data, trials)


def by_class(found: Tested, say: Language) -> Table:
    """Return the test accuracy of each class by arm, and the difference paired by seed."""
    told = terms_of(found, say)
    ours, theirs = found.paired()
    rows, numbers = [], []
    for number, name in enumerate(map(say.class_name, found.classes)):
        own = found.labels == number
        if not own.any():
            continue
        score = intervals.seeds_and_images(found.final.correct[:, own])
        other = intervals.seeds_and_images(found.baseline.correct[:, own])
        mean, low, high = intervals.seeds_and_images(ours.less(theirs)[:, own])
        rows.append(
            {
                say("class", "clase"): name,
                told.examples: int(own.sum()),
                say("final network %", "red final %"): shown_accuracy(*score, say),
                f"{told.baseline} %": shown_accuracy(*other, say),
                say("difference, points", "diferencia, puntos"): f"{say.points(mean)} "
                f"{say.between(low, high)}",
            }
        )
        values = {"final": score[0], "assignment": other[0]}
        ends = {"difference": mean, "low": low, "high": high}
        numbers.append({"class": number, "images": int(own.sum()), **values, **ends})
    caption = say(
        "Test accuracy by class (recall): means over seeds with 95 % intervals for new seeds and "
        f"new {told.examples}. Differences are paired by seed.",
        "Exactitud de test por clase (exhaustividad): medias entre semillas con intervalos del 95 % "
        f"para nuevas semillas y nuevas {told.examples}. Las diferencias son por parejas de semilla.",
    )
    trials = [", ".join([*found.final.trials, *found.baseline.trials])] * len(rows)
    return Table("test-classes", caption, pd.DataFrame(rows), pd.DataFrame(numbers), trials)
