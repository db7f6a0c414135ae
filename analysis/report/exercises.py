"""The sections of exercises 1 to 3 from a controlled study; regularization.py has 4.1."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.evidence import paired
from analysis.evidence.arms import Part, parts
from analysis.evidence.trials import Study
from analysis.report import comparison, figures
from analysis.report.blocks import Block, Table, Text
from analysis.report.regularization import regularization
from analysis.words.language import Language

CHANCE = 0.1


def sections(study: Study, say: Language) -> list[tuple[str, str, Callable[[], list[Block]]]]:
    """(key, title, what makes its blocks) of each exercise that the study has parts of."""
    found = parts(study)
    known: list[tuple[str, str, Callable[[list[Part], Language], list[Block]]]] = [
        ("activation", say("1 · Does the unit matter?", "1 · ¿Importa la unidad?"), activation),
        (
            "initializer",
            say("2 · Does the starting point matter?", "2 · ¿Importa el punto de partida?"),
            initializer,
        ),
        ("optimizer", say("3 · Optimizers", "3 · Optimizadores"), optimizer),
        (
            "regularization",
            say("4.1 · Regularisation", "4.1 · Regularización"),
            regularization,
        ),
    ]
    return [
        (key, title, lambda make=make, own=own: make(own, say))  # type: ignore[misc]
        for key, title, make in known
        if (own := [part for part in found if part.exercise == key])
    ]


def activation(found: list[Part], say: Language) -> list[Block]:
    main = next(part for part in found if part.name == "activation")
    depths = [part for part in found if part.name == "depth" and comparison.begun(part)]
    unfinished = comparison.missing(main, say)
    if not comparison.begun(main) or not depths:
        return unfinished
    deepest = depths[-1]
    return [
        *unfinished,
        *comparison.comparison(main, "activation", say),
        comparison.curves(main, "activation", say),
        comparison.after_one_epoch(main, "sigmoid", say),
        Text(gradients(deepest, say)),
        comparison.figure(
            deepest,
            "gradients",
            say(
                f"Gradient norm of each layer's weights before training, {deepest.level} hidden "
                "layers; the output layer is the last.",
                f"Norma del gradiente de los pesos de cada capa antes de entrenar, {deepest.level} "
                "capas ocultas; la de salida es la última.",
            ),
            lambda part, language: figures.by_layer(part, "gradient_norm", language),
            say,
        ),
        comparison.figure(
            main,
            "saturation",
            say(
                "Share of (image, unit) pairs whose slope is under 5 % of the activation's "
                "steepest, by epoch; mean and 95 % interval over seeds.",
                "Parte de pares (imagen, unidad) con pendiente menor del 5 % de la máxima de la "
                "activación, por época; media e intervalo del 95 % entre semillas.",
            ),
            figures.saturation,
            say,
        ),
        *(block for part in depths for block in comparison.missing(part, say)),
        Text(by_depth(depths, say)),
        comparison.figure(
            deepest,
            "depth",
            say(
                "Validation accuracy after the last epoch by depth; mean and 95 % interval.",
                "Exactitud de validación tras la última época según la profundidad; media e "
                "intervalo del 95 %.",
            ),
            lambda part, language: figures.by_depth(depths, language),
            say,
        ),
        depth_table(depths, say),
    ]


def layer_ratio(part: Part, arm: str) -> float:
    """How much smaller the gradient becomes from one hidden layer to the one before it.

    Geometric mean over seeds and over neighbouring hidden layers that are fed by hidden layers, at
    the start of training; Glorot's weights carry the gradient's norm, so it is the mean slope.
    """
    own = part.at_start[part.at_start["arm"] == arm]
    layers = [n for n in figures.layer_names(own, "gradient_norm") if n.startswith("hidden_")]
    norms = own[[f"gradient_norm/{layer}" for layer in layers[1:]]].to_numpy(float)
    if norms.shape[1] < 2 or not np.all(norms > 0):
        return math.nan
    return float(np.exp(np.mean(np.diff(np.log(norms), axis=1)) * -1))


def gradients(part: Part, say: Language) -> str:
    ratios = {arm: layer_ratio(part, arm) for arm in part.arms}
    listed = say.several([f"{arm} {say.number(ratio)}" for arm, ratio in ratios.items()])
    sigmoid = ratios.get("sigmoid", math.nan)
    agrees = 0.15 <= sigmoid <= 0.35
    return say(
        "Why: at the start, each hidden layer's gradient is the next one's times "
        f"{listed} (geometric mean, {part.level} hidden layers, n = {len(part.seeds())}). "
        "The slope of a sigmoid is at most 1/4: "
        + ("the measured factor agrees." if agrees else "the measured factor does not agree."),
        "Por qué: al inicio, el gradiente de cada capa oculta es el de la siguiente por "
        f"{listed} (media geométrica, {part.level} capas ocultas, n = {len(part.seeds())}). "
        "La pendiente de una sigmoide es como mucho 1/4: "
        + ("el factor medido concuerda." if agrees else "el factor medido no concuerda."),
    )


def by_depth(depths: list[Part], say: Language) -> str:
    sentences = []
    for part in depths:
        compared = paired.compare(part.table(), part.reference)
        found = [
            f"{arm} {say.points(row['difference'])} {say.between(row['low'], row['high'])}"
            for arm, row in compared[compared["detected"]].iterrows()
        ]
        if compared["n"].min() < paired.fewest_seeds(len(compared)):
            told = say("too few seeds to detect any", "semillas insuficientes para detectarla")
        else:
            told = say.several(found) or say("none detected", "no se detecta")
        sentences.append(f"{part.level}: {told}")
    return say(
        "Differences to relu in points, by the number of hidden layers: ",
        "Diferencias con relu en puntos, según el número de capas ocultas: ",
    ) + ("; ".join(sentences) + ".")


def depth_table(depths: list[Part], say: Language) -> Table:
    rows, numbers, trials = [], [], []
    for part in depths:
        table = part.table()
        compared = paired.compare(table, part.reference)
        for arm in part.arms:
            values = table[arm].dropna().to_numpy()
            mean, low, high = paired.interval(values)
            other = compared.loc[arm] if arm in compared.index else None
            rows.append(
                {
                    say("layers", "capas"): part.level,
                    say("arm", "variante"): arm,
                    "n": len(values),
                    say("val. accuracy %", "exactitud val. %"): comparison.shown_accuracy(
                        mean, low, high, say
                    ),
                    say("difference to relu", "diferencia con relu"): ""
                    if other is None
                    else f"{say.points(other['difference'])} "
                    f"{say.between(other['low'], other['high'])}",
                    "p (Holm)": "" if other is None else say.p(other["p_holm"]),
                }
            )
            number: dict[str, object] = {"layers": part.level, "arm": arm, "n": len(values)}
            number |= {"val_accuracy": mean, "low": low, "high": high}
            if other is not None:
                number |= comparison.difference_numbers(other)
            numbers.append(number)
            trials.append(part.trials(arm))
    caption = say(
        "By depth, every layer 128 units, Glorot, Adam, in pairs by seed.",
        "Según la profundidad, capas de 128 unidades, Glorot, Adam, por parejas de semilla.",
    )
    return Table("depth", caption, pd.DataFrame(rows), pd.DataFrame(numbers), trials)


def initializer(found: list[Part], say: Language) -> list[Block]:
    main, sigmoid = found
    if not comparison.begun(main):
        return comparison.missing(main, say)
    return [
        *comparison.missing(main, say),
        *comparison.comparison(main, "initializer", say),
        comparison.curves(main, "initializer", say),
        comparison.after_one_epoch(main, "random_normal", say),
        Text(zeros(main, say)),
        *comparison.missing(sigmoid, say),
        *under_sigmoid(sigmoid, say),
        comparison.figure(
            main,
            "initializer-gradients",
            say(
                "Gradient norm by layer before training; zeros has none but in the output's bias.",
                "Norma del gradiente por capa antes de entrenar; con ceros no hay más que en el "
                "sesgo de salida.",
            ),
            lambda part, language: figures.by_layer(part, "gradient_norm", language),
            say,
        ),
    ]


def under_sigmoid(part: Part, say: Language) -> list[Block]:
    if not comparison.begun(part):
        return []
    return [Text(zeros(part, say)), *comparison.comparison(part, "initializer-sigmoid", say)]


def zeros(part: Part, say: Language) -> str:
    """Whether zeros does what theory says, from the last epoch's measurements."""
    own = part.curves[(part.curves["arm"] == "zeros") & (part.curves["epoch"] == part.epochs)]
    activation = part.values["zeros"]["activation"]
    layers = figures.layer_names(own, "distinct")
    distinct = [own[f"distinct/{layer}"].max() for layer in layers]
    units = [part.values["zeros"][f"units_{i + 1}"] for i in range(len(layers))]
    identical = all(round(share * count) <= 1 for share, count in zip(distinct, units, strict=True))
    loss, accuracy = own["val_loss"].mean(), own["val_accuracy"].mean()
    dead = own[[f"dead/{layer}" for layer in layers]].to_numpy().min()
    nothing = not own["weight_norm/output"].any()
    balanced = ((own["val_accuracy"] - CHANCE).abs() < 1e-6).all()
    text = say(
        f"Zeros under {activation}: after {part.epochs} epochs the loss is {say.number(loss, 4)} "
        f"(ln 10 = {say.number(math.log(10), 4)}), the accuracy {say.percent(accuracy)}; ",
        f"Ceros con {activation}: tras {part.epochs} épocas la pérdida es {say.number(loss, 4)} "
        f"(ln 10 = {say.number(math.log(10), 4)}) y la exactitud {say.percent(accuracy)}; ",
    )
    text += (
        say(
            "the units of each hidden layer are identical to the last bit",
            "las unidades de cada capa oculta son idénticas hasta el último bit",
        )
        if identical
        else say(
            "the units of a hidden layer are not all identical",
            "las unidades de alguna capa oculta no son todas idénticas",
        )
    )
    if nothing:
        text += say(
            f", {say.percent(dead, 0)} of them dead: no weight ever moves, only the output's bias",
            f", el {say.percent(dead, 0)} de ellas muertas: no se mueve ningún peso, solo el sesgo "
            "de salida",
        )
        return text + (
            say(
                ", and balanced classes leave it nothing to learn.",
                ", y con clases equilibradas no tiene qué aprender.",
            )
            if balanced
            else "."
        )
    return text + say(
        ": the output layer does learn, from a hidden layer that says one thing.",
        ": la capa de salida sí aprende, de una capa oculta que dice una sola cosa.",
    )


