"""The section on the test set: its accuracies, and whether validation predicted them."""

import numpy as np

from analysis.evidence import intervals, paired
from analysis.evidence.finals import chosen_candidate
from analysis.evidence.ledger import ledger_of
from analysis.evidence.matched import matched
from analysis.evidence.splits import split_of
from analysis.evidence.study import Study
from analysis.evidence.tested import Arm, Tested, tested
from analysis.report import figures
from analysis.report.blocks import Block, Chapter, Plot, Text
from analysis.report.cells import shown_interval
from analysis.report.comparison import detection
from analysis.report.opening_tables import by_class, mcnemar, scores, terms_of
from analysis.report.opening_values import opened_values
from analysis.report.openings import LEDGER, ledger_finding
from analysis.words.language import Language
from analysis.words.terms import terms
from search.records.parts import AUGMENTED, FINAL


def sections(
    study: Study, earlier: list[Study], exercises: Study | None, say: Language
) -> list[Chapter]:
    """Plan the section.

    earlier: the searches before the final network. exercises: the exercises on the same data.
    """
    title = terms(study, say).numbered("4.2", "The test set", "El conjunto de test")
    return [Chapter("regularization-test", title, lambda: opened(study, earlier, exercises, say))]


def opened(
    study: Study, earlier: list[Study], exercises: Study | None, say: Language
) -> list[Block]:
    book = ledger_of(study)
    if not book.results:
        return [ledger_finding(study, say).card(LEDGER)]
    if not book.results.labels:
        return [ledger_finding(study, say).card(LEDGER), *opened_values(study, book.results, say)]
    found = tested(study, book.results)
    final = found.final
    return [
        ledger_finding(study, say).card(LEDGER),
        Text(agreement(found, say)),
        *best_of_many(study, earlier, exercises, final, say),
        scores(found, say),
        *longer_baseline(study, found, say),
        Text(against_baseline(found, say)),
        *more_images(found, say),
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
                final.shares(found.labels, len(found.classes)),
                [say.class_name(name) for name in found.classes],
                say,
            ),
            say("trials ", "pruebas ") + ", ".join(final.trials),
        ),
        Text(comment(study, found, say)),
    ]


def agreement(found: Tested, say: Language) -> str:
    """Say whether validation predicted the test accuracy; if not, compare with the baseline."""
    told, final = terms_of(found, say), found.final
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
        text += all_networks(found, say)
        return text
    if mean > 0:
        return text + told(
            "The test images are easier. There is no evidence that validation accuracy was "
            "optimistic.",
            "Las imágenes de test son más fáciles. Nada indica que la exactitud de validación "
            "fuera optimista.",
        )
    return text + shortfall(found, say)


def all_networks(found: Tested, say: Language) -> str:
    """Say whether the test images are harder, by all networks together."""
    told = terms_of(found, say)
    mean, low, high = found.pooled
    text = told(
        f" Over all networks ({len(found.arms)}), whose runs share the validation images, test minus "
        f"validation is {say.points(mean)} points {say.between(low, high)}: ",
        f" En el conjunto de todas las redes ({len(found.arms)}), cuyas pruebas comparten las imágenes de "
        f"validación, la diferencia entre test y validación es de {say.points(mean)} puntos "
        f"{say.between(low, high)}: ",
    )
    if high < 0:
        return text + told("the test images are harder.", "las imágenes de test son más difíciles.")
    if low > 0:
        return text + told("the test images are easier.", "las imágenes de test son más fáciles.")
    return text + told(
        "no difference in difficulty is detected.", "no se detecta diferencia de dificultad."
    )


def shortfall(found: Tested, say: Language) -> str:
    """Say why test accuracy is lower than validation accuracy, as far as the baseline shows."""
    told = terms_of(found, say)
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


def best_of_many(
    study: Study, earlier: list[Study], exercises: Study | None, final: Arm, say: Language
) -> list[Block]:
    """Say whether the search overstated the accuracy of the configuration it chose.

    earlier: the searches before the final network, its own included. exercises: on the same data; they
    tell how easy the search's split is.
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
    text += told(
        " The interval is of half as many images as the score, so it is too wide to show a small bias.",
        " El intervalo es de la mitad de imágenes que la puntuación, así que es demasiado ancho para "
        "mostrar un sesgo pequeño.",
    )
    split = split_of(exercises, arguments.search_seed) if exercises else None
    if split:
        text += told(
            f" In the exercises, accuracies on the split of seed {split.seed} are "
            f"{say.points(split.easier)} points from those of the other seeds ({split.arms} arms; "
            f"standard deviation of the others {say.number(100 * split.others)}), which explains part of "
            "the difference.",
            f" En los ejercicios, las exactitudes con la partición de la semilla {split.seed} distan "
            f"{say.points(split.easier)} puntos de las de las demás ({split.arms} variantes; desviación "
            f"típica de las demás {say.number(100 * split.others)}), lo que explica parte de la "
            "diferencia.",
        )
    return [Text(text)]


def longer_baseline(study: Study, found: Tested, say: Language) -> list[Block]:
    """Compare the final network with a baseline that had more epochs, as many as cost about as much."""
    own = matched(study, found)
    if own is None:
        return []
    told = terms_of(found, say)
    mean, low, high = own.difference
    cost = say.number(100 * own.cost, 0)
    text = told(
        f"A longer training of the assignment's network: {own.study} trained it for {own.epochs} "
        f"epochs on the same seeds, {cost} % of the final network's core time. The final network's test "
        f"accuracy minus that is {say.points(mean)} points {say.between(low, high)}, n = {own.seeds}.",
        f"Un entrenamiento más largo de la red de la tarea: {own.study} la entrenó {own.epochs} épocas con las "
        f"mismas semillas, el {cost} % del tiempo de núcleo de la red final. La exactitud de test de la "
        f"red final menos esa es de {say.points(mean)} puntos {say.between(low, high)}, n = {own.seeds}.",
    )
    return [Text(text)]


def more_images(found: Tested, say: Language) -> list[Block]:
    """Say what augmented images gained on the test images."""
    if AUGMENTED not in found.arms:
        return []
    told = terms_of(found, say)
    ours, theirs = found.paired(AUGMENTED, FINAL)
    by_image = ours.less(theirs)
    mean, low, high = intervals.seeds_and_images(by_image)
    p = paired.sign_change_p(by_image.mean(axis=1))
    text = told(
        "Augmented images: the same network on images mirrored or shifted, with more epochs and less "
        f"dropout, has a test accuracy that is {say.points(mean)} points {say.between(low, high)} "
        f"different (p by sign changes {say.p(p)}, n = {len(by_image)}): ",
        "Imágenes aumentadas: la misma red con imágenes reflejadas o desplazadas, más épocas y menos "
        f"dropout tiene una exactitud de test que difiere en {say.points(mean)} puntos "
        f"{say.between(low, high)} (p por cambios de signo {say.p(p)}, n = {len(by_image)}): ",
    )
    return [Text(text + detection(len(by_image), p, low, high, say))]


def against_baseline(found: Tested, say: Language) -> str:
    told = terms_of(found, say)
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
    told, final = terms_of(found, say), found.final
    names = [say.class_name(name) for name in found.classes]
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
            f": it is not shown that choosing the epoch overstates accuracy, and {len(final.seeds)} seeds "
            "would not show a small bias. ",
            ": no se muestra que elegir la época sobrestime la exactitud, y "
            f"{len(final.seeds)} semillas no mostrarían un sesgo pequeño. ",
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
