"""The section on exercise 3: optimizers at Keras' defaults and at their best learning rates."""

from analysis.evidence.arms import Endpoint, Part
from analysis.evidence.optimizers import own_optimizers, tuning
from analysis.evidence.spread import spread
from analysis.report import comparison, figures
from analysis.report.blocks import Block, Text
from analysis.words.language import Language


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
        Text(assignments_own(defaults, say)),
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
    before, after = spread(defaults.table()), spread(tuned.table())
    shown = [
        f"{say.number(100 * s)} [{say.number(100 * low)}; {say.number(100 * high)}]"
        for s, low, high in (before, after)
    ]
    text = say(
        f"The best and the worst optimizer differ by {shown[0]} points at Keras' defaults and by "
        f"{shown[1]} points when tuned (simultaneous 95 % intervals). ",
        f"El mejor y el peor optimizador difieren en {shown[0]} puntos con los valores por defecto "
        f"de Keras y en {shown[1]} puntos una vez ajustados (intervalos simultáneos del 95 %). ",
    )
    if after[2] < before[1]:
        text += say(
            "Tuning the learning rate reduces the difference: a ranking at default values compares "
            "learning rates as well as optimizers. ",
            "Ajustar la tasa de aprendizaje reduce la diferencia: una clasificación con valores por "
            "defecto compara también tasas de aprendizaje, no solo optimizadores. ",
        )
    else:
        text += say(
            "No reduction of the difference by tuning was detected. ",
            "No se detecta que ajustarlos reduzca la diferencia. ",
        )
    return text + gained(defaults, tuned, say)


def gained(defaults: Part, tuned: Part, say: Language) -> str:
    """Say which optimizers the chosen learning rate made better, and which it did not."""
    found = tuning(defaults, tuned)
    kept = [arm for arm in found.index if tuned.values[arm] == defaults.values[arm]]
    told = {
        arm: f"{arm} {say.points(row['difference'])} {say.between(row['low'], row['high'])}"
        for arm, row in found.iterrows()
        if arm not in kept
    }
    better = [told[a] for a in told if found.loc[a, "detected"] and found.loc[a, "difference"] > 0]
    worse = [told[a] for a in told if found.loc[a, "detected"] and found.loc[a, "difference"] < 0]
    rest = [told[a] for a in told if not found.loc[a, "detected"]]
    text = say(
        "Tuned rate minus default, paired by seed, in points. ",
        "Tasa ajustada menos valor por defecto, por parejas de semilla, en puntos. ",
    )
    for listed, english, spanish in (
        (better, "The tuned rate is better for {}. ", "La tasa ajustada mejora {}. "),
        (worse, "It is worse for {}. ", "Empeora {}. "),
        (rest, "No difference is detected for {}. ", "No se detecta diferencia en {}. "),
        (kept, "The default was chosen for {}. ", "Se eligió el valor por defecto en {}. "),
    ):
        if listed:
            text += say(english, spanish).format(say.several(listed))
    return text.strip()


def assignments_own(defaults: Part, say: Language) -> str:
    """Make the comparison that the assignment asks for: its SGD, Adam and RMSprop."""
    sentences = []
    for endpoint, english, spanish in (
        (Endpoint.MEAN, "Mean over all epochs", "Media de todas las épocas"),
        (Endpoint.LEVEL, "Level at the end", "Nivel al final"),
    ):
        found = own_optimizers(defaults, endpoint)
        listed = [
            f"{arm} {say.points(row['difference'])} {say.between(row['low'], row['high'])}, "
            f"p {say.p(row['p_holm'])} "
            + (
                say("(detected)", "(detectada)")
                if row["detected"]
                else say("(not detected)", "(no detectada)")
            )
            for arm, row in found.iterrows()
        ]
        sentences.append(f"{say(english, spanish)}: {'; '.join(listed)}.")
    return say(
        "The assignment's own comparison has SGD with learning rate 0.01 and momentum 0.9 as its "
        "reference. Differences in points, with Holm's correction over its two arms. ",
        "La comparación propia de la tarea tiene como referencia SGD con tasa de aprendizaje 0,01 y "
        "momento 0,9. Diferencias en puntos, con la corrección de Holm entre sus dos variantes. ",
    ) + " ".join(sentences)