def optimizer(found: list[Part], say: Language) -> list[Block]:
    by_name = {part.name: part for part in found}
    defaults, grid, tuned = (by_name.get(n) for n in ("defaults", "learning rates", "tuned"))
    assert defaults is not None
    assert grid is not None
    unfinished = comparison.missing(defaults, say)
    if not comparison.begun(defaults) or not comparison.begun(grid):
        return [*unfinished, *comparison.missing(grid, say)]
    blocks: list[Block] = [
        *unfinished,
        Text(
            say(
                "At Keras' defaults (the momentum arm is the assignment's SGD 0.01, momentum 0.9):",
                "Con los valores de Keras (la variante momentum es el SGD 0,01 con momento 0,9 del "
                "enunciado):",
            )
        ),
        *comparison.comparison(defaults, "optimizer-defaults", say),
        comparison.curves(defaults, "optimizer-defaults", say),
        comparison.figure(
            grid,
            "learning-rates",
            say(
                f"Learning rates tried, mean over {len(grid.seeds())} seeds of their own "
                f"({grid.seeds()[0]}–{grid.seeds()[-1]}).",
                f"Tasas de aprendizaje probadas, media de {len(grid.seeds())} semillas propias "
                f"({grid.seeds()[0]}–{grid.seeds()[-1]}).",
            ),
            figures.learning_rates,
            say,
        ),
        *comparison.missing(grid, say),
    ]
    if tuned is None:
        return blocks
    blocks += comparison.missing(tuned, say)
    if not comparison.begun(tuned):
        return blocks
    point = say(".", ",")
    rates = say.several(
        [f"{arm} {v[arm + '_lr']:g}".replace(".", point) for arm, v in tuned.values.items()]
    )
    chosen = say(
        f"Each at the learning rate its own trials chose ({rates}), on fresh seeds:",
        f"Cada uno con la tasa que eligieron sus propias pruebas ({rates}), en semillas nuevas:",
    )
    return [
        *blocks,
        Text(chosen),
        *comparison.comparison(tuned, "optimizer-tuned", say),
        comparison.curves(tuned, "optimizer-tuned", say),
        Text(closer(defaults, tuned, say)),
    ]


