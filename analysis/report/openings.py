"""The check on the record of test-set openings: how often, why, and whether the record is intact."""

from analysis.evidence.ledger import Ledger, ledger_of
from analysis.evidence.study import Study
from analysis.report.blocks import FAIL, NONE, PASS, WARN, Finding
from analysis.words.language import Language
from analysis.words.terms import terms

LEDGER = "LEDGER"
"""Code of the check on the record of test-set openings."""


def ledger_finding(study: Study, say: Language) -> Finding:
    """Check how often the test set was opened, for what reason, and that the record is intact."""
    book, told = ledger_of(study), terms(study, say)
    openings = book.openings
    if book.wrong:
        return _damaged(book, say)
    if not openings:
        text = say("The test set has not been opened.", "El conjunto de test no se ha abierto.")
        return Finding(NONE, text)
    models, day = len(openings[-1].models), openings[-1].time[:10]
    status = PASS
    found = say(
        f"The test set was opened once, on {day}, for {models} models declared by hash beforehand.",
        f"El conjunto de test se abrió una vez, el {day}, para {models} modelos declarados de "
        "antemano por su hash.",
    )
    todo = ""
    if len(openings) > 1:
        reasons = "; ".join(f"{e.time[:10]}: {e.reason}" for e in openings[1:])
        status = WARN
        found = say(
            f"The test set was opened {len(openings)} times. Reasons for opening it again: "
            f"{reasons}.",
            f"El conjunto de test se abrió {len(openings)} veces. Motivos para abrirlo de nuevo: "
            f"{reasons}.",
        )
        if book.repeated:
            found += told(
                " In all openings, each model predicted the same class for every image.",
                " En todas las aperturas, cada modelo predijo la misma clase para cada imagen.",
            )
        else:
            todo = say(
                "Treat the latest test accuracies as validation accuracies.",
                "Trate las últimas exactitudes de test como exactitudes de validación.",
            )
    elsewhere = dict.fromkeys(f"{other.study} ({other.time[:10]})" for other in book.elsewhere)
    if elsewhere:
        listed = say.several(list(elsewhere))
        status = WARN
        todo = todo or say(
            "Make sure that no choice in this study depended on their test results.",
            "Asegúrese de que ninguna decisión de este estudio dependió de sus resultados de test.",
        )
        found += say(
            f" Other studies had already been evaluated on these {told.examples}: {listed}.",
            f" Otros estudios ya se habían evaluado con estas {told.examples}: {listed}.",
        )
    if book.interrupted:
        status = WARN
        found += say(" The last opening was interrupted.", " La última apertura se interrumpió.")
        todo = say("Run the same command again.", "Ejecute de nuevo la misma orden.")
    if not book.witnessed:
        status = WARN
        found += say(
            " The record of the search, which confirms the ledger, is missing.",
            " Falta el registro de la búsqueda, que confirma el libro de aperturas.",
        )
    return Finding(status, found, todo)


def _damaged(book: Ledger, say: Language) -> Finding:
    """Return the finding on a ledger that is not as it was written."""
    count = len(book.openings)
    found = "; ".join(book.wrong) + say(
        f". In its present state, the ledger records {count} openings",
        f". En su estado actual, el libro registra {count} aperturas",
    )
    reasons = "; ".join(e.reason for e in book.openings if e.reason)
    found += f" ({reasons})." if reasons else "."
    todo = say(
        "Restore the files from version control or a copy. Until then, the numbers of this section "
        "are unconfirmed.",
        "Recupere los ficheros del repositorio o de una copia. Hasta entonces, las cifras de esta "
        "sección no están confirmadas.",
    )
    return Finding(FAIL, found, todo)
