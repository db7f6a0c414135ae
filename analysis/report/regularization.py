"""The section on regularisation: each measure, their factorial, early stopping."""

import math

import numpy as np
import pandas as pd

from analysis.evidence import paired
from analysis.evidence.arms import Part
from analysis.report import comparison, figures
from analysis.report.blocks import Block, Table, Text
from analysis.words.language import Language

PATIENCE = 5
"""Epochs without a better val_accuracy after which the assignment stops."""


def regularization(found: list[Part], say: Language) -> list[Block]:
    (part,) = found
    factors = [arm for arm in part.arms if "+" not in arm and arm not in ("none", "L1")]
    unfinished = comparison.missing(part, say)
    if not comparison.begun(part):
        return unfinished
    crossed = paired.factorial(part.table(), factors)
    return [
        *unfinished,
        *comparison.comparison(part, "regularization", say),
        comparison.curves(part, "regularization", say),
        comparison.figure(
            part,
            "gap",
            say(
                "Training less validation accuracy by epoch: overfitting. Dropout lowers training "
                "accuracy itself, which is measured with units dropped.",
                "Exactitud de entrenamiento menos la de validación por época: sobreajuste. El "
                "dropout baja la de entrenamiento misma, que se mide con unidades anuladas.",
            ),
            figures.gaps,
            say,
        ),
        Text(overfitting(part, say)),
        Text(main_effects(crossed, say)),
        factorial_table(part, crossed, say),
        *early_stopping(part, say),
    ]


def overfitting(part: Part, say: Language) -> str:
    """How the gap between training and validation differs from the unregularised network's."""
    gap = part.table("accuracy") - part.table()
    compared = paired.compare(gap, part.reference)
    smaller = compared[compared["detected"] & (compared["difference"] < 0)]
    mean = say.number(100 * gap[part.reference].mean())
    text = say(
        f"Overfitting: without regularisation training is {mean} points above validation after "
        f"{part.epochs} epochs. ",
        f"Sobreajuste: sin regularización, el entrenamiento queda {mean} puntos por encima de la "
        f"validación tras {part.epochs} épocas. ",
    )
    if not len(smaller):
        return text + say(
            "No arm is detected to lessen it.", "No se detecta que ninguna variante lo reduzca."
        )
    listed = say.several(
        [f"{arm} ({say.points(row['difference'])})" for arm, row in smaller.iterrows()]
    )
    text += say(f"It is less with {listed}.", f"Es menor con {listed}.")
    larger = compared[compared["detected"] & (compared["difference"] > 0)]
    if len(larger):
        listed = say.several(
            [f"{arm} ({say.points(row['difference'])})" for arm, row in larger.iterrows()]
        )
        text += say(f" It is more with {listed}.", f" Es mayor con {listed}.")
    return text


def main_effects(result: pd.DataFrame, say: Language) -> str:
    """The factorial in a sentence: what each measure does on average, and what combines."""
    found = result[result["detected"]]
    if not len(found):
        return say(
            "Over the factorial, no effect on validation accuracy is detected.",
            "En el factorial no se detecta ningún efecto en la exactitud de validación.",
        )
    listed = say.several(
        [
            f"{name} {say.points(row['difference'])} {say.between(row['low'], row['high'])}"
            for name, row in found.iterrows()
        ]
    )
    rest = say.several(list(result.index.drop(found.index)))
    return say(
        f"Over the factorial, effects on validation accuracy in points: {listed}; not detected: "
        f"{rest or 'none'}.",
        f"En el factorial, efectos en la exactitud de validación en puntos: {listed}; sin "
        f"detectar: {rest or 'ninguno'}.",
    )


def factorial_table(part: Part, result: pd.DataFrame, say: Language) -> Table:
    rows = [
        {
            say("effect", "efecto"): name,
            say("points", "puntos"): f"{say.points(row['difference'])} "
            f"{say.between(row['low'], row['high'])}",
            "p (Holm)": say.p(row["p_holm"]),
            say("detected", "detectado"): say("yes", "sí") if row["detected"] else "no",
            "n": row["n"],
        }
        for name, row in result.iterrows()
    ]
    caption = say(
        "Main effects and interactions of the full factorial, in points of validation accuracy, in "
        "pairs by seed: with the factor minus without it, over all settings of the others. An "
        "interaction of two is half of what switching one on changes in the other's effect.",
        "Efectos principales e interacciones del factorial completo, en puntos de exactitud de "
        "validación, por parejas de semilla: con el factor menos sin él, sobre los demás. Una "
        "interacción de dos es la mitad de lo que uno cambia el efecto del otro.",
    )
    runs = ", ".join(part.runs.loc[part.runs["arm"] != "L1", "trial"].dropna())
    return Table("factorial", caption, pd.DataFrame(rows), result.reset_index(), [runs] * len(rows))


def early_stopping(part: Part, say: Language) -> list[Block]:
    """What stopping with patience, the best weights restored, would have given on these curves."""
    rows, numbers, trials = [], [], []
    for arm in part.arms:
        stops, gains, losses = [], [], []
        for _, run in part.curves[part.curves["arm"] == arm].groupby("seed"):
            curve = run.set_index("epoch")
            if part.epochs not in curve.index:
                continue
            stop, best = paired.early_stop(curve["val_accuracy"], PATIENCE)
            stops.append(stop)
            gains.append(curve.loc[best, "val_accuracy"] - curve.loc[part.epochs, "val_accuracy"])
            losses.append(curve.loc[best, "val_loss"] - curve.loc[part.epochs, "val_loss"])
        mean, low, high = paired.interval(np.array(gains))
        loss, loss_low, loss_high = paired.interval(np.array(losses))
        rows.append(
            {
                say("arm", "variante"): arm,
                "n": len(gains),
                say("stops at epoch", "para en la época"): say.number(
                    float(np.median(stops)) if stops else math.nan, 0
                ),
                say("val. accuracy, points", "exactitud val., puntos"): f"{say.points(mean)} "
                f"{say.between(low, high)}",
                say("val. loss", "pérdida val."): f"{say.number(loss, 3, sign=True)} "
                f"[{say.number(loss_low, 3, sign=True)}; {say.number(loss_high, 3, sign=True)}]",
            }
        )
        numbers.append(
            {
                "arm": arm,
                "n": len(gains),
                "stop": np.median(stops) if stops else math.nan,
                "accuracy": mean,
                "accuracy_low": low,
                "accuracy_high": high,
                "loss": loss,
                "loss_low": loss_low,
                "loss_high": loss_high,
            }
        )
        trials.append(part.trials(arm))
    caption = say(
        f"Early stopping (val_accuracy, patience {PATIENCE}, best weights restored) read off the "
        f"same curves: its result minus that of training all {part.epochs} epochs; the epoch it "
        "stops at is a median. The images that choose the epoch "
        "are those that judge it: the accuracies flatter it.",
        f"Parada temprana (val_accuracy, paciencia {PATIENCE}, mejores pesos) leída en las mismas "
        f"curvas: su resultado menos el de entrenar las {part.epochs} épocas; la época en que para "
        "es una mediana. Las imágenes que eligen la época son las que la juzgan: las exactitudes resultan optimistas.",
    )
    return [Table("early-stopping", caption, pd.DataFrame(rows), pd.DataFrame(numbers), trials)]
