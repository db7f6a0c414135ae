"""The section on the test set: what it says of the final network, and whether that was foreseen."""

from collections.abc import Callable

import numpy as np

from analysis.evidence import intervals, paired
from analysis.evidence.ledger import Ledger, read
from analysis.evidence.trials import Study
from analysis.report import figures
from analysis.report.blocks import Block, Card, Plot, Text
from analysis.report.comparison import shown_interval
from analysis.report.final import chosen_candidate
from analysis.report.opening_tables import Arm, Tested, by_class, mcnemar, scores, tested
from analysis.words.language import Language


def sections(
    study: Study, earlier: list[Study], say: Language
) -> list[tuple[str, str, Callable[[], list[Block]]]]:
    """(key, title, what makes its blocks). earlier: the searches before the final network."""
    title = say("4.2 · The test set", "4.2 · El conjunto de test")
    return [("regularization-test", title, lambda: opened(study, earlier, say))]


def opened(study: Study, earlier: list[Study], say: Language) -> list[Block]:
    book = ledger(study)
    if not book.results:
        return [ledger_card(study, say)]
    found = tested(study, book.results, say)
    final = found.final
    return [
        ledger_card(study, say),
        Text(agreement(found, say)),
        *best_of_many(study, earlier, final, say),
        scores(found, say),
        Text(against_baseline(found, say)),
        mcnemar(found, say),
        by_class(found, say),
        Plot(
            "confusion",
            say(
                "The final network on the test set, in percent of each class (a row each), mean "
                f"over {len(final.seeds)} seeds; shares under half a percent are left blank.",
                "La red final con el conjunto de test, en porcentaje de cada clase (una fila cada "
                f"una), media de {len(final.seeds)} semillas; en blanco si no llega al medio por "
                "ciento.",
            ),
            lambda: figures.confusion(
                final.shares(found.labels, len(found.names)), found.names, say
            ),
            say("trials ", "pruebas ") + ", ".join(final.trials),
        ),
        Text(comment(study, found, say)),
    ]


def ledger(study: Study) -> Ledger:
    search = study.directory.resolve().parent / study.about["arguments"]["search"]
    return read(study.directory, search)


def ledger_card(study: Study, say: Language) -> Card:
    """How often the test set was opened, for what, and whether the record of it is whole."""
    book = ledger(study)
    openings = book.openings
    if book.wrong:
        reasons = "; ".join(str(e["reason"]) for e in openings if e.get("reason"))
        told = say(
            f"; as it stands, it tells of openings: {len(openings)}",
            f"; tal como está, habla de aperturas: {len(openings)}",
        )
        found = "; ".join(book.wrong) + told + (f" ({reasons})" if reasons else "")
        todo = say(
            "restore the files from version control or a copy; until then the figures of this "
            "section are not vouched for",
            "recupere los ficheros del repositorio o de una copia; hasta entonces nada avala las "
            "cifras de esta sección",
        )
        return Card("LEDGER", "FAIL", found, todo)
    if not openings:
        return Card(
            "LEDGER",
            "N/A",
            say("the test set has not been opened", "el conjunto de test no se ha abierto"),
        )
    models, day = len(openings[-1]["models"]), openings[-1]["time"][:10]
    status = "PASS"
    found = say(
        f"the test set was opened once, on {day}, for {models} models declared by hash before",
        f"el conjunto de test se abrió una vez, el {day}, para {models} modelos declarados antes "
        "por su hash",
    )
    todo = ""
    if len(openings) > 1:
        reasons = "; ".join(f"{e['time'][:10]}: {e['reason']}" for e in openings[1:])
        status = "WARN"
        found = say(
            f"the test set was opened {len(openings)} times; again for these reasons: {reasons}",
            f"el conjunto de test se abrió {len(openings)} veces; de nuevo por: {reasons}",
        )
        if book.repeated:
            found += say(
                "; every time each model said the same of every image",
                "; todas las veces cada modelo dijo lo mismo de cada imagen",
            )
        else:
            todo = say(
                "read the last test figures as validation",
                "lea las últimas cifras como validación",
            )
    looks = [look for entry in openings for look in entry.get("elsewhere", [])]
    elsewhere = dict.fromkeys(f"{look['study']} ({look['time'][:10]})" for look in looks)
    if elsewhere:
        listed = say.several(list(elsewhere))
        status = "WARN"
        todo = todo or say(
            "make sure that nothing was chosen by what they saw",
            "asegúrese de que nada se eligió por lo que vieron",
        )
        found += say(
            f"; other studies had looked at the same images before: {listed}",
            f"; otros estudios habían visto antes las mismas imágenes: {listed}",
        )
    if book.interrupted:
        status = "WARN"
        found += say("; the last opening did not end", "; la última apertura no terminó")
        todo = say("give the same command again", "repita la misma orden")
    if not book.witnessed:
        status = "WARN"
        found += say(
            "; the search's record, which vouches for the ledger, is not here",
            "; falta el registro de la búsqueda, que avala el libro",
        )
    return Card("LEDGER", status, found, todo)


