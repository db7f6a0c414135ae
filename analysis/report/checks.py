"""Health checks on a study and on the claims that it supports."""

from collections.abc import Callable
from functools import cache

import pandas as pd

from analysis.evidence import observed
from analysis.evidence import power as powers
from analysis.evidence.arms import Part, parts
from analysis.evidence.study import Study
from analysis.report.blocks import FAIL, NONE, PASS, WARN, Block, Card, Finding, crash, some
from analysis.report.checked_scores import chance, selection
from analysis.report.openings import LEDGER, ledger_finding
from analysis.words.language import Language
from analysis.words.terms import terms
from search.records.trial import COMPLETED

FAILED_SHARE = 0.1
"""Share of failed trials above which a study fails the check."""


Check = Callable[[Study, list[Part], Language], Finding]


@cache
def cards(study: Study, say: Language) -> list[Block]:
    """Run all checks on a study, in a fixed order. They are run once."""
    found = parts(study)
    codes = [code for code in CHECKS if code != LEDGER or study.kind == "final"]
    return [_card(code, study, found, say) for code in codes]


def _card(code: str, study: Study, found: list[Part], say: Language) -> Card:
    try:
        return CHECKS[code](study, found, say).card(code)
    except Exception as error:  # one broken check must not prevent the others
        return crash(code, error, say)


def comparable(found: list[Part]) -> list[Part]:
    """Return the parts that compare arms with a reference."""
    return [part for part in found if part.reference and len(part.arms) > 1]


def seeds(study: Study, found: list[Part], say: Language) -> Finding:
    """Check that every part has enough seeds to detect a difference."""
    if not found:
        text = say(
            "In a search, each configuration has one seed.",
            "En una búsqueda, cada configuración tiene una semilla.",
        )
        if study.trials["executions"].max() > 1:
            text = say(
                "In a search, the seeds of a configuration choose it and cannot judge it.",
                "En una búsqueda, las semillas de una configuración la eligen y no pueden juzgarla.",
            )
        return Finding(NONE, text)
    compared = comparable(found)
    if not compared:
        text = say("There are no arms to compare yet.", "Aún no hay variantes que comparar.")
        return Finding(NONE, text)
    fewest = min(int(part.table().notna().sum().min()) for part in compared)
    needed = max(powers.fewest_seeds(len(part.arms) - 1) for part in compared)
    text = say(
        f"Every arm has at least {fewest} completed seeds. Detecting a difference in every part "
        f"takes at least {needed} seeds.",
        f"Cada variante tiene al menos {fewest} semillas terminadas. Para detectar una diferencia "
        f"en todas las partes hacen falta al menos {needed} semillas.",
    )
    if fewest >= needed:
        return Finding(PASS, text)
    asked_for = study.record.arguments.started_as(study.name) if study.record else study.name
    command = f"python -m search {study.kind} --study {asked_for} --logs {study.directory.parent}"
    todo = say(
        f"Add seeds: {command} --seeds {needed + 1}",
        f"Añada semillas: {command} --seeds {needed + 1}",
    )
    if study.kind == "final":
        todo = say(
            f"Use --seeds {needed + 1} for the next final network. For this network the test set "
            "has already been opened.",
            f"Use --seeds {needed + 1} para la próxima red final. Para esta red ya se abrió el "
            "conjunto de test.",
        )
    return Finding(WARN if fewest > 1 else FAIL, text, todo)


