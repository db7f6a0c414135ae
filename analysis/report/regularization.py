"""The section on regularisation: each method, the factorial design, early stopping."""

import numpy as np
import pandas as pd

from analysis.evidence import paired
from analysis.evidence.arms import Part
from analysis.report import comparison, figures
from analysis.report.blocks import Block, Table, Text
from analysis.words.language import Language
from search.records.parts import CROSSED

PATIENCE = 5
"""Epochs without improvement of val_accuracy after which the assignment stops training."""


def regularization(found: list[Part], say: Language) -> list[Block]:
    part = next(part for part in found if part.name != CROSSED)
    crossing = next((part for part in found if part.name == CROSSED), None)
    factors = crossed_factors(part)
    unfinished = comparison.missing(part, say)
    if not comparison.begun(part):
        return unfinished
    crossed = paired.factorial(part.table(), factors)
    return [
        *unfinished,
        Text(network(part, say)),
        *comparison.comparison(part, "regularization", say),
        comparison.curves(part, "regularization", say),
        comparison.figure(
            part,
            "gap",
            say(
                "Overfitting: training minus validation accuracy by epoch. Dropout also lowers "
                "training accuracy, which is measured with units dropped.",
                "Sobreajuste: exactitud de entrenamiento menos exactitud de validación por época. "
                "El dropout también baja la exactitud de entrenamiento, que se mide con unidades "
                "anuladas.",
            ),
            figures.gaps,
            say,
        ),
        Text(overfitting(part, say)),
        Text(main_effects(crossed, say)),
        Text(at_budgets(part, factors, say)),
        *(afresh(part, factors, say) or stale(part, say)),
        *(by_schedule(crossing, say) if crossing else []),
        factorial_table(part, crossed, "factorial", say),
        *early_stopping(part, say),
    ]


STRENGTHS = {"dropout": "dropout", "L1": "l1", "L2": "l2"}
"""By arm: the hyperparameter that is its strength."""


def network(part: Part, say: Language) -> str:
    """Name the network, and the strength of each method."""
    values = part.values[part.reference]
    units = "-".join(str(values[f"units_{n}"]) for n in range(1, int(values["layers"]) + 1))
    strengths = [
        f"{arm} {say.short(part.values[arm][name])}"
        for arm, name in STRENGTHS.items()
        if part.values.get(arm, {}).get(name)
    ]
    return say(
        f"The network has {units} units, {values['activation']} and {values['optimizer']} at a "
        f"{values['schedule']} rate. Strengths: {say.several(strengths)}.",
        f"La red tiene {units} unidades, {values['activation']} y {values['optimizer']} con una tasa "
        f"{'constante' if values['schedule'] == 'constant' else values['schedule']}. Intensidades: "
        f"{say.several(strengths)}.",
    )


def stale(part: Part, say: Language) -> list[Block]:
    """Caution that moving statistics lag behind the weights, if no rate falls."""
    normed = any(values.get("batch_norm") for values in part.values.values())
    constant = all(values.get("schedule") == "constant" for values in part.values.values())
    if not (normed and constant):
        return []
    text = say(
        "Caution on batch norm: in validation, Keras uses moving averages of the statistics. Under a "
        "constant rate, the weights run ahead of these averages, and that alone costs accuracy. So the "
        "effect of batch norm above is that of the method as Keras measures it, not of what the network "
        "has learned. A rate that falls to 0 lets the averages catch up.",
        "Cautela con batch norm: en validación, Keras usa medias móviles de los estadísticos. Con una "
        "tasa constante, los pesos se adelantan a esas medias, y eso solo ya cuesta exactitud. Así que "
        "el efecto de batch norm de arriba es el del método tal como Keras lo mide, no el de lo que la "
        "red ha aprendido. Una tasa que baja hasta 0 deja que las medias se pongan al día.",
    )
    return [Text(text)]


