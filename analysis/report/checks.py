"""Health checks on a study and on what may be claimed from it."""

import math
from collections.abc import Callable

import numpy as np

from analysis.evidence import observed, paired
from analysis.evidence.arms import Part, parts
from analysis.evidence.trials import Study
from analysis.report.blocks import Block, Card
from analysis.report.opening import ledger_card
from analysis.words.language import Language

FAILED_SHARE = 0.1


CHANCE = 0.1


PASS, WARN, FAIL, NONE = "PASS", "WARN", "FAIL", "N/A"


def cards(study: Study, say: Language) -> list[Block]:
    """All checks, in a fixed order."""
    made = [seeds, bounds, budget, chance, used_up, undetected, failed, mixed, complete]
    if study.kind == "final":
        made.append(ledger)
    found = parts(study)
    return [_carried_out(check, study, found, say) for check in made]


def ledger(study: Study, found: list[Part], say: Language) -> Card:
    return ledger_card(study, say)


def comparable(found: list[Part]) -> list[Part]:
    """The parts that compare arms with a reference, as far as they are planned."""
    return [part for part in found if part.reference and len(part.arms) > 1]


UNFLATTERED = {
    "exercises": (
        "arms are compared after a fixed epoch; learning rates were chosen on splits of other "
        "seeds; early stopping alone is judged by the images that chose the epoch",
        "las variantes se comparan tras una época fija; las tasas de aprendizaje se eligieron con "
        "particiones de otras semillas; solo la parada temprana se juzga con las imágenes que "
        "eligieron la época",
    ),
    "ablation": (
        "trials are compared after a fixed epoch; changes were raced on other seeds than the path "
        "is measured on",
        "las pruebas se comparan tras una época fija; las carreras usaron otras semillas que la "
        "medida del camino",
    ),
    "final": (
        "images that stop a run do not judge it; the configuration was chosen on other seeds than "
        "it is judged on",
        "las imágenes que detienen una prueba no la juzgan; la configuración se eligió con otras "
        "semillas que las que la juzgan",
    ),
}
"""Why the figures of a study of arms are not flattered by choosing, by its kind."""


Check = Callable[[Study, list[Part], Language], Card]


def _carried_out(check: Check, study: Study, found: list[Part], say: Language) -> Card:
    try:
        return check(study, found, say)
    except Exception as error:  # the other checks stand
        return Card(check.__name__.upper(), FAIL, f"{type(error).__name__}: {error}")


def seeds(study: Study, found: list[Part], say: Language) -> Card:
    if not found:
        return Card(
            "SEEDS",
            NONE,
            say(
                "a search: each configuration has one seed",
                "una búsqueda: cada configuración tiene una semilla",
            ),
        )
    compared = comparable(found)
    if not compared:
        return Card("SEEDS", NONE, say("nothing to compare yet", "aún no hay nada que comparar"))
    fewest = min(int(part.table().notna().sum().min()) for part in compared)
    needed = max(paired.fewest_seeds(len(part.arms) - 1) for part in compared)
    text = say(
        f"every arm has at least {fewest} finished seeds; {needed} are the fewest that can show a "
        "difference in every part",
        f"cada variante tiene al menos {fewest} semillas terminadas; {needed} son las mínimas que "
        "pueden mostrar una diferencia en todas las partes",
    )
    if fewest >= needed:
        return Card("SEEDS", PASS, text)
    asked_for = study.about["arguments"].get("search", study.name)
    command = f"python -m search {study.kind} --study {asked_for} --logs {study.directory.parent}"
    todo = say(f"go on: {command} --seeds {needed + 1}", f"siga: {command} --seeds {needed + 1}")
    if study.kind == "final":
        todo = say(
            f"--seeds {needed + 1} for a next final network; here the test set was opened",
            f"--seeds {needed + 1} para otra red final; aquí ya se abrió el conjunto de test",
        )
    return Card("SEEDS", WARN if fewest > 1 else FAIL, text, todo)


