"""The health checks on the scores: whether any is of a guess, and how optimistic the best is."""

import math

import numpy as np

from analysis.evidence import observed
from analysis.evidence.arms import Part
from analysis.evidence.study import Study
from analysis.report.blocks import NONE, PASS, WARN, Finding, some
from analysis.words.language import Language
from analysis.words.terms import terms
from search.records.trial import COMPLETED


def chance(study: Study, found: list[Part], say: Language) -> Finding:
    """Check that no trial ended at the accuracy of guessing among classes of equal size."""
    told = terms(study, say)
    guess = study.facts.chance if study.facts else 0.0
    if not told.share:
        text = say(
            f"{told.name} has no known value for a guess.",
            f"No se conoce qué {told.name} da el azar.",
        )
        return Finding(NONE, text)
    if not guess:
        text = say("The number of classes is not recorded.", "No consta el número de clases.")
        return Finding(NONE, text)
    name = study.objective.name
    curves = study.curves[study.curves["execution"] == 0]
    if curves[name].isna().all():
        return Finding(NONE, say("There are no curves.", "No hay curvas."))
    done = study.trials.index[study.trials["status"] == COMPLETED]
    curves = curves[curves["trial"].isin(done)]
    last = curves.dropna(subset=[name]).groupby("trial").tail(1)
    stuck = last[observed.at_chance(study, last[name])]["trial"]
    if not len(stuck):
        text = say(
            "No trial ended at chance accuracy.",
            "Ninguna prueba acabó al nivel del azar.",
        )
        return Finding(PASS, text)
    share = say.percent(len(stuck) / len(last), 0)
    listed = some(list(stuck))
    return Finding(
        WARN,
        say(
            f"{len(stuck)} of {len(last)} trials ended at chance accuracy ({share}): {listed}.",
            f"{len(stuck)} de {len(last)} pruebas acabaron al nivel del azar ({share}): {listed}.",
        ),
        say(
            "Look at the training loss of these trials: if it does not fall either, the learning rate "
            "is wrong for them, or the network cannot learn.",
            "Mire la pérdida de entrenamiento de estas pruebas: si tampoco baja, su tasa de "
            "aprendizaje no es adecuada o la red no puede aprender.",
        )
        if study.own
        else say(
            "Check for dead and saturated units in TensorBoard. Chance accuracy is expected if all "
            "weights start at zero.",
            "Busque unidades muertas y saturadas en TensorBoard. Si todos los pesos empiezan en "
            "cero, este resultado es el esperado.",
        ),
    )


UNBIASED = {
    "exercises": (
        "Arms are compared after a fixed epoch. Learning rates were chosen on splits of other "
        "seeds. Only early stopping is judged on the images that chose the epoch.",
        "Las variantes se comparan tras una época fija. Las tasas de aprendizaje se eligieron con "
        "particiones de otras semillas. Solo la parada temprana se juzga con las imágenes que "
        "eligieron la época.",
    ),
    "compare": (
        "Arms are compared after a fixed epoch, with values that were given beforehand.",
        "Las variantes se comparan tras una época fija, con valores dados de antemano.",
    ),
    "ablation": (
        "Trials are compared after a fixed epoch. The races and the measurements of the path used "
        "different seeds.",
        "Las pruebas se comparan tras una época fija. Las carreras y las medidas del camino usaron "
        "semillas distintas.",
    ),
    "final": (
        "Runs are not judged on the {examples} that stopped them. The configuration was not chosen "
        "on the seeds that judge it.",
        "Las pruebas no se juzgan con las {examples} que las detuvieron. La configuración no se "
        "eligió con las semillas que la juzgan.",
    ),
}
"""By kind of study of arms: why choosing does not bias its results."""


def selection(study: Study, found: list[Part], say: Language) -> Finding:
    """Check how much the best of many scores overstates accuracy."""
    told = terms(study, say)
    if found:
        return Finding(PASS, say(*UNBIASED[study.kind]).replace("{examples}", told.examples))
    if not told.share:
        text = say(
            f"The best of many values of {told.name} is optimistic. By how much can be estimated "
            "only for accuracies.",
            f"El mejor de muchos valores de {told.name} es optimista. Cuánto, solo puede estimarse "
            "para exactitudes.",
        )
        return Finding(NONE, text)
    scores = study.chains["score"].dropna().to_numpy(float) if len(study.chains) else np.array([])
    images = study.facts.validation_size if study.facts else 0
    bias = observed.selection_bias(scores, images, np.random.default_rng(0))
    if math.isnan(bias):
        text = say(
            f"The number of validation {told.examples} is not recorded.",
            f"No consta el número de {told.examples} de validación.",
        )
        return Finding(NONE, text)
    points = say.number(100 * bias, 1)
    return Finding(
        WARN if bias > 0.002 else PASS,
        say(
            f"Picking the best of {len(scores)} scores on {images} {told.examples} overstates accuracy by "
            f"about {points} points. Picking the best epoch adds to that.",
            f"Elegir la mejor de {len(scores)} puntuaciones con {images} {told.examples} sobrestima "
            f"la exactitud en unos {points} puntos. Elegir la mejor época aumenta ese sesgo.",
        ),
        say(
            f"Judge the chosen configuration on {told.examples} that were not used to choose it.",
            f"Juzgue la configuración elegida con {told.examples} que no sirvieron para elegirla.",
        ),
    )
