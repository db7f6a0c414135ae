"""The section on the test set: what it says of the final network, and whether that was foreseen."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import effects, figures
from analysis.blocks import Block, Card, Plot, Table, Text
from analysis.comparisons import shown_accuracy, shown_interval
from analysis.final import BASELINE, FINAL
from analysis.language import Language
from analysis.ledger import Ledger, read
from analysis.trials import Study

GARMENTS = (
    ("T-shirt/top", "camiseta"),
    ("trouser", "pantalón"),
    ("pullover", "jersey"),
    ("dress", "vestido"),
    ("coat", "abrigo"),
    ("sandal", "sandalia"),
    ("shirt", "camisa"),
    ("sneaker", "zapatilla"),
    ("bag", "bolso"),
    ("ankle boot", "botín"),
)


@dataclass(frozen=True)
class Arm:
    """The models of one arm, in the order of seeds.

    held_out: accuracy of each on the validation images that did not stop it, shape (models,).
    predicted: shape (models, test images). correct: whether that is the label.
    """

    seeds: list[int]
    trials: list[str]
    held_out: np.ndarray
    loss: np.ndarray
    predicted: np.ndarray
    correct: np.ndarray


def ledger(study: Study) -> Ledger:
    search = study.directory.resolve().parent / study.about["arguments"]["search"]
    return read(study.directory, search)


def sections(
    study: Study, search: Study | None, say: Language
) -> list[tuple[str, str, Callable[[], list[Block]]]]:
    """(key, title, what makes its blocks). search: the one that the candidates came from."""
    title = say("4.2 · The test set", "4.2 · El conjunto de test")
    return [("regularization-test", title, lambda: opened(study, search, say))]


def opened(study: Study, search: Study | None, say: Language) -> list[Block]:
    book = ledger(study)
    if not book.results:
        closed = say("The test set has not been opened.", "El conjunto de test no se ha abierto.")
        return [ledger_card(study, say), Text(closed)]
    labels = np.array(book.results["labels"])
    arms = {name: _arm(book, labels, name) for name in (BASELINE, FINAL)}
    names = _classes(study, say)
    final = arms[FINAL]
    return [
        ledger_card(study, say),
        Text(agreement(arms, say)),
        *best_of_many(study, search, final, say),
        scores(arms, say),
        Text(against_baseline(arms, say)),
        mcnemar(arms, say),
        by_class(arms, labels, names, say),
        Plot(
            "confusion",
            say(
                "The final network on the test set, in percent of each class (a row each), mean "
                f"over {len(final.seeds)} seeds; shares under half a percent are left blank.",
                "La red final con el conjunto de test, en porcentaje de cada clase (una fila cada "
                f"una), media de {len(final.seeds)} semillas; en blanco si no llega al medio por "
                "ciento.",
            ),
            lambda: figures.confusion(_shares(final, labels, len(names)), names, say),
            say("trials ", "pruebas ") + ", ".join(final.trials),
        ),
        Text(comment(study, arms, labels, names, say)),
    ]


def _arm(book: Ledger, labels: np.ndarray, name: str) -> Arm:
    models = [model for model in book.results["models"] if model["arm"] == name]
    predicted = np.array([model["predicted"] for model in models])
    return Arm(
        [model["seed"] for model in models],
        [model["trial"] for model in models],
        np.array([model["held_out"] for model in models]),
        np.array([model["loss"] for model in models]),
        predicted,
        predicted == labels,
    )


def _classes(study: Study, say: Language) -> list[str]:
    if study.about["arguments"]["dataset"] == "fashion-mnist":
        return [say(*garment) for garment in GARMENTS]
    return [str(digit) for digit in range(10)]


def _shares(arm: Arm, labels: np.ndarray, classes: int) -> np.ndarray:
    """Of each class's test images, the share taken for each class; mean over models."""
    counts = np.zeros((classes, classes))
    for predicted in arm.predicted:
        np.add.at(counts, (labels, predicted), 1)
    return counts / counts.sum(axis=1, keepdims=True)


