"""The section on the test set: its accuracies, and whether validation predicted them."""

import numpy as np

from analysis.evidence import intervals, paired
from analysis.evidence.ledger import Ledger, read
from analysis.evidence.study import Study
from analysis.report import figures
from analysis.report.blocks import FAIL, NONE, PASS, WARN, Block, Chapter, Finding, Plot, Text
from analysis.report.comparison import detection, shown_interval
from analysis.report.final import chosen_candidate
from analysis.report.opening_tables import Arm, Tested, by_class, mcnemar, scores, tested
from analysis.report.opening_values import opened_values
from analysis.words.language import Language
from analysis.words.terms import terms

LEDGER = "LEDGER"
"""Code of the check on the record of test-set openings."""


def sections(study: Study, earlier: list[Study], say: Language) -> list[Chapter]:
    """Plan the section. earlier: the searches before the final network."""
    title = terms(study, say).numbered("4.2", "The test set", "El conjunto de test")
    return [Chapter("regularization-test", title, lambda: opened(study, earlier, say))]


def opened(study: Study, earlier: list[Study], say: Language) -> list[Block]:
    book = ledger(study)
    if not book.results:
        return [ledger_finding(study, say).card(LEDGER)]
    if not book.results.labels:
        return [ledger_finding(study, say).card(LEDGER), *opened_values(study, book.results, say)]
    found = tested(study, book.results, say)
    final = found.final
    return [
        ledger_finding(study, say).card(LEDGER),
        Text(agreement(found, say)),
        *best_of_many(study, earlier, final, say),
        scores(found, say),
        Text(against_baseline(found, say)),
        mcnemar(found, say),
        by_class(found, say),
        Plot(
            "confusion",
            say(
                "Confusion matrix of the final network on the test set, in percent of each true "
                f"class (rows), mean of {len(final.seeds)} seeds. Cells below 0.5 % are left blank.",
                "Matriz de confusión de la red final con el conjunto de test, en porcentaje de cada "
                f"clase verdadera (filas), media de {len(final.seeds)} semillas. Las celdas por "
                "debajo del 0,5 % se dejan en blanco.",
            ),
            lambda: figures.confusion(
                final.shares(found.labels, len(found.names)), found.names, say
            ),
            say("trials ", "pruebas ") + ", ".join(final.trials),
        ),
        Text(comment(study, found, say)),
    ]


def ledger(study: Study) -> Ledger:
    search = study.directory.resolve().parent / study.search
    return read(study.directory, search)


def ledger_finding(study: Study, say: Language) -> Finding:
    """Check how often the test set was opened, for what reason, and that the record is intact."""
    book, told = ledger(study), terms(study, say)
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


def agreement(found: Tested, say: Language) -> str:
    """Say whether validation predicted the test accuracy; if not, compare with the baseline."""
    told, final = found.terms(say), found.final
    mean, low, high = final.gap
    test, test_low, test_high = intervals.seeds_and_images(final.correct)
    text = told(
        f"The final network has a test accuracy of {say.percent(test)}, the mean of "
        f"{len(final.seeds)} seeds (95 % interval for new seeds and new images "
        f"{shown_interval(test_low, test_high, say)}). On validation images that neither trained "
        f"these runs nor chose their epoch, accuracy was {say.percent(final.held_out.mean())}. "
        f"Test minus validation is {say.points(mean)} points {say.between(low, high)}. ",
        f"La red final tiene una exactitud de test del {say.percent(test)}, media de "
        f"{len(final.seeds)} semillas (intervalo del 95 % para nuevas semillas y nuevas imágenes "
        f"{shown_interval(test_low, test_high, say)}). Con las imágenes de validación que ni "
        "entrenaron estas pruebas ni eligieron su época, la exactitud fue del "
        f"{say.percent(final.held_out.mean())}. La diferencia entre test y validación es de "
        f"{say.points(mean)} puntos {say.between(low, high)}. ",
    )
    if np.isnan(low):
        return text + told(
            "One seed gives no interval, so the report draws no conclusion about their agreement.",
            "Una sola semilla no da intervalo, así que el informe no concluye si concuerdan.",
        )
    if low <= 0 <= high:
        half = say.number(50 * (high - low))
        text += told(
            "No difference is detected. With this many images and seeds, a difference below "
            f"{half} points would go undetected.",
            "No se detecta diferencia. Con este número de imágenes y semillas, una diferencia de "
            f"menos de {half} puntos pasaría inadvertida.",
        )
        other, other_low, other_high = found.baseline.gap
        if other_high < 0:
            text += told(
                " The assignment's network, which no search chose, does score lower on the test "
                f"images: {say.points(other)} points {say.between(other_low, other_high)}. "
                "The test images may simply be harder.",
                " La red de la tarea, que no eligió ninguna búsqueda, sí rinde peor con las "
                f"imágenes de test: {say.points(other)} puntos "
                f"{say.between(other_low, other_high)}. Puede que esas imágenes sean más difíciles.",
            )
        return text
    if mean > 0:
        return text + told(
            "The test images are easier. There is no evidence that validation accuracy was "
            "optimistic.",
            "Las imágenes de test son más fáciles. Nada indica que la exactitud de validación "
            "fuera optimista.",
        )
    return text + shortfall(found, say)