def agreement(found: Tested, say: Language) -> str:
    """Whether validation foresaw the test accuracy, and what the baseline says where it did not."""
    final = found.final
    mean, low, high = final.gap
    test, test_low, test_high = intervals.seeds_and_images(final.correct)
    text = say(
        f"The final network has a test accuracy of {say.percent(test)}, mean of "
        f"{len(final.seeds)} seeds (95 % interval for new seeds and new images "
        f"{shown_interval(test_low, test_high, say)}). Validation images that neither trained these "
        f"runs nor chose their epoch had said {say.percent(final.held_out.mean())}: test less "
        "validation is "
        f"{say.points(mean)} points {say.between(low, high)}. ",
        f"La red final tiene una exactitud de test de {say.percent(test)}, media de "
        f"{len(final.seeds)} semillas (intervalo del 95 % para nuevas semillas e imágenes "
        f"{shown_interval(test_low, test_high, say)}). Las imágenes de validación que ni entrenaron "
        f"estas pruebas ni eligieron su época habían dicho {say.percent(final.held_out.mean())}: "
        f"test menos validación son {say.points(mean)} puntos {say.between(low, high)}. ",
    )
    if np.isnan(low):
        return text + say(
            "One seed gives no interval: nothing is said of their agreement.",
            "Una semilla no da intervalo: nada se dice de su concordancia.",
        )
    if low <= 0 <= high:
        half = say.number(50 * (high - low))
        text += say(
            f"No difference is detected. With this many images and seeds, one of under {half} points "
            "would not be.",
            f"No se detecta diferencia. Con tantas imágenes y semillas, una de menos de {half} "
            "puntos no se detectaría.",
        )
        other, other_low, other_high = found.baseline.gap
        if other_high < 0:
            text += say(
                " The assignment's network, which no search chose, has less on the test images: "
                f"{say.points(other)} points {say.between(other_low, other_high)}. They may be the "
                "harder ones.",
                " La red de la tarea, que no eligió ninguna búsqueda, tiene menos con las imágenes "
                f"de test: {say.points(other)} puntos {say.between(other_low, other_high)}. Puede "
                "que sean más difíciles.",
            )
        return text
    if mean > 0:
        return text + say(
            "The test images are the easier ones; that validation flattered is not shown.",
            "Las imágenes de test son más fáciles; no se muestra que la validación fuera optimista.",
        )
    return text + shortfall(found, say)


def shortfall(found: Tested, say: Language) -> str:
    """What a test accuracy that is too low comes from, as far as the baseline tells."""
    other, other_low, other_high = found.baseline.gap
    ours, theirs = found.paired()
    more, low, high = intervals.new_images(ours.held_out - theirs.held_out, ours.less(theirs))
    text = say(
        "They do not agree within their interval. The assignment's network, which no search chose, "
        f"differs by {say.points(other)} points {say.between(other_low, other_high)}; in pairs by "
        f"seed the final network's difference is {say.points(more)} points {say.between(low, high)} "
        "from the assignment's. ",
        "No coinciden dentro de su intervalo. La red de la tarea, que no eligió ninguna búsqueda, "
        f"difiere en {say.points(other)} puntos {say.between(other_low, other_high)}; por parejas "
        f"de semilla, la diferencia de la red final está a {say.points(more)} puntos "
        f"{say.between(low, high)} de la de la tarea. ",
    )
    if high < 0:
        return text + say(
            "The shift is the final network's own: choosing or training fitted the training images.",
            "El desplazamiento es propio de la red final: su elección o su entrenamiento se ajustó "
            "a las imágenes de entrenamiento.",
        )
    if other_high < 0:
        return text + say(
            "Both fall short, and the final network is not shown to do so by more: test images that "
            "are harder than the training images are enough to explain it.",
            "Ambas se quedan cortas, y no se muestra que la red final lo haga más: basta con que "
            "las imágenes de test sean más difíciles que las de entrenamiento.",
        )
    return text + say(
        "Whether choosing or the test images are the reason is not settled.",
        "No queda decidido si se debe a la elección o a las imágenes de test.",
    )


def best_of_many(study: Study, earlier: list[Study], final: Arm, say: Language) -> list[Block]:
    """Whether the search's own score of the chosen configuration flattered.

    earlier: the searches before the final network, its own among them.
    """
    about = study.about["arguments"]
    trial = chosen_candidate(study).removeprefix("trial ")
    search = next((s for s in earlier if s.name == about["search"]), None)
    if search is None or trial not in search.trials.index or len(final.held_out) < 2:
        return []
    # Searches of one seed share the images that choose.
    alike = [s for s in earlier if s.about["arguments"]["seed"] == about["search_seed"]]
    tried = sum(len(s.chains) for s in alike)
    score, estimate = float(search.trials.loc[trial, "score"]), float(final.held_out.mean())
    low, high = intervals.one_more(final.held_out)
    text = say(
        f"Best of many: in the search this configuration scored {say.percent(score)}, its best epoch "
        f"chosen by the same images as chose from {tried} configurations (searches: {len(alike)}). "
        f"That is {say.points(score - estimate)} points from the estimate on fresh seeds. Of single "
        f"runs on fresh seeds 95 % are expected in {shown_interval(low, high, say)}: the score is ",
        f"La mejor de muchas: en la búsqueda esta configuración obtuvo {say.percent(score)}, con su "
        f"mejor época elegida por las mismas imágenes que eligieron entre {tried} configuraciones "
        f"(búsquedas: {len(alike)}). Está a {say.points(score - estimate)} puntos de la estimación "
        "con semillas nuevas. De pruebas sueltas con semillas nuevas, cabe esperar el 95 % en "
        f"{shown_interval(low, high, say)}: la puntuación está ",
    )
    if low <= score <= high:
        text += say(
            "within, so that it flattered is not shown.",
            "dentro, así que no se muestra que fuera optimista.",
        )
    elif score > high:
        text += say("above: it flattered.", "por encima: fue optimista.")
    else:
        text += say("below: it did not flatter.", "por debajo: no fue optimista.")
    return [Text(text)]


