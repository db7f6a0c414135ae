"""The sections on exercises 1 and 2, and the plan of all: optimizers.py has 3, regularization.py 4.1."""

import itertools
import math
from functools import partial

import numpy as np
import pandas as pd

from analysis.evidence import paired, power
from analysis.evidence.arms import Part, parts
from analysis.evidence.depth import ITSELF, slopes
from analysis.evidence.study import Study
from analysis.report import comparison, figures
from analysis.report.blocks import Block, Chapter, Table, Text
from analysis.report.cells import shown_accuracy
from analysis.report.optimizers import optimizer
from analysis.report.regularization import regularization
from analysis.words.language import Language


def sections(study: Study, say: Language) -> list[Chapter]:
    """Plan a section for each exercise that the study contains."""
    found = parts(study)
    known = [
        (
            "activation",
            say("1 · Does the activation matter?", "1 · ¿Importa la función de activación?"),
            activation,
        ),
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
        Chapter(key, title, partial(make, own, say))
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
                f"Gradient norm of each layer's weights before training, in the network with "
                f"{deepest.level} hidden layers. The last layer is the output layer.",
                "Norma del gradiente de los pesos de cada capa antes de entrenar, en la red de "
                f"{deepest.level} capas ocultas. La última capa es la de salida.",
            ),
            lambda part, language: figures.by_layer(part, "gradient_norm", language),
            say,
        ),
        comparison.figure(
            main,
            "saturation",
            say(
                "Share of saturated (image, unit) pairs by epoch: mean and 95 % interval over "
                "seeds. A pair is saturated if its slope is below 5 % of the activation's maximum "
                "slope.",
                "Proporción de pares (imagen, unidad) saturados por época: media e intervalo del "
                "95 % entre semillas. Un par está saturado si su pendiente es menor del 5 % de la "
                "pendiente máxima de la activación.",
            ),
            figures.saturation,
            say,
        ),
        Text(saturated(main, say)),
        *(block for part in depths for block in comparison.missing(part, say)),
        Text(by_depth(depths, say)),
        comparison.figure(
            deepest,
            "depth",
            say(
                "Validation accuracy at the end, by depth: mean and 95 % interval.",
                "Exactitud de validación al final, según la profundidad: media e intervalo del 95 %.",
            ),
            lambda part, language: figures.by_depth(depths, language),
            say,
        ),
        depth_table(depths, say),
    ]


def saturated(part: Part, say: Language) -> str:
    """Say how many pairs are saturated at the end, and what that means of ReLU."""
    last = part.curves[part.curves["epoch"] == part.epochs]
    layers = figures.layer_names(last, "saturated")
    shares = last.groupby("arm")[[f"saturated/{layer}" for layer in layers]].mean().mean(axis=1)
    listed = say.several(
        [f"{arm} {say.percent(shares[arm], 0)}" for arm in part.arms if arm in shares.dropna()]
    )
    return say(
        f"Saturated at the end, mean over hidden layers: {listed}. For ReLU, a saturated pair is a unit "
        "that an image leaves at 0. Other images still train this unit, and the slope of all other pairs "
        "is 1. A saturated sigmoid passes almost nothing on.",
        f"Saturación al final, media de las capas ocultas: {listed}. En ReLU, un par saturado es una "
        "unidad que una imagen deja en 0. Otras imágenes sí entrenan esa unidad, y la pendiente de los "
        "demás pares es 1. Una sigmoide saturada no deja pasar casi nada.",
    )