def shortfall(found: Tested, say: Language) -> str:
    """Say why test accuracy is lower than validation accuracy, as far as the baseline shows."""
    told = found.terms(say)
    other, other_low, other_high = found.baseline.gap
    ours, theirs = found.paired()
    more, low, high = intervals.new_images(ours.held_out - theirs.held_out, ours.less(theirs))
    text = told(
        "Test and validation do not agree within this interval. For the assignment's network, "
        f"which no search chose, test minus validation is {say.points(other)} points "
        f"{say.between(other_low, other_high)}. Paired by seed, the final network's difference "
        f"minus the assignment's is {say.points(more)} points {say.between(low, high)}. ",
        "Test y validación no coinciden dentro de este intervalo. En la red de la tarea, que no "
        "eligió ninguna búsqueda, la diferencia entre test y validación es de "
        f"{say.points(other)} puntos {say.between(other_low, other_high)}. Por parejas de semilla, "
        "la diferencia de la red final menos la de la red de la tarea es de "
        f"{say.points(more)} puntos {say.between(low, high)}. ",
    )
    if high < 0:
        return text + told(
            "The shortfall is specific to the final network: its choice or its training overfitted "
            "the training images.",
            "El descenso es propio de la red final: su elección o su entrenamiento se sobreajustó "
            "a las imágenes de entrenamiento.",
        )
    if other_high < 0:
        return text + told(
            "Both networks score lower, and there is no evidence that the final network loses "
            "more. Test images that are harder than the training images are enough to explain it.",
            "Ambas redes bajan, y nada indica que la red final baje más. Basta con que las imágenes "
            "de test sean más difíciles que las de entrenamiento para explicarlo.",
        )
    return text + told(
        "The data do not show whether the choice or the test images are the reason.",
        "Los datos no muestran si se debe a la elección o a las imágenes de test.",
    )


def best_of_many(study: Study, earlier: list[Study], final: Arm, say: Language) -> list[Block]:
    """Say whether the search overstated the accuracy of the configuration it chose.

    earlier: the searches before the final network, its own included.
    """
    told, arguments = terms(study, say), study.final_arguments
    trial = chosen_candidate(study).removeprefix("trial ")
    search = next((s for s in earlier if s.name == arguments.search), None)
    if search is None or trial not in search.trials.index or len(final.held_out) < 2:
        return []
    # Searches with the same seed share the images that choose.
    alike = [
        s
        for s in earlier
        if s.search_arguments and s.search_arguments.seed == arguments.search_seed
    ]
    tried = sum(len(s.chains) for s in alike)
    score, estimate = float(search.trials.loc[trial, "score"]), float(final.held_out.mean())
    low, high = intervals.one_more(final.held_out)
    text = told(
        f"Best of many: in the search, this configuration scored {say.percent(score)}. The same "
        f"images chose its best epoch and chose among {tried} configurations (searches: "
        f"{len(alike)}). The score minus the estimate on fresh seeds is "
        f"{say.points(score - estimate)} points. For a single run on a fresh seed, the 95 % prediction interval is "
        f"{shown_interval(low, high, say)}. The score lies ",
        f"La mejor de muchas: en la búsqueda, esta configuración obtuvo un {say.percent(score)}. "
        f"Las mismas imágenes eligieron su mejor época y eligieron entre {tried} configuraciones "
        f"(búsquedas: {len(alike)}). La puntuación menos la estimación con semillas nuevas es de "
        f"{say.points(score - estimate)} puntos. Para una sola prueba con una semilla nueva, el "
        f"intervalo de predicción del 95 % es {shown_interval(low, high, say)}. La puntuación "
        "queda ",
    )
    if low <= score <= high:
        text += told(
            "inside it, so there is no evidence that the score overstates accuracy.",
            "dentro, así que nada indica que sobrestime la exactitud.",
        )
    elif score > high:
        text += told(
            "above it: the score overstates accuracy.", "por encima: sobrestima la exactitud."
        )
    else:
        text += told(
            "below it: the score does not overstate accuracy.",
            "por debajo: no sobrestima la exactitud.",
        )
    return [Text(text)]