def bounds(study: Study, found: list[Part], say: Language) -> Finding:
    """Check that the best values do not lie on the bounds of the space, or at the ends of a grid."""
    on_bound = []
    grids = [part for part in found if part.name == "learning rates"]
    for part in grids:
        means = part.table().mean()
        for name in dict.fromkeys(values["optimizer"] for values in part.values.values()):
            arms = [arm for arm in part.arms if part.values[arm]["optimizer"] == name]
            if means[arms].notna().any() and study.best(means[arms]) in (arms[0], arms[-1]):
                on_bound.append(str(study.best(means[arms])))
    if not found and len(study.chains) and study.chains["score"].notna().any():
        on_bound += [f"{name} = {value:.4g}" for name, value in observed.on_bounds(study).items()]
    elif not grids:
        return Finding(NONE, say("No range was searched.", "No se buscó en ningún rango."))
    if not on_bound:
        text = say(
            "No best value lies on a bound of its range.",
            "Ningún mejor valor está en un límite de su rango.",
        )
        return Finding(PASS, text)
    return Finding(
        WARN,
        say("Best values on a bound of their range: ", "Mejores valores en un límite de su rango: ")
        + f"{', '.join(on_bound)}.",
        say("Widen the range and search again.", "Amplíe el rango y busque de nuevo."),
    )


def budget(study: Study, found: list[Part], say: Language) -> Finding:
    """Check that the compared trials have the same number of epochs."""
    if not found:
        stopped = stopped_early(study)
        if stopped and len(observed.budgets(study)) == 1:
            text = say(
                f"All configurations had the same budget. {stopped} of {len(study.chains)} were "
                "stopped before its end, by a callback or by the hypermodel.",
                "Todas las configuraciones tuvieron el mismo presupuesto. "
                f"{stopped} de {len(study.chains)} se pararon antes, por un callback o por el "
                "hipermodelo.",
            )
            return Finding(PASS, text)
        if len(observed.budgets(study)) <= 1:
            text = say(
                "All configurations have the same number of epochs.",
                "Todas las configuraciones tienen el mismo número de épocas.",
            )
            return Finding(PASS, text)
        text = say(
            "Configurations were trained for different numbers of epochs. This report compares "
            "them only at equal numbers of epochs.",
            "Las configuraciones se entrenaron durante distinto número de épocas. Este informe solo "
            "las compara a igual número de épocas.",
        )
        return Finding(WARN, text)
    text = say(
        "All arms of a part are trained for the same number of epochs.",
        "Todas las variantes de una parte se entrenan durante el mismo número de épocas.",
    )
    if found[0].stops:
        text = say(
            "All arms of a part have the same maximum number of epochs and the same patience.",
            "Todas las variantes de una parte tienen el mismo máximo de épocas y la misma "
            "paciencia.",
        )
    return Finding(PASS, text)


def stopped_early(study: Study) -> int:
    """Return how many completed configurations of a search without promotions ended early."""
    done = study.chains[study.chains["status"] == COMPLETED] if len(study.chains) else study.chains
    if study.promotes or not len(done):
        return 0
    return int((done["epochs"] < done["epochs"].max()).sum())


def power(study: Study, found: list[Part], say: Language) -> Finding:
    """Check which differences are not detected, and how many seeds differences of two sizes need."""
    waiting = []
    compared_parts = comparable(found)
    told = terms(study, say)
    for part in compared_parts:
        table, compared = part.table(), part.compared()
        sizes = powers.sizes(told.share, float(table[part.reference].mean()))
        for arm in compared.index[~compared["detected"]]:
            pairs = (table[arm] - table[part.reference]).dropna().to_numpy()
            needed = [powers.seeds_for(size, pairs, len(compared)) for size in sizes]
            counts = " / ".join(say.number(count, 0) for count in needed)
            waiting.append(f"{part.label}: {arm} ({counts})")
    if not compared_parts:
        text = say("There are no arms to compare.", "No hay variantes que comparar.")
        return Finding(NONE, text)
    if not waiting:
        text = say("Every difference is detected.", "Se detectan todas las diferencias.")
        return Finding(PASS, text)
    wanted = " / ".join(told.size(size) for size in sizes)
    return Finding(
        WARN,
        say(
            f"Differences not detected, with the number of seeds that would detect {wanted} with 80 % "
            f"power: {some(waiting, 12)}.",
            f"Diferencias no detectadas, con el número de semillas que detectarían {wanted} con una "
            f"potencia del 80 %: {some(waiting, 12)}.",
        ),
        say(
            "Report that no difference was detected. If you add seeds because of this result, say "
            "so: two tests have more chances of a false alarm than the 5 % of a single test.",
            "Informe de que no se detectó diferencia. Si añade semillas a la vista de este resultado, "
            "dígalo: dos pruebas tienen más ocasiones de falsa alarma que el 5 % de una sola.",
        ),
    )