def ledger_card(study: Study, say: Language) -> Card:
    book = ledger(study)
    if book.wrong:
        todo = say(
            "restore the files from version control", "recupere los ficheros del repositorio"
        )
        return Card("LEDGER", "FAIL", "; ".join(book.wrong), todo)
    openings = book.openings
    if not openings:
        return Card("LEDGER", "N/A", say("the test set is closed", "el test está cerrado"))
    models = len(openings[-1]["models"])
    day = openings[-1]["time"][:10]
    if len(openings) == 1:
        found = say(
            f"the test set was opened once, on {day}, for {models} models declared by hash before",
            f"el conjunto de test se abrió una vez, el {day}, para {models} modelos declarados "
            "antes por su hash",
        )
        return Card("LEDGER", "PASS", found)
    reasons = "; ".join(f"{e['time'][:10]}: {e['reason']}" for e in openings[1:])
    found = say(
        f"the test set was opened {len(openings)} times; again for these reasons: {reasons}",
        f"el conjunto de test se abrió {len(openings)} veces; de nuevo por: {reasons}",
    )
    todo = say("read the last test figures as validation", "lea las últimas cifras como validación")
    return Card("LEDGER", "WARN", found, todo)


def agreement(arms: dict[str, Arm], say: Language) -> str:
    """Whether validation foresaw the test accuracy, and what the baseline says where it did not."""
    final, baseline = arms[FINAL], arms[BASELINE]
    mean, low, high = effects.new_images(final.held_out, final.correct)
    test, test_low, test_high = effects.seeds_and_images(final.correct)
    text = say(
        f"The final network has a test accuracy of {say.percent(test)}, mean of "
        f"{len(final.seeds)} seeds (95 % interval for new seeds and new images "
        f"{shown_interval(test_low, test_high, say)}). Validation images that had stopped and "
        f"chosen nothing had said {say.percent(final.held_out.mean())}: test less validation is "
        f"{say.points(mean)} points {say.between(low, high)}. ",
        f"La red final tiene una exactitud de test de {say.percent(test)}, media de "
        f"{len(final.seeds)} semillas (intervalo del 95 % para nuevas semillas e imágenes "
        f"{shown_interval(test_low, test_high, say)}). Las imágenes de validación que no detuvieron "
        f"ni eligieron nada habían dicho {say.percent(final.held_out.mean())}: test menos "
        f"validación son {say.points(mean)} puntos {say.between(low, high)}. ",
    )
    if low <= 0 <= high:
        return text + say(
            "They agree within what the images and seeds allow: the estimate was sound.",
            "Coinciden dentro de lo que permiten imágenes y semillas: la estimación era buena.",
        )
    other, other_low, other_high = effects.new_images(baseline.held_out, baseline.correct)
    text += say(
        "They do not agree within their interval. The assignment's network, which no search chose, "
        f"differs by {say.points(other)} points {say.between(other_low, other_high)}",
        "No coinciden dentro de su intervalo. La red de la tarea, que no eligió ninguna búsqueda, "
        f"difiere en {say.points(other)} puntos {say.between(other_low, other_high)}",
    )
    pairs = (final.correct.mean(axis=1) - final.held_out)[: len(baseline.seeds)] - (
        baseline.correct.mean(axis=1) - baseline.held_out
    )[: len(final.seeds)]
    more, more_low, more_high = effects.interval(pairs)
    text += say(
        f"; in pairs by seed the final network's difference is {say.points(more)} points "
        f"{say.between(more_low, more_high)} from the assignment's. ",
        f"; por parejas de semilla, la diferencia de la red final está a {say.points(more)} puntos "
        f"{say.between(more_low, more_high)} de la de la tarea. ",
    )
    if more_low <= 0 <= more_high and np.sign(other) == np.sign(mean):
        return text + say(
            "Both shift alike, so it is the test images that differ from the training images, not "
            "the choosing that flattered.",
            "Ambas se desplazan igual: son las imágenes de test las que difieren de las de "
            "entrenamiento, no la elección la que resultó optimista.",
        )
    return text + say(
        "The shift is the final network's own: choosing or training fitted the training images.",
        "El desplazamiento es propio de la red final: su elección o su entrenamiento se ajustó a "
        "las imágenes de entrenamiento.",
    )