def layer_ratio(part: Part, arm: str) -> float:
    """Return the factor by which the gradient changes from one hidden layer to the previous layer.

    The factor is a geometric mean over seeds and over neighbouring hidden layers, at the start of
    training. The first hidden layer is left out because its input is the image. Glorot weights
    preserve the norm of the gradient, so the factor is the mean slope of the activation.
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
        "Why, as measured: before training, the gradient of each hidden layer is that of the next layer "
        f"multiplied by a factor: {listed} (geometric mean, {part.level} hidden layers, "
        f"n = {len(part.seeds())}). The slope of a sigmoid is at most 1/4: "
        + ("the measured factor agrees." if agrees else "the measured factor does not agree."),
        "Por qué, según lo medido: antes de entrenar, el gradiente de cada capa oculta es el de la capa siguiente "
        f"multiplicado por un factor: {listed} (media geométrica, {part.level} capas ocultas, "
        f"n = {len(part.seeds())}). La pendiente de una sigmoide es como mucho 1/4: "
        + ("el factor medido concuerda." if agrees else "el factor medido no concuerda."),
    )


def by_depth(depths: list[Part], say: Language) -> str:
    """Say how the accuracy of ReLU and the differences from it change with depth."""
    found = slopes(depths)
    first, last = depths[0].level, depths[-1].level
    text = say(
        f"Depth, from {first} to {last} hidden layers. One slope is tested for each activation, with "
        "Holm's correction, in points per layer. ",
        f"Profundidad, de {first} a {last} capas ocultas. De cada activación se prueba una pendiente, con "
        "la corrección de Holm, en puntos por capa. ",
    )
    if found["n"].min() < power.fewest_seeds(len(found)):
        return text + say(
            f"{found['n'].min()} seeds are too few to detect any.",
            f"{found['n'].min()} semillas son muy pocas para detectar ninguna.",
        )
    relu = depths[0].reference
    for arm, row in found.iterrows():
        by = f"{say.points(row['difference'])} {say.between(row['low'], row['high'])}"
        p = say.p(row["p_holm"])
        if arm == ITSELF:
            text += say(
                f"The accuracy of {relu} itself: {by}, p {p}, ",
                f"La exactitud de la propia {relu}: {by}, p {p}, ",
            )
        else:
            text += say(f"{arm} less {relu}: {by}, p {p}, ", f"{arm} menos {relu}: {by}, p {p}, ")
        text += (
            say("detected. ", "detectada. ")
            if row["detected"]
            else say("not detected. ", "no detectada. ")
        )
    return text.strip()


def depth_table(depths: list[Part], say: Language) -> Table:
    rows, numbers, trials = [], [], []
    for part in depths:
        table, compared = part.table(), part.compared()
        for arm in part.arms:
            values = table[arm].dropna().to_numpy()
            mean, low, high = paired.interval(values)
            other = compared.loc[arm] if arm in compared.index else None
            rows.append(
                {
                    say("layers", "capas"): part.level,
                    say("arm", "variante"): arm,
                    "n": len(values),
                    say("val. accuracy %", "exactitud val. %"): shown_accuracy(
                        mean, low, high, say
                    ),
                    say("difference from relu", "diferencia con relu"): ""
                    if other is None
                    else f"{say.points(other['difference'])} "
                    f"{say.between(other['low'], other['high'])}",
                }
            )
            number: dict[str, object] = {"layers": part.level, "arm": arm, "n": len(values)}
            number |= {"val_accuracy": mean, "low": low, "high": high}
            if other is not None:
                ends = {"difference_low": other["low"], "difference_high": other["high"]}
                number |= {"difference": other["difference"], **ends}
            numbers.append(number)
            trials.append(part.trials(arm))
    caption = say(
        "Accuracy at the end by depth. Every hidden layer has 128 units; the initializer is Glorot "
        "uniform, the optimizer Adam. Differences are paired by seed. These rows describe; the tests "
        "are those of the slopes.",
        "Exactitud al final según la profundidad. Cada capa oculta tiene 128 unidades; el inicializador "
        "es Glorot uniforme y el optimizador, Adam. Las diferencias son por parejas de semilla. Estas "
        "filas describen; los contrastes son los de las pendientes.",
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
        Text(scales(main, say)),
        comparison.figure(
            main,
            "initializer-gradients",
            say(
                "Gradient norm by layer before training. With zeros, only the bias of the output "
                "layer has a gradient.",
                "Norma del gradiente por capa antes de entrenar. Con ceros, solo el sesgo de la "
                "capa de salida tiene gradiente.",
            ),
            lambda part, language: figures.by_layer(part, "gradient_norm", language),
            say,
        ),
        *under_sigmoid(sigmoid, say),
    ]


NORMAL = 0.05
"""Standard deviation of Keras' RandomNormal."""


