"""The answers in English."""

import math

from analysis.evidence.answers import (
    GOAL,
    Activation,
    Difference,
    Final,
    Initializer,
    Optimizers,
    Regularisation,
    Searched,
    Verdict,
)
from analysis.words.language import Language
from analysis.words.terms import terms

SCHEDULES = {"constant": "constant rate", "cosine": "cosine", "warmup": "warm-up and cosine"}

NAMES = {"adam": "Adam", "rmsprop": "RMSprop"}

JUDGED = {
    Verdict.AGREES: "yes: agrees with the assignment",
    Verdict.DISAGREES: "no: disagrees with the assignment",
    Verdict.CANNOT_TELL: "cannot tell",
}


class English:
    """Sentences of the page of answers (`analysis.words.answers.AnswerWords`)."""

    title = "The answers"
    question = "question"
    answer = "answer"
    verdict = "verdict"

    def __init__(self, say: Language):
        self.say = say

    @property
    def claims(self) -> dict[str, str]:
        return {
            "activation": "1 · Is ReLU better than the sigmoid?",
            "initializer": "2 · Does the starting point matter?",
            "optimizer": "3 · Are Adam and RMSprop better than SGD?",
            "regularization": "4.1 · Does the assignment's regularisation raise accuracy?",
            "goal": "4.1 · Does the final network reach 90 %?",
            "network": "4.1 · Which network is it?",
            "test": "4.2 · Is test accuracy near validation accuracy?",
            "searched": "What is the best?",
            "sure": "How sure is that?",
            "mattered": "What mattered?",
            "further": "What to try next?",
            "cost": "What did it cost?",
            "warning": "The most serious warning",
        }

    def judged(self, verdict: Verdict) -> str:
        return JUDGED[verdict]

    def reached(self, verdict: Verdict) -> str:
        return {Verdict.AGREES: "yes", Verdict.DISAGREES: "no"}.get(verdict, JUDGED[verdict])

    def activation(self, found: Activation) -> str:
        epochs, say = found.part.epochs, self.say
        text = (
            f"Over {epochs} epochs, {self._less(found.speed, 'learns', 'accuracy on average')}. "
            f"At the end, {self._less(found.level, 'is', '')}."
        )
        if found.equal:
            text += f" Within half a point of ReLU at the end: {say.several(found.equal)}."
        if found.better:
            text += f" Better than ReLU: {say.several(found.better)}."
        if found.worse:
            text += f" Worse: {say.several(found.worse)}."
        return text

    def _less(self, one: Difference, verb: str, quantity: str) -> str:
        """Return how the sigmoid compares with ReLU."""
        if not one.detected:
            by = f"{self.say.points(one.mean)} points {self._ends(one)}, Holm p {self.say.p(one.p)}"
            return f"no difference between sigmoid and ReLU is detected ({by})"
        by = f"{self._points(one.mean)} points {self._ends(one)}"
        side = "below" if one.mean < 0 else "above"
        if verb == "is":
            return f"sigmoid is {side} ReLU by {by}"
        return f"the sigmoid's {quantity} is {side} that of ReLU by {by}"

    def _points(self, share: float) -> str:
        return self.say.number(100 * abs(share))

    def _ends(self, one: Difference) -> str:
        return self.say.between(one.low, one.high)

    def initializer(self, found: Initializer) -> str:
        say, part = self.say, found.part
        text = f"With zeros, accuracy is {say.percent(found.zeros)} after {part.epochs} epochs"
        if abs(found.zeros - found.chance) < 0.005:
            text += ", that of a guess: the network does not learn"
        text += ". Random normal minus Glorot uniform: "
        parts = [
            f"{say.points(one.mean)} points {self._ends(one)} {when}, {self._seen(one)}"
            for one, when in (
                (found.normal_speed, "on average over the epochs"),
                (found.normal_level, "at the end"),
            )
        ]
        text += "; ".join(parts) + "."
        if found.sigmoid:
            speed, level = found.sigmoid
            text += (
                f" Under the sigmoid: {say.points(speed.mean)} points {self._ends(speed)} on average, "
                f"{self._seen(speed)}; {say.points(level.mean)} points {self._ends(level)} at the end, "
                f"{self._seen(level)}."
            )
        return text

    def _seen(self, one: Difference) -> str:
        if one.detected:
            return "detected"
        return "equal within half a point" if one.negligible else "not detected"

    def optimizers(self, found: Optimizers) -> str:
        say = self.say
        text = (
            f"{self._better(found)} Differences from the assignment's SGD (rate 0.01, momentum 0.9), each "
            f"optimizer at Keras' defaults, in points on average over {found.part.epochs} epochs: "
            f"{self._listed(found.speed)}. At the end: {self._listed(found.level)}."
        )
        if found.tuned and not math.isnan(found.tuned[1]):
            best, low, high = (say.number(100 * value) for value in found.tuned)
            text += (
                f" With tuned rates, the best and the worst of six differ by {best} points "
                f"[{low}; {high}]."
            )
        return text

    def _better(self, found: Optimizers) -> str:
        """Say which optimizer is better than SGD, and which is not."""
        kinds = {
            Verdict.AGREES: "is better",
            Verdict.DISAGREES: "is not",
            Verdict.CANNOT_TELL: "is open",
        }
        pairs = zip(found.speed, found.each, strict=True)
        said = [f"{NAMES[speed.arm]} {kinds[verdict]}" for speed, verdict in pairs]
        return f"{', '.join(said)}."

    def _listed(self, found: tuple[Difference, ...]) -> str:
        return "; ".join(
            f"{one.arm} {self.say.points(one.mean)} {self._ends(one)}, {self._seen(one)}"
            for one in found
        )

    def regularisation(self, found: Regularisation) -> str:
        say, one = self.say, found.level
        text = (
            f"With dropout and batch norm minus without, at the end of {found.part.epochs} epochs: "
            f"{say.points(one.mean)} points {self._ends(one)}, {self._seen(one)}."
        )
        gap = found.gap
        text += (
            f" The distance between training and validation changes by {say.points(gap.mean)} points, "
            f"{self._seen(gap)}."
        )
        if found.fresh:
            text += " Batch norm is measured with fresh statistics."
        if found.lagging:
            text += (
                " Batch norm is measured with moving statistics that lag behind under a constant rate, "
                "so the sign of this is open."
            )
        return text

    def goal(self, found: Final) -> str:
        say = self.say
        mean, low, high = found.validation
        text = (
            f"Validation accuracy is {say.percent(mean)} [{say.number(100 * low)}; "
            f"{say.number(100 * high)}], n = {found.n}, on images that chose nothing. The goal of "
            f"{say.percent(GOAL, 0)} is "
        )
        text += {
            Verdict.AGREES: "reached.",
            Verdict.DISAGREES: "not reached.",
            Verdict.CANNOT_TELL: "within the interval, so it is open whether it is reached.",
        }[found.goal]
        if found.test:
            mean, low, high = found.test
            text += (
                f" Test accuracy is {say.percent(mean)} [{say.number(100 * low)}; "
                f"{say.number(100 * high)}]."
            )
        return text

    def network(self, found: Final) -> str:
        return f"{shape(found.values)}."

    def test(self, found: Final) -> str:
        if found.gap is None:
            return "The test set has not been opened."
        mean, low, high = found.gap
        text = (
            f"Test minus validation, over all networks: {self.say.points(mean)} points "
            f"{self.say.between(low, high)}. "
        )
        text += {
            Verdict.AGREES: "They are within a point of each other.",
            Verdict.DISAGREES: "They are more than a point apart.",
            Verdict.CANNOT_TELL: "Whether they are within a point of each other is open.",
        }[found.near]
        return text + (
            " The assignment validates, stops and tests on the same images, so it cannot answer this "
            "question itself."
        )

    def searched(self, found: Searched) -> str:
        told = terms(found.study, self.say)
        text = f"{told.name} {told.value(found.best)}, the best of {found.configurations}"
        return f"{text[:1].upper()}{text[1:]} configurations (trial {found.trial})."

    def sure(self, found: Searched) -> str:
        told = terms(found.study, self.say)
        if math.isnan(found.deviation):
            text = "Each configuration was trained once, so chance has its part in the order."
        else:
            text = (
                f"One execution has a standard deviation of {told.size(found.deviation)}; each "
                f"configuration has {found.executions}."
            )
        return text + f" The best of many is optimistic on the {told.examples} that chose it."

    def mattered(self, found: Searched) -> str:
        if found.clear is None:
            return (
                "The search does not tell: that takes 20 random configurations of one budget, and two "
                "hyperparameters that vary."
            )
        if not found.clear:
            return "No hyperparameter is shown to matter more than chance allows."
        return f"More than chance allows: {self.say.several(found.clear)}."

    def further(self, found: Searched) -> str:
        text = ""
        if found.bounds:
            listed = [f"{name} ({_short(value, self.say)})" for name, value in found.bounds.items()]
            text = f"Widen these ranges, since the best value lies on a bound: {self.say.several(listed)}. "
        if not found.ended:
            return text + "Continue the search, which is not finished."
        return text + "Train the best configurations on fresh seeds, and compare what you doubt."

    def cost(self, found: Searched) -> str:
        minutes = found.core_seconds / 60
        return (
            f"{found.trials} trials, {found.epochs} epochs, "
            f"{self.say.number(minutes, 0 if minutes >= 10 else 1)} minutes of one core."
        )


def shape(values: dict[str, object]) -> str:
    """Return a dense network in a few words."""
    layers = values.get("layers")
    if not isinstance(layers, int):
        return ", ".join(f"{name} {value}" for name, value in values.items())
    units = "-".join(str(values[f"units_{n}"]) for n in range(1, layers + 1))
    words = [units, str(values["activation"]), str(values["optimizer"])]
    words.append(SCHEDULES[str(values["schedule"])])
    words.append(f"batch {values['batch_size']}")
    if values.get("batch_norm"):
        words.append("batch norm")
    for name in ("dropout", "input_dropout", "label_smoothing"):
        if values.get(name):
            words.append(f"{name.replace('_', ' ')} {float(str(values[name])):.2g}")
    words += [
        f"{name.upper()} {float(str(values[name])):.2g}"
        for name in ("l1", "l2")
        if values.get(name)
    ]
    return ", ".join(words)


def _short(value: object, say: Language) -> str:
    return say.short(value) if isinstance(value, float) else str(value)