def overfitting(part: Part, say: Language) -> str:
    """Say how each arm's gap between training and validation differs from the reference's."""
    gap = part.table("accuracy") - part.table()
    compared = paired.compare(gap, part.reference)
    smaller = compared[compared["detected"] & (compared["difference"] < 0)]
    mean = say.number(100 * gap[part.reference].mean())
    text = say(
        f"Overfitting: without regularisation, training accuracy is {mean} points above validation "
        f"accuracy at the end of {part.epochs} epochs. ",
        f"Sobreajuste: sin regularización, la exactitud de entrenamiento queda {mean} puntos por "
        f"encima de la de validación al final de {part.epochs} épocas. ",
    )
    if not len(smaller):
        return text + say(
            "No reduction was detected for any arm.",
            "No se detecta reducción en ninguna variante.",
        )
    listed = say.several(
        [f"{arm} ({say.points(row['difference'])})" for arm, row in smaller.iterrows()]
    )
    text += say(f"The gap is smaller with {listed}.", f"La diferencia es menor con {listed}.")
    larger = compared[compared["detected"] & (compared["difference"] > 0)]
    if len(larger):
        listed = say.several(
            [f"{arm} ({say.points(row['difference'])})" for arm, row in larger.iterrows()]
        )
        text += say(f" The gap is larger with {listed}.", f" Es mayor con {listed}.")
    return text


def main_effects(result: pd.DataFrame, say: Language) -> str:
    """Say which main effects and interactions of the factorial are detected."""
    found = result[result["detected"]]
    if not len(found):
        return say(
            "In the full factorial design, no effect on validation accuracy was detected.",
            "En el diseño factorial completo no se detecta ningún efecto en la exactitud de "
            "validación.",
        )
    listed = say.several(
        [
            f"{name} {say.points(row['difference'])} {say.between(row['low'], row['high'])}"
            for name, row in found.iterrows()
        ]
    )
    rest = say.several(list(result.index.drop(found.index)))
    return say(
        "In the full factorial design, these effects on validation accuracy were detected, in "
        f"points: {listed}. Not detected: {rest or 'none'}.",
        "En el diseño factorial completo se detectan estos efectos en la exactitud de validación, "
        f"en puntos: {listed}. Sin detectar: {rest or 'ninguno'}.",
    )