def against_baseline(found: Tested, say: Language) -> str:
    told = found.terms(say)
    ours, theirs = found.paired()
    by_image = ours.less(theirs)
    mean, low, high = intervals.seeds_and_images(by_image)
    p = paired.sign_change_p(by_image.mean(axis=1))
    text = told(
        "Paired by seed, the final network's test accuracy minus that of the assignment's network "
        f"is {say.points(mean)} points {say.between(low, high)} (interval for new seeds and new "
        f"images; p by all sign changes of the seeds {say.p(p)}, n = {len(by_image)}): ",
        "Por parejas de semilla, la exactitud de test de la red final menos la de la red de la "
        f"tarea es de {say.points(mean)} puntos {say.between(low, high)} (intervalo para nuevas "
        "semillas y nuevas imágenes; p con todos los cambios de signo de las semillas "
        f"{say.p(p)}, n = {len(by_image)}): ",
    )
    return text + detection(len(by_image), p, low, high, say)


def comment(study: Study, found: Tested, say: Language) -> str:
    """Comment on the errors, on the choice of the epoch, and on what to expect of new images."""
    told, final, names = found.terms(say), found.final, found.names
    shares = final.shares(found.labels, len(names))
    errors = shares - np.diag(np.diag(shares))
    wrong = ~final.correct
    if not wrong.any():
        return told(
            "The final network makes no error on the test images.",
            "La red final no falla en ninguna imagen de test.",
        )
    hardest = int(np.diag(shares).argmin())
    row, column = np.unravel_index(errors.argmax(), errors.shape)
    part_of_errors = float(wrong[:, found.labels == hardest].sum() / wrong.sum())
    text = told(
        f"The final network misclassifies {say.percent(wrong.mean())} of the test images. "
        f"{say.percent(part_of_errors, 0)} of the errors are on the class {names[hardest]}, of "
        f"which {say.percent(shares[hardest, hardest], 1)} is correct. The most frequent "
        f"confusion is {names[row]} classified as {names[column]} "
        f"({say.percent(errors[row, column], 1)} of that class). ",
        f"La red final falla en el {say.percent(wrong.mean())} de las imágenes de test. El "
        f"{say.percent(part_of_errors, 0)} de los fallos son de la clase {names[hardest]}, de la "
        f"que acierta el {say.percent(shares[hardest, hardest], 1)}. La confusión más frecuente es "
        f"clasificar {names[row]} como {names[column]} ({say.percent(errors[row, column], 1)} de "
        "esa clase). ",
    )
    curves = study.curves[study.curves["trial"].isin(final.trials)]
    restored = curves[curves["epoch"] == curves["trial"].map(study.restored)]
    stopping = restored.set_index("trial").loc[final.trials, "val_accuracy"].to_numpy()
    mean, low, high = paired.interval(stopping - final.held_out)
    text += told(
        f"On the half of the validation images that chose the epoch, accuracy was "
        f"{say.percent(stopping.mean())}, a difference of {say.points(mean)} points "
        f"{say.between(low, high)} from the other half",
        f"Con la mitad de las imágenes de validación que eligió la época, la exactitud fue del "
        f"{say.percent(stopping.mean())}, una diferencia de {say.points(mean)} puntos "
        f"{say.between(low, high)} con la otra mitad",
    )
    if low > 0:
        text += told(
            ": choosing the epoch overstates accuracy. ",
            ": elegir la época sobrestima la exactitud. ",
        )
    else:
        text += told(
            ": there is no evidence that choosing the epoch overstates accuracy. ",
            ": nada indica que elegir la época sobrestime la exactitud. ",
        )
    _, low, high = intervals.seeds_and_images(final.correct)
    return text + told(
        "On new images of this kind, networks trained in this way are expected to have a mean "
        f"accuracy within {shown_interval(low, high, say)} % (95 % interval). Single networks vary "
        "more.",
        "Con nuevas imágenes de este tipo, cabe esperar que las redes entrenadas así tengan una "
        f"exactitud media dentro de {shown_interval(low, high, say)} % (intervalo del 95 %). Una "
        "sola red varía más.",
    )
