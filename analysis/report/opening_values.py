"""The test set of data whose labels are no classes: the objective by arm, over seeds."""

import numpy as np
import pandas as pd

from analysis.evidence import paired
from analysis.evidence.study import Study
from analysis.report.blocks import Block, Table, Text
from analysis.report.comparison import detection
from analysis.report.opening_tables import Row, arm_name
from analysis.words.language import Language
from analysis.words.terms import Terms, terms
from search.records.ledger import EvaluatedModel, Results
from search.records.parts import BASELINE, FINAL


def opened_values(study: Study, results: Results, say: Language) -> list[Block]:
    """Compare the final network's test results with validation and with the baseline."""
    told = terms(study, say)
    arms = dict.fromkeys(model.arm for model in results.models)
    by_arm = {arm: [m for m in results.models if m.arm == arm] for arm in arms}
    return [
        Text(agreement(by_arm[FINAL], told)),
        scores(by_arm, told),
        Text(against_baseline(by_arm, told)),
    ]


def agreement(models: list[EvaluatedModel], told: Terms) -> str:
    """Say whether validation predicted the test result of the final network."""
    say = told.say
    test, held_out = _of(models, "score"), _of(models, "held_out")
    mean, low, high = paired.interval(test - held_out)
    text = say(
        f"The final network has a test {told.trained} of {told.mean(*paired.interval(test))}, the "
        f"mean of {len(test)} seeds. The interval is for new seeds on the same examples. On "
        "validation examples that neither trained these runs nor chose their epoch, the mean was "
        f"{told.value(float(held_out.mean()))}. Test minus validation is "
        f"{told.difference(mean, low, high)}{told.points}. ",
        f"La red final obtiene en test {told.trained} = {told.mean(*paired.interval(test))}, media "
        f"de {len(test)} semillas. El intervalo es para nuevas semillas con las mismas "
        "observaciones. Con las observaciones de validación que ni entrenaron estas pruebas ni "
        f"eligieron su época, la media fue {told.value(float(held_out.mean()))}. La diferencia entre "
        f"test y validación es {told.difference(mean, low, high)}{told.points}. ",
    )
    if np.isnan(low):
        return text + say(
            "One seed gives no interval, so the report draws no conclusion about their agreement.",
            "Una sola semilla no da intervalo, así que el informe no concluye si concuerdan.",
        )
    if low <= 0 <= high:
        return text + say("No difference is detected.", "No se detecta diferencia.")
    worse = (mean > 0) == told.lower
    return text + (
        say(
            "The test result is worse: validation was optimistic, or the test examples are harder.",
            "El resultado de test es peor: la validación fue optimista o las observaciones de test "
            "son más difíciles.",
        )
        if worse
        else say(
            "The test result is better. There is no evidence that validation was optimistic.",
            "El resultado de test es mejor. Nada indica que la validación fuera optimista.",
        )
    )


def scores(by_arm: dict[str, list[EvaluatedModel]], told: Terms) -> Table:
    """Return the objective by arm, and the difference between the arms paired by seed."""
    say = told.say
    made = [_row(arm_name(arm, told), arm, models, told) for arm, models in by_arm.items()]
    made.append(_difference(by_arm, told))
    rows, numbers, trials = zip(*made, strict=True)
    caption = say(
        f"{told.name} on validation examples that chose no epoch, and on the test examples: means "
        "with 95 % intervals over seeds. All test results are of the same examples. "
        f"{told.direction}The last row is the difference, paired by seed.",
        f"{told.name} con las observaciones de validación que no eligieron época y con las de test: "
        "medias con intervalos del 95 % entre semillas. Todos los resultados de test son de las "
        f"mismas observaciones. {told.direction}La última fila es la diferencia, por parejas de "
        "semilla.",
    )
    return Table(
        "test", caption, pd.DataFrame(list(rows)), pd.DataFrame(list(numbers)), list(trials)
    )


def against_baseline(by_arm: dict[str, list[EvaluatedModel]], told: Terms) -> str:
    """Say whether the final network differs from the baseline on the test examples."""
    say = told.say
    ours, theirs = _pairs(by_arm)
    pairs = _of(ours, "score") - _of(theirs, "score")
    mean, low, high = paired.interval(pairs)
    p = paired.sign_change_p(pairs)
    text = say(
        f"Paired by seed, the final network's test {told.trained} minus that of the {told.baseline} "
        f"is {told.difference(mean, low, high)}{told.points} (p by all sign changes of the seeds "
        f"{say.p(p)}, n = {len(pairs)}): ",
        f"Por parejas de semilla, {told.trained} de test de la red final menos el de la "
        f"{told.baseline} es {told.difference(mean, low, high)}{told.points} (p con todos los "
        f"cambios de signo de las semillas {say.p(p)}, n = {len(pairs)}): ",
    )
    return text + detection(len(pairs), p, low, high, say)


def _of(models: list[EvaluatedModel], name: str) -> np.ndarray:
    return np.array([getattr(model, name) for model in models])


def _pairs(
    by_arm: dict[str, list[EvaluatedModel]],
) -> tuple[list[EvaluatedModel], list[EvaluatedModel]]:
    """Return the models of the final network and of the baseline, on the seeds that both have."""
    ours, theirs = ({m.seed: m for m in by_arm[arm]} for arm in (FINAL, BASELINE))
    both = [seed for seed in ours if seed in theirs]
    return [ours[seed] for seed in both], [theirs[seed] for seed in both]


def _row(name: str, arm: str, models: list[EvaluatedModel], told: Terms) -> Row:
    say = told.say
    held_out, test = _of(models, "held_out"), _of(models, "score")
    gap = paired.interval(test - held_out)
    shown: dict[str, object] = {
        say("network", "red"): name,
        "n": len(models),
        say("validation", "validación"): told.mean(*paired.interval(held_out)),
        "test": told.mean(*paired.interval(test)),
        say("test − validation", "test − validación"): told.difference(*gap),
    }
    numbers: dict[str, object] = {
        "arm": arm, "n": len(models), "validation": held_out.mean(), "test": test.mean(),
        "gap": gap[0], "gap_low": gap[1], "gap_high": gap[2],
    }  # fmt: skip
    return shown, numbers, ", ".join(model.trial for model in models)


def _difference(by_arm: dict[str, list[EvaluatedModel]], told: Terms) -> Row:
    say = told.say
    ours, theirs = _pairs(by_arm)
    held_out = paired.interval(_of(ours, "held_out") - _of(theirs, "held_out"))
    test = paired.interval(_of(ours, "score") - _of(theirs, "score"))
    shown: dict[str, object] = {
        say("network", "red"): f"{arm_name(FINAL, told)} − {arm_name(BASELINE, told)}",
        "n": len(ours),
        say("validation", "validación"): told.difference(*held_out),
        "test": told.difference(*test),
        say("test − validation", "test − validación"): "",
    }
    numbers: dict[str, object] = {
        "arm": f"{FINAL} - {BASELINE}", "n": len(ours), "validation": held_out[0], "test": test[0],
        "test_low": test[1], "test_high": test[2],
    }  # fmt: skip
    return shown, numbers, ", ".join(model.trial for model in [*ours, *theirs])