def at_budgets(part: Part, factors: list[str], say: Language) -> str:
    """Say how the main effects change with the number of epochs."""
    shown = []
    for epochs in (part.epochs // 4, part.epochs // 2, part.epochs):
        found = paired.factorial(part.level_at(epochs), factors).loc[factors]
        effects = [f"{name} {say.points(row['difference'])}" for name, row in found.iterrows()]
        shown.append(say(f"{epochs} epochs: ", f"{epochs} épocas: ") + ", ".join(effects))
    return say(
        f"The effects depend on the budget, in points: {'; '.join(shown)}.",
        f"Los efectos dependen del presupuesto, en puntos: {'; '.join(shown)}.",
    )


def afresh(part: Part, factors: list[str], say: Language) -> list[Block]:
    """Return the factorial with fresh statistics of batch norm. Empty if they were not measured."""
    table = part.afresh()
    if "batch norm" not in factors or table["batch norm"].count() < 2:
        return []
    found = paired.factorial(table, factors)
    text = say(
        "In validation, Keras uses moving averages of the statistics of batch norm. Under a constant rate, "
        "the weights run ahead of these averages, which costs accuracy. With fresh statistics of the "
        "training images, after the last epoch, the effects are measured again. ",
        "En validación, Keras usa medias móviles de los estadísticos de batch norm. Con una tasa "
        "constante, los pesos se adelantan a esas medias, y eso cuesta exactitud. Con estadísticos nuevos "
        "de las imágenes de entrenamiento, tras la última época, los efectos se miden otra vez. ",
    )
    text += main_effects(found, say)
    return [Text(text), factorial_table(part, found, "factorial-fresh", say)]


def by_schedule(part: Part, say: Language) -> list[Block]:
    """Return the effect of batch norm under a constant and a falling rate, measured in two ways."""
    unfinished = comparison.missing(part, say)
    moving, fresh = part.table(), part.afresh()
    constant, falling = say("constant", "constante"), say("cosine", "coseno")
    last, new = say("moving averages", "medias móviles"), say("fresh", "nuevos")
    pairs = {
        (rate, measure): table[f"batch norm{plus}"] - table[base]
        for rate, plus, base in ((constant, "", "none"), (falling, " + schedule", "schedule"))
        for measure, table in ((last, moving), (new, fresh))
    }
    frame = pd.DataFrame({f"{n}": own for n, own in enumerate(pairs.values())})
    if frame.count().min() < 2:
        return unfinished
    frame["none"] = 0.0
    found = paired.compare(frame, "none")
    rows = [
        {
            say("learning rate", "tasa de aprendizaje"): rate,
            say("statistics", "estadísticos"): measure,
            say(
                "batch norm − none, points", "batch norm − sin ella, puntos"
            ): f"{say.points(row['difference'])} {say.between(row['low'], row['high'])}",
            "p (Holm)": say.p(row["p_holm"]),
            say("detected", "detectada"): say("yes", "sí") if row["detected"] else "no",
            "n": int(row["n"]),
        }
        for (rate, measure), (_, row) in zip(pairs, found.iterrows(), strict=True)
    ]
    caption = say(
        "The effect of batch norm on validation accuracy, paired by seed, under a constant rate and under "
        "a rate that falls to 0. Moving averages: the level at the end. Fresh: after the last epoch.",
        "El efecto de batch norm en la exactitud de validación, por parejas de semilla, con una tasa "
        "constante y con una que baja hasta 0. Medias móviles: el nivel al final. Nuevos: tras la última "
        "época.",
    )
    runs = ", ".join(part.runs["trial"].dropna())
    data = found.reset_index(drop=True).assign(
        rate=["constant", "constant", "cosine", "cosine"], statistics=["moving", "fresh"] * 2
    )
    table = Table("batch-norm-schedule", caption, pd.DataFrame(rows), data, [runs] * len(rows))
    return [*unfinished, table]


def factorial_table(part: Part, result: pd.DataFrame, name: str, say: Language) -> Table:
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
        "Main effects and interactions of the full factorial design, in points of validation "
        "accuracy, paired by seed. A main effect is accuracy with the factor minus accuracy "
        "without it, averaged over all settings of the other factors. An interaction of two "
        "factors is half the change in the effect of one when the other is switched on.",
        "Efectos principales e interacciones del diseño factorial completo, en puntos de exactitud "
        "de validación, por parejas de semilla. Un efecto principal es la exactitud con el factor "
        "menos la exactitud sin él, promediada sobre los demás factores. Una interacción de dos "
        "factores es la mitad de lo que cambia el efecto de uno al activar el otro.",
    )
    crossed = part.runs["arm"].map(
        lambda arm: set(arm.split(" + ")) <= {"none", *crossed_factors(part)}
    )
    runs = ", ".join(part.runs.loc[crossed, "trial"].dropna())
    return Table(name, caption, pd.DataFrame(rows), result.reset_index(), [runs] * len(rows))


def crossed_factors(part: Part) -> list[str]:
    """Return the factors that arms combine, in order; an arm such as L1 stands alone."""
    combined = {factor for arm in part.arms if " + " in arm for factor in arm.split(" + ")}
    return [arm for arm in part.arms if arm in combined]


def early_stopping(part: Part, say: Language) -> list[Block]:
    """Return what early stopping with restored best weights would have given on these curves."""
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
                say("stopping epoch", "época de parada"): say.number(paired.middle(stops), 0),
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
                "stop": paired.middle(stops),
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
        f"Early stopping (val_accuracy, patience {PATIENCE}, best weights restored), computed from "
        f"the same curves: its result minus the result of training for all {part.epochs} epochs. "
        "The stopping epoch is the lower median. The same images choose the epoch and judge it, so these "
        "accuracies are optimistic.",
        f"Parada temprana (val_accuracy, paciencia {PATIENCE}, mejores pesos restaurados), "
        "calculada con las mismas curvas: su resultado menos el de entrenar las "
        f"{part.epochs} épocas. La época de parada es la mediana inferior. Las mismas imágenes eligen la "
        "época y la juzgan, así que estas exactitudes son optimistas.",
    )
    return [Table("early-stopping", caption, pd.DataFrame(rows), pd.DataFrame(numbers), trials)]