def bounds(study: Study, found: list[Part], say: Language) -> Card:
    """Best values of a search on the bounds of its space; best of a grid at its end."""
    on_bound = []
    grids = [part for part in found if part.name == "learning rates"]
    for part in grids:
        means = part.table().mean()
        for name in dict.fromkeys(values["optimizer"] for values in part.values.values()):
            arms = [arm for arm in part.arms if part.values[arm]["optimizer"] == name]
            if means[arms].notna().any() and means[arms].idxmax() in (arms[0], arms[-1]):
                on_bound.append(str(means[arms].idxmax()))
    if not found and len(study.chains) and study.chains["val_accuracy"].notna().any():
        on_bound += [f"{name} = {value:.4g}" for name, value in observed.on_bounds(study).items()]
    elif not grids:
        return Card("BOUNDS", NONE, say("no range was searched", "no se buscó en ningún rango"))
    if not on_bound:
        return Card(
            "BOUNDS",
            PASS,
            say("no best value lies on a bound", "ningún mejor valor está en un límite"),
        )
    return Card(
        "BOUNDS",
        WARN,
        say("on a bound: ", "en un límite: ") + ", ".join(on_bound),
        say("widen the range and search again", "amplíe el rango y busque de nuevo"),
    )


def budget(study: Study, found: list[Part], say: Language) -> Card:
    if not found:
        several = len(observed.budgets(study)) > 1
        text = say(
            "configurations were trained for different budgets; comparisons here are at equal ones",
            "las configuraciones tienen presupuestos distintos; aquí se comparan a igual presupuesto",
        )
        return Card(
            "BUDGET",
            WARN if several else PASS,
            text if several else say("one budget", "un presupuesto"),
        )
    text = say(
        "all arms of a part have the same epochs",
        "todas las variantes de una parte tienen las mismas épocas",
    )
    if found[0].stops:
        text = say(
            "all arms of a part have the same longest budget and the same patience",
            "todas las variantes de una parte tienen el mismo presupuesto máximo y la misma "
            "paciencia",
        )
    return Card("BUDGET", PASS, text)


def chance(study: Study, found: list[Part], say: Language) -> Card:
    curves = study.curves[study.curves["execution"] == 0]
    if curves["val_accuracy"].isna().all():
        return Card("CHANCE", NONE, say("no curves", "sin curvas"))
    done = study.trials.index[study.trials["status"] == "COMPLETED"]
    curves = curves[curves["trial"].isin(done)]
    last = curves.dropna(subset=["val_accuracy"]).groupby("trial").tail(1)
    stuck = last[last["val_accuracy"] <= CHANCE + 0.01]["trial"]
    if not len(stuck):
        return Card(
            "CHANCE",
            PASS,
            say("no trial ended at chance", "ninguna prueba acabó al nivel del azar"),
        )
    share = len(stuck) / len(last)
    return Card(
        "CHANCE",
        WARN,
        say(
            f"{len(stuck)} of {len(last)} trials ended at chance ({say.percent(share, 0)}): {_some(list(stuck))}",
            f"{len(stuck)} de {len(last)} pruebas acabaron al nivel del azar ({say.percent(share, 0)}): {_some(list(stuck))}",
        ),
        say(
            "look at dead and saturated units in TensorBoard; zeros is expected to be there",
            "mire las unidades muertas y saturadas en TensorBoard; con ceros es lo esperado",
        ),
    )


