"""The table, figures and sentences that every comparison of arms has."""

import pandas as pd

from analysis.evidence import paired, power
from analysis.evidence.arms import Part
from analysis.evidence.equivalence import MARGINS, equivalent
from analysis.report import figures
from analysis.report.blocks import Block, Plot, Table, Text
from analysis.report.cells import capital, difference_numbers
from analysis.report.speed import speed
from analysis.words.language import Language
from analysis.words.terms import Terms, terms
from search.records.parts import LEVEL_EPOCHS


def comparison(part: Part, name: str, language: Language) -> list[Block]:
    """Return the result in words, the table and the figure of all seeds."""
    say = language
    seeds = part.seeds()
    told = terms(part.study, say)
    source = say(
        f"{len(seeds)} seeds ({seeds[0]}–{seeds[-1]}), {part.epochs} epochs, "
        f"{part.curves['trial'].nunique()} trials",
        f"{len(seeds)} semillas ({seeds[0]}–{seeds[-1]}), {part.epochs} épocas, "
        f"{part.curves['trial'].nunique()} pruebas",
    )
    return [
        Text(verdict(part, say)),
        *equal(part, say),
        arms_table(part, name, say),
        *speed(part, name, say),
        Plot(
            f"{name}-seeds",
            say(
                f"{capital(told.name)} of each arm at the end: every seed, the mean and its 95 % "
                "interval.",
                f"{capital(told.name)} de cada variante al final: cada semilla, la media y su "
                "intervalo del 95 %.",
            ),
            lambda: figures.over_seeds(part, say),
            source,
        ),
    ]


def verdict(part: Part, say: Language) -> str:
    """Return one sentence per arm that differs at the end, and one for all arms that do not."""
    told, compared = terms(part.study, say), part.compared()
    mean = part.table().mean()[part.reference]
    sentences = [
        say(
            f"The reference ({part.reference}) reaches {say.percent(mean)} {told.name}.",
            f"La referencia ({part.reference}) alcanza un {say.percent(mean)} de {told.name}.",
        )
        if told.share
        else told.direction
        + say(
            f"The mean {told.name} of the reference ({part.reference}) is {told.value(mean)}.",
            f"La media de {told.name} de la referencia ({part.reference}) es {told.value(mean)}.",
        )
    ]
    for arm, row in compared[compared["detected"]].iterrows():
        below, size = row["difference"] < 0, told.size(row["difference"])
        better = ("", "")
        if not told.share:
            better = (" better:", " es mejor:") if below == told.lower else (" worse:", " es peor:")
        sentences.append(
            say(
                f"{arm} is{better[0]} {size} {'below' if below else 'above'} the reference "
                f"(95 % interval {told.between(row['low'], row['high'])}, Holm p "
                f"{say.p(row['p_holm'])}, n = {row['n']}).",
                f"{arm}{better[1]} queda {size} por {'debajo' if below else 'encima'} de la "
                "referencia "
                f"(intervalo del 95 % {told.between(row['low'], row['high'])}, p de Holm "
                f"{say.p(row['p_holm'])}, n = {row['n']}).",
            )
        )
    rest = compared[~compared["detected"]]
    sentences += not_detected(part, list(rest.index[rest["n"] >= 2]), len(compared), say)
    without = list(rest.index[rest["n"] < 2])
    if without:
        sentences.append(
            say(
                f"Too few finished runs to compare: {say.several(without)}.",
                f"Muy pocas pruebas terminadas para comparar: {say.several(without)}.",
            )
        )
    return " ".join(sentences)


def equal(part: Part, say: Language) -> list[Block]:
    """Say which arms are practically equal to the reference. Nothing if the objective has no margin."""
    told = terms(part.study, say)
    if not told.share:
        return []
    sentences, known = [], set()
    for margin in MARGINS:
        found = equivalent(part.table(), part.reference, margin)
        arms = [arm for arm in found.index[found["equivalent"]] if arm not in known]
        known |= set(arms)
        if arms:
            size = say.short(100 * margin)
            sentences.append(
                say(
                    f"within {size}{told.point(margin)}: {say.several(arms)}",
                    f"a menos de {size}{told.point(margin)}: {say.several(arms)}",
                )
            )
    if not sentences:
        return []
    text = say(
        f"Practically equal to {part.reference} at the end (two one-sided tests, Holm p at most "
        f"0.05): {'; '.join(sentences)}.",
        f"En la práctica iguales a {part.reference} al final (dos contrastes unilaterales, p de Holm de "
        f"0,05 como mucho): {'; '.join(sentences)}.",
    )
    return [Text(text)]