def best_of_many(study: Study, search: Study | None, final: Arm, say: Language) -> list[Block]:
    """How much the search's own score of the chosen configuration flattered."""
    values = next(p["arms"][FINAL] for p in study.about["parts"] if FINAL in p["arms"])
    configurations = study.about["arguments"]["configurations"]
    trial = next(n for n, own in configurations.items() if own == values).removeprefix("trial ")
    if search is None or trial not in search.trials.index:
        return []
    score, tried = float(search.trials.loc[trial, "score"]), len(search.chains)
    mean, low, high = effects.interval(score - final.held_out)
    return [
        Text(
            say(
                f"Best of many: in the search this configuration scored {say.percent(score)}, its "
                f"best epoch being chosen by the same images as it was from {tried} configurations. "
                f"That is {say.points(mean)} points {say.between(low, high)} from the estimate on "
                "images that chose nothing.",
                f"La mejor de muchas: en la búsqueda esta configuración obtuvo "
                f"{say.percent(score)}, con su mejor época elegida por las mismas imágenes que la "
                f"eligieron entre {tried} configuraciones. Está a {say.points(mean)} puntos "
                f"{say.between(low, high)} de la estimación con imágenes que no eligieron nada.",
            )
        )
    ]


def scores(arms: dict[str, Arm], say: Language) -> Table:
    """Validation and test by arm, and the final network less the assignment's in pairs by seed."""
    rows, numbers, trials = [], [], []
    for name, arm in arms.items():
        validation = effects.interval(arm.held_out)
        test = effects.seeds_and_images(arm.correct)
        gap = effects.new_images(arm.held_out, arm.correct)
        rows.append(
            {
                "": say("final network", "red final")
                if name == FINAL
                else say("assignment's", "la de la tarea"),
                "n": len(arm.seeds),
                say("validation %", "validación %"): shown_accuracy(*validation, say),
                "test %": shown_accuracy(*test, say),
                say("test − validation", "test − validación"): f"{say.points(gap[0])} "
                f"{say.between(gap[1], gap[2])}",
                say("test loss", "pérdida test"): say.number(float(arm.loss.mean()), 3),
            }
        )
        keys = ("validation", "validation_low", "validation_high", "test", "test_low", "test_high")
        numbers.append(
            {
                "arm": name,
                "n": len(arm.seeds),
                **dict(zip(keys, (*validation, *test), strict=True)),
                **dict(zip(("gap", "gap_low", "gap_high"), gap, strict=True)),
                "test_loss": arm.loss.mean(),
            }
        )
        trials.append(", ".join(arm.trials))
    held_out, test_pairs = paired(arms)
    cells = [effects.interval(pairs) for pairs in (held_out, test_pairs)]
    rows.append(
        {
            "": say("difference, in pairs", "diferencia, por parejas"),
            "n": len(test_pairs),
            say("validation %", "validación %"): f"{say.points(cells[0][0])} "
            f"{say.between(*cells[0][1:])}",
            "test %": f"{say.points(cells[1][0])} {say.between(*cells[1][1:])}",
        }
    )
    keys = ("validation", "validation_low", "validation_high", "test", "test_low", "test_high")
    values = dict(zip(keys, (*cells[0], *cells[1]), strict=True))
    numbers.append({"arm": "final - assignment", "n": len(test_pairs), **values})
    trials.append(", ".join(trials))
    caption = say(
        "Accuracy on validation images that stopped nothing (interval over seeds, each with images "
        "of its own) and on the test images (interval for new seeds and new images); the last row "
        "is in points, in pairs by seed. The loss has neither smoothing nor penalties.",
        "Exactitud con imágenes de validación que no detuvieron nada (intervalo entre semillas, "
        "cada una con las suyas) y con las de test (intervalo para nuevas semillas e imágenes); la "
        "última fila, en puntos, por parejas de semilla. La pérdida es sin suavizado ni "
        "penalizaciones.",
    )
    return Table("test", caption, pd.DataFrame(rows).fillna(""), pd.DataFrame(numbers), trials)


