"""The sections on exercises 1 to 3, from a controlled study; regularization.py has 4.1."""

import math
from functools import partial

import numpy as np
import pandas as pd

from analysis.evidence import paired
from analysis.evidence.arms import Part, parts
from analysis.evidence.study import Study
from analysis.report import comparison, figures
from analysis.report.blocks import Block, Chapter, Table, Text
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
        *(block for part in depths for block in comparison.missing(part, say)),
        Text(by_depth(depths, say)),
        comparison.figure(
            deepest,
            "depth",
            say(
                "Validation accuracy after the last epoch, by depth: mean and 95 % interval.",
                "Exactitud de validación tras la última época, según la profundidad: media e "
                "intervalo del 95 %.",
            ),
            lambda part, language: figures.by_depth(depths, language),
            say,
        ),
        depth_table(depths, say),
    ]


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
        "Why: before training, the gradient of each hidden layer is that of the next layer "
        f"multiplied by a factor: {listed} (geometric mean, {part.level} hidden layers, "
        f"n = {len(part.seeds())}). The slope of a sigmoid is at most 1/4: "
        + ("the measured factor agrees." if agrees else "the measured factor does not agree."),
        "Por qué: antes de entrenar, el gradiente de cada capa oculta es el de la capa siguiente "
        f"multiplicado por un factor: {listed} (media geométrica, {part.level} capas ocultas, "
        f"n = {len(part.seeds())}). La pendiente de una sigmoide es como mucho 1/4: "
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
            result = say("too few seeds to detect any", "muy pocas semillas para detectarlas")
        else:
            result = say.several(found) or say("none", "ninguna")
        sentences.append(f"{part.level}: {result}")
    return say(
        "Differences from relu detected, in points, by number of hidden layers: ",
        "Diferencias con relu detectadas, en puntos, según el número de capas ocultas: ",
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
                    say("difference from relu", "diferencia con relu"): ""
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
        "Accuracy by depth. Every hidden layer has 128 units; the initializer is Glorot uniform, "
        "the optimizer Adam. Differences are paired by seed.",
        "Exactitud según la profundidad. Cada capa oculta tiene 128 unidades; el inicializador es "
        "Glorot uniforme y el optimizador, Adam. Las diferencias son por parejas de semilla.",
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
                "First, every optimizer has Keras' default hyperparameters. The arm momentum is the "
                "assignment's SGD with learning rate 0.01 and momentum 0.9.",
                "Primero, cada optimizador tiene los hiperparámetros por defecto de Keras. La "
                "variante momentum es el SGD de la tarea, con tasa de aprendizaje 0,01 y momento "
                "0,9.",
            )
        ),
        *comparison.comparison(defaults, "optimizer-defaults", say),
        comparison.curves(defaults, "optimizer-defaults", say),
        comparison.figure(
            grid,
            "learning-rates",
            say(
                f"Validation accuracy by learning rate, mean over {len(grid.seeds())} seeds "
                f"({grid.seeds()[0]}–{grid.seeds()[-1]}) used only to choose the learning rates.",
                f"Exactitud de validación según la tasa de aprendizaje, media de "
                f"{len(grid.seeds())} semillas ({grid.seeds()[0]}–{grid.seeds()[-1]}) usadas solo "
                "para elegir las tasas.",
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
        "Then every optimizer has its best learning rate from that grid and is trained on fresh "
        f"seeds: {rates}.",
        "Después, cada optimizador tiene su mejor tasa de esa rejilla y se entrena con semillas "
        f"nuevas: {rates}.",
    )
    return [
        *blocks,
        Text(chosen),
        *comparison.comparison(tuned, "optimizer-tuned", say),
        comparison.curves(tuned, "optimizer-tuned", say),
        Text(closer(defaults, tuned, say)),
    ]


def closer(defaults: Part, tuned: Part, say: Language) -> str:
    """Say how far apart the optimizers are with default and with tuned learning rates."""
    before, after = comparison.spread(defaults.table()), comparison.spread(tuned.table())
    shown = [
        f"{say.number(100 * s)} [{say.number(100 * low)}; {say.number(100 * high)}]"
        for s, low, high in (before, after)
    ]
    text = say(
        f"The best and the worst optimizer differ by {shown[0]} points at Keras' defaults and by "
        f"{shown[1]} points when tuned. ",
        f"El mejor y el peor optimizador difieren en {shown[0]} puntos con los valores por defecto "
        f"de Keras y en {shown[1]} puntos una vez ajustados. ",
    )
    if after[2] < before[1]:
        share = say.percent(1 - after[0] / before[0], 0)
        text += say(
            f"Tuning the learning rate removes {share} of the difference: a ranking at default "
            "values compares learning rates as well as optimizers. ",
            f"Ajustar la tasa de aprendizaje elimina el {share} de la diferencia: una clasificación "
            "con valores por defecto compara también tasas de aprendizaje, no solo optimizadores. ",
        )
    else:
        text += say(
            "No reduction of the difference by tuning was detected. ",
            "No se detecta que ajustarlos reduzca la diferencia. ",
        )
    others = ["momentum", "adam"]
    compared = paired.compare(tuned.table(), "sgd")
    if compared["n"].min() < paired.fewest_seeds(len(compared)):
        return text
    apart = [arm for arm in others if compared.loc[arm, "detected"]]
    if apart:
        return text + say(
            "In DeepOBS, tuned SGD, momentum and Adam perform alike, on a convolutional network "
            f"trained for more epochs. In this network, a difference from SGD is detected after "
            f"{tuned.epochs} epochs for {say.several(apart)}.",
            "En DeepOBS, SGD, momento y Adam rinden igual una vez ajustados, con una red "
            "convolucional y más épocas. En esta red, tras "
            f"{tuned.epochs} épocas, se detecta una diferencia con SGD en {say.several(apart)}.",
        )
    return text + say(
        "When tuned, no difference from SGD is detected for momentum or Adam, as in DeepOBS.",
        "Una vez ajustados, no se detecta diferencia con SGD en momento ni en Adam, como en "
        "DeepOBS.",
    )