def scales(part: Part, say: Language) -> str:
    """Compare the standard deviations of random normal and of Glorot, layer by layer."""
    values = part.values[part.reference]
    units = [int(values[f"units_{n}"]) for n in range(1, int(values["layers"]) + 1)]
    facts = part.study.facts
    widths = [facts.features if facts else 784, *units, len(facts.classes) if facts else 10]
    pairs = dict.fromkeys(itertools.pairwise(widths))
    listed = [f"{a}→{b}: {say.number(NORMAL / math.sqrt(2 / (a + b)), 2)}" for a, b in pairs]
    return say(
        "Why, by arithmetic: random normal has a standard deviation of 0.05 in every layer, and Glorot "
        f"√(2 / (inputs + outputs)). The first as a multiple of the second: {'; '.join(listed)}. The "
        "layers start with weights of a similar size or half of it, so both can train.",
        "Por qué, por aritmética: la normal aleatoria tiene una desviación típica de 0,05 en cada capa, y "
        "la de Glorot es √(2 / (entradas + salidas)). La primera como múltiplo de la segunda: "
        f"{'; '.join(listed)}. Las capas empiezan con pesos de tamaño parecido o la mitad, así que ambas "
        "pueden entrenar.",
    )


def under_sigmoid(part: Part, say: Language) -> list[Block]:
    unfinished = comparison.missing(part, say)
    if not comparison.begun(part):
        return unfinished
    arms = say.several(part.arms)
    text = say(
        f"A second experiment repeats the comparison with sigmoid instead of ReLU, for {arms}.",
        f"Un segundo experimento repite la comparación con sigmoid en lugar de ReLU, para {arms}.",
    )
    return [
        Text(text),
        *unfinished,
        Text(zeros(part, say)),
        *comparison.comparison(part, "initializer-sigmoid", say),
    ]


def zeros(part: Part, say: Language) -> str:
    """Say what zeros does, from the measurements of the last epoch."""
    own = part.curves[(part.curves["arm"] == "zeros") & (part.curves["epoch"] == part.epochs)]
    activation = part.values["zeros"]["activation"]
    layers = figures.layer_names(own, "distinct")
    distinct = [own[f"distinct/{layer}"].max() for layer in layers]
    units = [part.values["zeros"][f"units_{i + 1}"] for i in range(len(layers))]
    identical = all(round(share * count) <= 1 for share, count in zip(distinct, units, strict=True))
    loss, accuracy = own["val_loss"].mean(), own["val_accuracy"].mean()
    dead = own[[f"dead/{layer}" for layer in layers]].to_numpy().min()
    nothing = not own["weight_norm/output"].any()
    classes = len(part.study.facts.classes) if part.study.facts else 10
    balanced = ((own["val_accuracy"] - 1 / classes).abs() < 1e-6).all()
    guess = f"ln {classes} = {say.number(math.log(classes), 4)}"
    text = say(
        f"Zeros under {activation}: after {part.epochs} epochs, the loss is {say.number(loss, 4)} "
        f"({guess}) and the accuracy is {say.percent(accuracy)}. ",
        f"Ceros con {activation}: tras {part.epochs} épocas, la pérdida es {say.number(loss, 4)} "
        f"({guess}) y la exactitud es del {say.percent(accuracy)}. ",
    )
    if identical:
        text += say(
            "The units of each hidden layer are exactly identical",
            "Las unidades de cada capa oculta son idénticas hasta el último bit",
        )
    else:
        text += say(
            "The units of at least one hidden layer are not all identical",
            "Las unidades de alguna capa oculta no son todas idénticas",
        )
    if not nothing:
        return text + say(
            ". The output layer does learn, but the last hidden layer feeds it a single value.",
            ". La capa de salida sí aprende, pero la última capa oculta solo le da un valor.",
        )
    text += say(
        f", and {say.percent(dead, 0)} of them are dead. No weight ever changes; only the bias of "
        "the output layer does.",
        f" y el {say.percent(dead, 0)} están muertas. No cambia ningún peso, solo el sesgo de la "
        "capa de salida.",
    )
    if balanced:
        text += say(
            " The classes are balanced, so the bias has nothing to learn.",
            " Las clases están equilibradas, así que el sesgo no tiene nada que aprender.",
        )
    return text