def not_detected(part: Part, arms: list[str], tested: int, say: Language) -> list[str]:
    """Return the sentence on the arms without a detected difference, and the detectable one."""
    if not arms:
        return []
    table = part.table()
    pairs = [(table[arm] - table[part.reference]).dropna().to_numpy() for arm in arms]
    listed = say.alternatives(arms)
    fewest, had = power.fewest_seeds(tested), min(len(p) for p in pairs)
    if had < fewest:
        return [
            say(
                f"No difference from the reference can be detected for {listed} with {had} seeds: "
                f"{tested} comparisons need at least {fewest}.",
                f"Con {had} semillas no puede detectarse ninguna diferencia con la referencia en "
                f"{listed}: {tested} comparaciones requieren al menos {fewest}.",
            )
        ]
    smallest = terms(part.study, say).size(max(power.detectable(p, tested) for p in pairs))
    noisiest = ""
    if len(arms) > 1:
        noisiest = say(", even for the noisiest of them", ", incluso en la más variable de ellas")
    return [
        say(
            f"No difference from the reference was detected for {listed}. With {had} seeds, a true "
            f"difference of {smallest} would be detected 80 % of the time{noisiest}.",
            f"No se detecta diferencia con la referencia en {listed}. Con {had} semillas, una "
            f"diferencia real de {smallest} se detectaría el 80 % de las veces{noisiest}.",
        )
    ]


def arms_table(part: Part, name: str, say: Language) -> Table:
    """Return the arms with their objective at the end, differences and gap."""
    told = terms(part.study, say)
    objective = part.objective.name
    table, compared = part.table(), part.compared()
    # The gap is of the objective on training data, if the objective has a value there.
    trained = told.train != objective and told.train in part.curves
    train = part.table(told.train) if trained else None
    loss = part.table("val_loss") if objective != "val_loss" else None
    rows, numbers = [], []
    for arm in part.arms:
        values = table[arm].dropna().to_numpy()
        mean, low, high = paired.interval(values)
        shown: dict[str, object] = {
            say("arm", "variante"): arm,
            "n": len(values),
            told.short: told.mean(mean, low, high),
        }
        number: dict[str, object] = {"arm": arm, "n": len(values), objective: mean}
        number |= {"low": low, "high": high}
        if loss is not None:
            heading = say("val. loss incl. penalties", "pérdida val. con penaliz.")
            shown[heading] = say.number(loss[arm].mean(), 3)
            number["val_loss"] = loss[arm].mean()
        if train is not None:
            number["gap"] = gap = (train[arm] - table[arm]).mean()
            shown[say("train − val.", "entren. − val.")] = told.signed(gap)
        row = compared.loc[arm] if arm in compared.index else None
        shown |= _beside_reference(row, told)
        number |= {} if row is None else difference_numbers(row)
        rows.append(shown)
        numbers.append(number)
    caption = at_the_end(part, say) + say(
        f" Means and 95 % intervals over seeds. Differences from the reference ({part.reference}) are "
        "paired by seed; p comes from all sign changes, with Holm's correction over the arms. "
        "Detected: the interval excludes 0 and p is at most 0.05. Seeds above: share of seeds on which "
        "the arm is better, ties counting half. A seed decides the split, the initial weights and the "
        f"order of the {told.examples}. Intervals are for new seeds on these same {told.examples}.",
        f" Medias e intervalos del 95 % entre semillas. Las diferencias con la referencia "
        f"({part.reference}) son por parejas de semilla; p se obtiene con todos los cambios de signo y "
        "la corrección de Holm entre variantes. Detectada: el intervalo excluye el 0 y p es como mucho "
        "0,05. Semillas por encima: proporción de semillas en las que la variante es mejor; los empates "
        "cuentan la mitad. Una semilla decide la partición, los pesos iniciales y el orden de las "
        f"{told.examples}. Los intervalos valen para nuevas semillas con estas mismas {told.examples}.",
    )
    if told.lower:
        caption = caption.replace(
            say("Seeds above", "Semillas por encima"), say("Seeds better", "Semillas mejores")
        )
    trials = [part.trials(arm) for arm in part.arms]
    return Table(name, caption, pd.DataFrame(rows).fillna(""), pd.DataFrame(numbers), trials)


def at_the_end(part: Part, say: Language) -> str:
    """Say of which epochs the results at the end are."""
    if part.stops:
        return say(
            "Results on examples that chose no epoch.",
            "Resultados con las observaciones que no eligieron época.",
        )
    if part.epochs <= LEVEL_EPOCHS:
        return say(
            f"Means over all epochs ({part.epochs}).",
            f"Medias de todas las épocas ({part.epochs}).",
        )
    return say(
        f"Level at the end: the mean of the last {LEVEL_EPOCHS} of {part.epochs} epochs, since a single epoch "
        "is noisy.",
        f"Nivel al final: la media de las últimas {LEVEL_EPOCHS} de {part.epochs} épocas, ya que una sola época "
        "tiene mucho ruido.",
    )