def paired(arms: dict[str, Arm]) -> tuple[np.ndarray, np.ndarray]:
    """The final network less the assignment's by seed that both have: validation, test."""
    final, baseline = arms[FINAL], arms[BASELINE]
    both = [seed for seed in final.seeds if seed in baseline.seeds]
    ours, theirs = ([arm.seeds.index(s) for s in both] for arm in (final, baseline))
    return (
        final.held_out[ours] - baseline.held_out[theirs],
        final.correct[ours].mean(axis=1) - baseline.correct[theirs].mean(axis=1),
    )


def against_baseline(arms: dict[str, Arm], say: Language) -> str:
    _, pairs = paired(arms)
    mean, low, high = effects.interval(pairs)
    p = effects.sign_change_p(pairs)
    detected = p <= effects.ALPHA and not low <= 0 <= high
    return say(
        f"On the same test images the final network is {say.points(mean)} points "
        f"{say.between(low, high)} from the assignment's, in pairs by seed (p by all sign changes "
        f"{say.p(p)}, n = {len(pairs)}): the difference is "
        f"{'detected' if detected else 'not detected'}.",
        f"Con las mismas imágenes de test, la red final está a {say.points(mean)} puntos "
        f"{say.between(low, high)} de la de la tarea, por parejas de semilla (p por todos los "
        f"cambios de signo {say.p(p)}, n = {len(pairs)}): la diferencia "
        f"{'se detecta' if detected else 'no se detecta'}.",
    )


def mcnemar(arms: dict[str, Arm], say: Language) -> Table:
    """By seed, the images that one of the two networks gets right and the other does not."""
    final, baseline = arms[FINAL], arms[BASELINE]
    rows, trials = [], []
    for place, seed in enumerate(final.seeds):
        if seed not in baseline.seeds:
            continue
        other = baseline.seeds.index(seed)
        ours, theirs, p = effects.mcnemar(final.correct[place], baseline.correct[other])
        rows.append({"seed": seed, "only_final": ours, "only_assignment": theirs, "p": p})
        trials.append(f"{final.trials[place]}, {baseline.trials[other]}")
    data = pd.DataFrame(rows)
    data["p_holm"] = effects.holm(data["p"])
    frame = pd.DataFrame(
        {
            say("seed", "semilla"): data["seed"],
            say("only the final network right", "solo acierta la red final"): data["only_final"],
            say("only the assignment's right", "solo acierta la de la tarea"): data[
                "only_assignment"
            ],
            "p (McNemar)": [say.p(p) for p in data["p"]],
            "p (Holm)": [say.p(p) for p in data["p_holm"]],
        }
    )
    caption = say(
        "McNemar's exact test by seed: test images that only one of the two networks gets right.",
        "Prueba exacta de McNemar por semilla: imágenes de test que solo acierta una de las dos.",
    )
    return Table("test-mcnemar", caption, frame, data, trials)