def closer(defaults: Part, tuned: Part, say: Language) -> str:
    """How far apart the optimizers are, at defaults and tuned, and whether tuned they tie."""
    before, after = comparison.spread(defaults.table()), comparison.spread(tuned.table())
    said = [
        f"{say.number(100 * s)} [{say.number(100 * low)}; {say.number(100 * high)}]"
        for s, low, high in (before, after)
    ]
    text = say(
        f"Best less worst optimizer: {said[0]} points at defaults, {said[1]} tuned. ",
        f"Del mejor al peor optimizador: {said[0]} puntos con los valores de Keras, {said[1]} "
        "ajustados. ",
    )
    if after[2] < before[1]:
        share = say.percent(1 - after[0] / before[0], 0)
        text += say(
            f"Tuning the learning rate takes away {share} of it: a ranking at defaults measures "
            "learning rates as well as optimizers. ",
            f"Ajustar la tasa de aprendizaje quita el {share} de esa distancia: una clasificación sin ajustar mide "
            "también tasas de aprendizaje. ",
        )
    else:
        text += say(
            "That tuning brings them closer is not detected. ",
            "No se detecta que ajustarlos los acerque. ",
        )
    others = ["momentum", "adam"]
    compared = paired.compare(tuned.table(), "sgd")
    if compared["n"].min() < paired.fewest_seeds(len(compared)):
        return text
    apart = [arm for arm in others if compared.loc[arm, "detected"]]
    if apart:
        return text + say(
            "DeepOBS has SGD, momentum and Adam tie when tuned, on a convolutional network trained "
            f"longer; in this network after {tuned.epochs} epochs {say.several(apart)} differs "
            "from SGD.",
            "En DeepOBS SGD, momento y Adam empatan una vez ajustados, con una red convolucional y "
            f"más épocas; en esta red, tras {tuned.epochs} épocas, {say.several(apart)} difiere de "
            "SGD.",
        )
    return text + say(
        "Tuned, no difference of momentum or Adam to SGD is detected, as in DeepOBS.",
        "Ajustados, no se detecta diferencia de momento o Adam con SGD, como en DeepOBS.",
    )