def _beside_reference(row: pd.Series | None, told: Terms) -> dict[str, object]:
    """Return the cells on an arm's difference from the reference. row: None for the reference."""
    say = told.say
    difference = say("difference", "diferencia") + told.unit
    above = say("seeds above", "semillas por encima")
    if told.lower:
        above = say("seeds better", "semillas mejores")
    detected = say("detected", "detectada")
    if row is None:
        empty = dict.fromkeys((difference, "p (Holm)", above), "")
        return {**empty, detected: say("reference", "referencia")}
    better = 1 - row["superiority"] if told.lower else row["superiority"]
    return {
        difference: told.difference(row["difference"], row["low"], row["high"]),
        "p (Holm)": say.p(row["p_holm"]),
        above: f"{say.number(100 * better, 0)} %",
        detected: say("yes", "sí") if row["detected"] else "no",
    }


def detection(count: int, p: float, low: float, high: float, say: Language) -> str:
    """Say whether a single difference, paired by seed, is detected. count: number of seeds."""
    needed = power.fewest_seeds(1)
    if count < needed:
        return say(
            f"too few seeds to detect any difference; at least {needed} are needed.",
            f"muy pocas semillas para detectar una diferencia; hacen falta al menos {needed}.",
        )
    if p <= paired.ALPHA and (low > 0 or high < 0):
        return say("the difference is detected.", "se detecta la diferencia.")
    return say("no difference is detected.", "no se detecta diferencia.")


def after_one_epoch(part: Part, arm: str, say: Language) -> Text:
    """Return a sentence on an arm's difference from the reference after the first epoch."""
    told = terms(part.study, say)
    pair = part.at_epoch(1)[[part.reference, arm]]
    row = paired.compare(pair, part.reference).loc[arm]
    lower = row["difference"] < 0
    if row["n"] < power.fewest_seeds(1):
        return Text(
            say(
                f"{row['n']} seeds are too few to compare the first epoch.",
                f"{row['n']} semillas son muy pocas para comparar la primera época.",
            )
        )
    if not row["detected"]:
        return Text(
            say(
                f"After the first epoch, no difference between {arm} and {part.reference} is "
                f"detected ({told.between(row['low'], row['high'])}{told.points}).",
                f"Tras la primera época, no se detecta diferencia entre {arm} y {part.reference} "
                f"({told.between(row['low'], row['high'])}{told.points}).",
            )
        )
    return Text(
        say(
            f"After the first epoch, {arm} is {told.size(row['difference'])} "
            f"{'below' if lower else 'above'} {part.reference} "
            f"({told.between(row['low'], row['high'])}, p {say.p(row['p'])}).",
            f"Tras la primera época, {arm} queda {told.size(row['difference'])} "
            f"por {'debajo' if lower else 'encima'} de {part.reference} "
            f"({told.between(row['low'], row['high'])}, p {say.p(row['p'])}).",
        )
    )


def curves(part: Part, name: str, say: Language) -> Plot:
    seeds = part.seeds()
    source = f"n = {len(seeds)}, " + say("trials", "pruebas") + f" {_span(part)}"
    shown = " and ".join(figures.titles(part, Language("en")))
    mostrado = " y ".join(figures.titles(part, Language("es")))
    return Plot(
        f"{name}-curves",
        say(
            f"{capital(shown)} by epoch, validation solid and training dotted: mean and 95 % interval "
            f"over {len(seeds)} seeds.",
            f"{capital(mostrado)} por época; validación en línea continua, entrenamiento en línea de "
            f"puntos: media e intervalo del 95 % entre {len(seeds)} semillas.",
        ),
        lambda: figures.curves(part, say),
        source,
    )


def figure(part: Part, name: str, caption: str, draw: object, say: Language) -> Plot:
    """Return a figure of one part. draw: a function of `figures`, given the part and language."""
    source = f"n = {len(part.seeds())}, " + say("trials", "pruebas") + f" {_span(part)}"
    return Plot(name, caption, lambda: draw(part, say), source)  # type: ignore[operator]


def _span(part: Part) -> str:
    trials = sorted(part.runs["trial"].dropna())
    return f"{trials[0]}–{trials[-1]}" if trials else "–"


def begun(part: Part) -> bool:
    """Return whether the reference, or the first arm, has two completed seeds."""
    return bool(part.table()[part.reference or part.arms[0]].count() >= 2)


def missing(part: Part, say: Language) -> list[Block]:
    """Return a paragraph on the failed and unfinished runs of a part, if there are any."""
    states = part.runs["status"].value_counts()
    sentences = []
    failed = part.runs[part.runs["status"] == "FAILED"]
    if len(failed):
        names = failed["arm"].value_counts(sort=False)
        listed = say.several([f"{arm} ({count})" for arm, count in names.items()])
        sentences.append(
            say(
                f"Failed runs, excluded from the means, with their number: {listed}.",
                f"Pruebas fallidas, excluidas de las medias, con su número: {listed}.",
            )
        )
    waiting = int(states.drop(["COMPLETED", "FAILED"], errors="ignore").sum())
    if waiting:
        sentences.append(
            say(
                f"{waiting} of {len(part.runs)} runs are not finished.",
                f"{waiting} de {len(part.runs)} pruebas no han terminado.",
            )
        )
    return [Text(" ".join(sentences))] if sentences else []