def by_class(arms: dict[str, Arm], labels: np.ndarray, names: list[str], say: Language) -> Table:
    """Test accuracy of each class by arm, and the difference in pairs by seed."""
    final, baseline = arms[FINAL], arms[BASELINE]
    both = [seed for seed in final.seeds if seed in baseline.seeds]
    ours, theirs = ([arm.seeds.index(s) for s in both] for arm in (final, baseline))
    rows, numbers = [], []
    for number, name in enumerate(names):
        own = labels == number
        score = effects.seeds_and_images(final.correct[:, own])
        other = effects.seeds_and_images(baseline.correct[:, own])
        pairs = final.correct[ours][:, own].mean(axis=1)
        pairs = pairs - baseline.correct[theirs][:, own].mean(axis=1)
        mean, low, high = effects.interval(pairs)
        rows.append(
            {
                say("class", "clase"): name,
                say("images", "imágenes"): int(own.sum()),
                say("final network %", "red final %"): shown_accuracy(*score, say),
                say("assignment's %", "la de la tarea %"): shown_accuracy(*other, say),
                say("difference, points", "diferencia, puntos"): f"{say.points(mean)} "
                f"{say.between(low, high)}",
            }
        )
        values = {"final": score[0], "assignment": other[0]}
        ends = {"difference": mean, "low": low, "high": high}
        numbers.append({"class": number, "images": int(own.sum()), **values, **ends})
    caption = say(
        "Test accuracy by class (its recall): means over seeds, 95 % intervals for new seeds and "
        "images; the difference is in pairs by seed.",
        "Exactitud de test por clase (su exhaustividad): medias entre semillas, intervalos del "
        "95 % para nuevas semillas e imágenes; la diferencia, por parejas de semilla.",
    )
    trials = [", ".join([*final.trials, *baseline.trials])] * len(names)
    return Table("test-classes", caption, pd.DataFrame(rows), pd.DataFrame(numbers), trials)


def comment(
    study: Study, arms: dict[str, Arm], labels: np.ndarray, names: list[str], say: Language
) -> str:
    """What follows from the numbers: where it errs, fit, and what to expect of new images."""
    final = arms[FINAL]
    shares = _shares(final, labels, len(names))
    hardest = int(np.diag(shares).argmin())
    errors = shares - np.diag(np.diag(shares))
    row, column = np.unravel_index(errors.argmax(), errors.shape)
    wrong = 1 - final.correct.mean()
    part_of_errors = float((~final.correct)[:, labels == hardest].sum() / (~final.correct).sum())
    _, low, high = effects.seeds_and_images(final.correct)
    text = say(
        f"It errs on {say.percent(wrong)} of the test images; {say.percent(part_of_errors, 0)} of "
        f"the errors are on the class {names[hardest]} ({say.percent(shares[hardest, hardest], 1)} "
        f"right). The most frequent confusion is {names[row]} taken for {names[column]} "
        f"({say.percent(errors[row, column], 1)} of that class). ",
        f"Falla en {say.percent(wrong)} de las imágenes de test; {say.percent(part_of_errors, 0)} "
        f"de los fallos son de la clase {names[hardest]} ({say.percent(shares[hardest, hardest], 1)} "
        f"de aciertos). La confusión más frecuente es tomar {names[row]} por {names[column]} "
        f"({say.percent(errors[row, column], 1)} de esa clase). ",
    )
    curves = study.curves.set_index("trial").loc[final.trials].reset_index()
    restored = curves.loc[curves.groupby("trial")["val_accuracy"].idxmax()]
    stopping = float(restored["val_accuracy"].mean())
    text += say(
        f"The accuracy that chose the epoch, {say.percent(stopping)}, is "
        f"{say.points(stopping - final.held_out.mean())} points from that on the other half of the "
        "validation images: so much does choosing the epoch flatter. ",
        f"La exactitud que eligió la época, {say.percent(stopping)}, está a "
        f"{say.points(stopping - final.held_out.mean())} puntos de la de la otra mitad de las "
        "imágenes de validación: en eso resulta optimista elegir la época. ",
    )
    return text + say(
        f"On new images of this kind, expect {shown_interval(low, high, say)} %.",
        f"Con imágenes nuevas de este tipo, cabe esperar {shown_interval(low, high, say)} %.",
    )