def against_baseline(found: Tested, say: Language) -> str:
    ours, theirs = found.paired()
    by_image = ours.less(theirs)
    mean, low, high = intervals.seeds_and_images(by_image)
    p = paired.sign_change_p(by_image.mean(axis=1))
    text = say(
        f"In pairs by seed, the final network's test accuracy is {say.points(mean)} points "
        f"{say.between(low, high)} from the assignment's (interval for new seeds and new images; p "
        f"by all sign changes of the seeds {say.p(p)}, n = {len(by_image)}): ",
        f"Por parejas de semilla, la exactitud de test de la red final está a {say.points(mean)} "
        f"puntos {say.between(low, high)} de la de la tarea (intervalo para nuevas semillas e "
        f"imágenes; p por todos los cambios de signo de las semillas {say.p(p)}, "
        f"n = {len(by_image)}): ",
    )
    needed = paired.fewest_seeds(1)
    if len(by_image) < needed:
        return text + say(
            f"too few seeds to detect any difference, which takes {needed}.",
            f"muy pocas semillas para detectar diferencia alguna; hacen falta {needed}.",
        )
    if p <= paired.ALPHA and (low > 0 or high < 0):
        return text + say("the difference is detected.", "la diferencia se detecta.")
    return text + say("no difference is detected.", "no se detecta diferencia.")


def comment(study: Study, found: Tested, say: Language) -> str:
    """What follows from the numbers: where it errs, fit, and what to expect of new images."""
    final, names = found.final, found.names
    shares = final.shares(found.labels, len(names))
    errors = shares - np.diag(np.diag(shares))
    wrong = ~final.correct
    if not wrong.any():
        return say("It errs on no test image.", "No falla en ninguna imagen de test.")
    hardest = int(np.diag(shares).argmin())
    row, column = np.unravel_index(errors.argmax(), errors.shape)
    part_of_errors = float(wrong[:, found.labels == hardest].sum() / wrong.sum())
    text = say(
        f"It errs on {say.percent(wrong.mean())} of the test images; "
        f"{say.percent(part_of_errors, 0)} of the errors are on the class {names[hardest]} "
        f"({say.percent(shares[hardest, hardest], 1)} right). The most frequent confusion is "
        f"{names[row]} taken for {names[column]} ({say.percent(errors[row, column], 1)} of that "
        "class). ",
        f"Falla en {say.percent(wrong.mean())} de las imágenes de test; "
        f"{say.percent(part_of_errors, 0)} de los fallos son de la clase {names[hardest]} "
        f"({say.percent(shares[hardest, hardest], 1)} de aciertos). La confusión más frecuente es "
        f"tomar {names[row]} por {names[column]} ({say.percent(errors[row, column], 1)} de esa "
        "clase). ",
    )
    curves = study.curves[study.curves["trial"].isin(final.trials)]
    restored = curves[curves["epoch"] == curves["trial"].map(study.restored)]
    stopping = restored.set_index("trial").loc[final.trials, "val_accuracy"].to_numpy()
    mean, low, high = paired.interval(stopping - final.held_out)
    text += say(
        f"The half of the validation images that chose the epoch gave {say.percent(stopping.mean())}"
        f", {say.points(mean)} points {say.between(low, high)} from the half that did not",
        f"La mitad de las imágenes de validación que eligió la época dio "
        f"{say.percent(stopping.mean())}, a {say.points(mean)} puntos {say.between(low, high)} de "
        "la mitad que no la eligió",
    )
    if low > 0:
        text += say(": choosing the epoch flatters. ", ": elegir la época resulta optimista. ")
    else:
        text += say(
            ": choosing the epoch is not shown to flatter. ",
            ": no se muestra que elegir la época resulte optimista. ",
        )
    _, low, high = intervals.seeds_and_images(final.correct)
    return text + say(
        "Over all images of this kind, networks trained like this are expected to average "
        f"{shown_interval(low, high, say)} % (95 % interval); a single one varies more.",
        "Con todas las imágenes de este tipo, de redes entrenadas así cabe esperar una media de "
        f"{shown_interval(low, high, say)} % (intervalo del 95 %); una sola varía más.",
    )