def failed(study: Study, found: list[Part], say: Language) -> Finding:
    """Check how many trials failed."""
    bad = study.trials[study.trials["status"].isin(["FAILED", "INVALID"])]
    share = len(bad) / len(study.trials)
    text = say(
        f"{len(bad)} of {len(study.trials)} trials failed",
        f"Pruebas fallidas: {len(bad)} de {len(study.trials)}",
    )
    if not len(bad):
        return Finding(PASS, f"{text}.")
    return Finding(
        WARN if share <= FAILED_SHARE else FAIL,
        f"{text} ({some(list(bad.index))}).{_reasons(study, bad, say)}",
        say(
            "Correct the hypermodel, or exclude the values with which it fails. The whole traceback "
            "is in trial.json, under message.",
            "Corrija el hipermodelo o excluya los valores con los que falla. La traza completa está "
            "en trial.json, en message.",
        )
        if study.tracebacks
        else say(
            "Read the error message in trial.json. If the trial diverged, its learning rate was "
            "too high.",
            "Lea el mensaje de error en trial.json. Si la prueba divergió, su tasa de aprendizaje "
            "era demasiado alta.",
        ),
    )


def _reasons(study: Study, bad: pd.DataFrame, say: Language) -> str:
    """Return the exceptions of failed trials, each with its number of trials."""
    raised = bad.loc[bad.index.isin(list(study.tracebacks)), "message"]
    if not len(raised):
        return ""
    counted = [f"{line} ({count})" for line, count in raised.value_counts().items()]
    return say(" Exceptions: ", " Excepciones: ") + f"{some(counted, 3)}."


def mixed(study: Study, found: list[Part], say: Language) -> Finding:
    """Check that all sessions ran the same code on the same kind of machine."""
    sessions = study.sessions
    if not sessions:
        text = say("No software versions are recorded.", "No constan las versiones del software.")
        return Finding(NONE, text)
    different = [
        key
        for key in ("commit", "versions", "processor")
        if len({repr(getattr(s, key)) for s in sessions}) > 1
    ]
    if not different:
        text = say(
            "All sessions used one commit, one set of package versions and one processor.",
            "Todas las sesiones usaron un mismo commit, las mismas versiones de los paquetes y un "
            "mismo procesador.",
        )
        return Finding(PASS, text)
    return Finding(
        WARN,
        say("Sessions differ in: ", "Las sesiones difieren en: ") + f"{', '.join(different)}.",
        say(
            "Run the study again if you need bit-identical results.",
            "Repita el estudio si necesita resultados idénticos bit a bit.",
        ),
    )


def complete(study: Study, found: list[Part], say: Language) -> Finding:
    """Check that the logs are complete."""
    if not study.notes:
        return Finding(PASS, say("Nothing is missing.", "No falta nada."))
    return Finding(
        WARN,
        some(study.notes, 6),
        say(
            "Continue the study, or report on the completed trials.",
            "Continúe el estudio, o informe de las pruebas terminadas.",
        ),
    )


def ledger(study: Study, found: list[Part], say: Language) -> Finding:
    """Check how often the test set was opened, and that the record is intact."""
    return ledger_finding(study, say)


CHECKS: dict[str, Check] = {
    "SEEDS": seeds,
    "BOUNDS": bounds,
    "BUDGET": budget,
    "CHANCE": chance,
    "VALIDATION": selection,
    "POWER": power,
    "FAILED": failed,
    "MIXED": mixed,
    "COMPLETE": complete,
    LEDGER: ledger,
}
"""The checks by code, in the order of a report. A card keeps its code even if the check crashes."""