def used_up(study: Study, found: list[Part], say: Language) -> Card:
    """Validation used to choose: how much the best of many flatters."""
    if found:
        return Card("VALIDATION", PASS, say(*UNFLATTERED[study.kind]))
    scores = (
        study.chains["val_accuracy"].dropna().to_numpy(float) if len(study.chains) else np.array([])
    )
    images = study.about.get("validation_images", 0)
    bias = observed.selection_bias(scores, images, np.random.default_rng(0))
    if math.isnan(bias):
        return Card(
            "VALIDATION",
            NONE,
            say(
                "the number of validation images is not recorded",
                "no consta el número de imágenes de validación",
            ),
        )
    return Card(
        "VALIDATION",
        WARN if bias > 0.002 else PASS,
        say(
            f"the best of {len(scores)} scores on {images} images flatters by some "
            f"{say.number(100 * bias, 1)} points, and by what choosing its epoch adds",
            f"la mejor de {len(scores)} puntuaciones con {images} imágenes resulta optimista en "
            f"unos {say.number(100 * bias, 1)} puntos, más lo que añade elegir su época",
        ),
        say(
            "judge the chosen one on images that did not choose it",
            "juzgue la elegida con imágenes que no la eligieron",
        ),
    )


def undetected(study: Study, found: list[Part], say: Language) -> Card:
    waiting = []
    compared_parts = comparable(found)
    for part in compared_parts:
        table = part.table()
        compared = paired.compare(table, part.reference)
        for arm in compared.index[~compared["detected"]]:
            pairs = (table[arm] - table[part.reference]).dropna().to_numpy()
            needed = paired.seeds_needed(pairs, len(compared))
            waiting.append(f"{part.label}: {arm} ({say.number(needed, 0)})")
    if not waiting:
        return Card(
            "POWER",
            PASS if compared_parts else NONE,
            say("every difference is detected", "toda diferencia se detecta")
            if compared_parts
            else say("no arms to compare", "sin variantes que comparar"),
        )
    return Card(
        "POWER",
        WARN,
        say(
            f"not detected at this number of seeds (in brackets, how many would show the measured difference): {_some(waiting, 12)}",
            f"sin detectar con estas semillas (entre paréntesis, cuántas mostrarían la diferencia medida): {_some(waiting, 12)}",
        ),
        say(
            "add seeds, or say that no difference was detected",
            "añada semillas, o diga que no se detecta diferencia",
        ),
    )


def failed(study: Study, found: list[Part], say: Language) -> Card:
    bad = study.trials[study.trials["status"].isin(["FAILED", "INVALID"])]
    share = len(bad) / len(study.trials)
    text = say(
        f"{len(bad)} of {len(study.trials)} trials failed",
        f"fallaron {len(bad)} de {len(study.trials)} pruebas",
    )
    if not len(bad):
        return Card("FAILED", PASS, text)
    return Card(
        "FAILED",
        WARN if share <= FAILED_SHARE else FAIL,
        f"{text}: {_some(list(bad.index))}",
        say(
            "read their message in trial.json; a diverged one had too high a learning rate",
            "lea su mensaje en trial.json; si divergió, su tasa de aprendizaje era demasiado alta",
        ),
    )


def mixed(study: Study, found: list[Part], say: Language) -> Card:
    sessions = study.about.get("sessions", [])
    if not sessions:
        return Card("MIXED", NONE, say("no record of versions", "no constan versiones"))
    different = [
        key
        for key in ("commit", "versions", "processor")
        if len({repr(s.get(key)) for s in sessions}) > 1
    ]
    if not different:
        return Card(
            "MIXED",
            PASS,
            say(
                "one commit, one set of versions, one processor",
                "un commit, un solo conjunto de versiones, un procesador",
            ),
        )
    return Card(
        "MIXED",
        WARN,
        say("runs differ in ", "las sesiones difieren en ") + ", ".join(different),
        say("run the study again where bits matter", "repita el estudio si los bits importan"),
    )


def complete(study: Study, found: list[Part], say: Language) -> Card:
    if not study.notes:
        return Card("COMPLETE", PASS, say("nothing is missing", "no falta nada"))
    return Card(
        "COMPLETE",
        WARN,
        _some(study.notes, 6),
        say(
            "continue the study, or report what is there",
            "continúe el estudio, o informe de lo que hay",
        ),
    )


def _some(names: list[str], most: int = 8) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" … (+{rest})" if rest > 0 else "")
