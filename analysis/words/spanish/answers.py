"""The answers in Spanish."""

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

NAMES = {"adam": "Adam", "rmsprop": "RMSprop"}

JUDGED = {
    Verdict.AGREES: "sí: coincide con la tarea",
    Verdict.DISAGREES: "no: contradice a la tarea",
    Verdict.CANNOT_TELL: "no se puede saber",
}

SCHEDULES = {
    "constant": "tasa constante",
    "cosine": "tasa en coseno",
    "warmup": "calentamiento y coseno",
}


class Spanish:
    """Sentences of the page of answers (`analysis.words.answers.AnswerWords`)."""

    title = "Las respuestas"
    question = "pregunta"
    answer = "respuesta"
    verdict = "veredicto"

    def __init__(self, say: Language):
        self.say = say

    @property
    def claims(self) -> dict[str, str]:
        return {
            "activation": "1 · ¿Es mejor ReLU que la sigmoide?",
            "initializer": "2 · ¿Importa el punto de partida?",
            "optimizer": "3 · ¿Son mejores Adam y RMSprop que SGD?",
            "regularization": "4.1 · ¿Mejora la exactitud con la regularización de la tarea?",
            "goal": "4.1 · ¿Llega la red final al 90 %?",
            "network": "4.1 · ¿Qué red es?",
            "test": "4.2 · ¿Se parecen las exactitudes de test y de validación?",
            "searched": "¿Qué es lo mejor?",
            "sure": "¿Con qué seguridad?",
            "mattered": "¿Qué ha importado?",
            "further": "¿Qué probar ahora?",
            "cost": "¿Cuánto ha costado?",
            "warning": "La advertencia más grave",
        }

    def judged(self, verdict: Verdict) -> str:
        return JUDGED[verdict]

    def reached(self, verdict: Verdict) -> str:
        return {Verdict.AGREES: "sí", Verdict.DISAGREES: "no"}.get(verdict, JUDGED[verdict])

    def activation(self, found: Activation) -> str:
        epochs, say = found.part.epochs, self.say
        text = (
            f"En la media de las {epochs} épocas, {self._less(found.speed)}. Al final, "
            f"{self._less(found.level)}."
        )
        if found.equal:
            text += f" A menos de medio punto de ReLU al final: {say.several(found.equal)}."
        if found.better:
            text += f" Mejores que ReLU: {say.several(found.better)}."
        if found.worse:
            text += f" Peores: {say.several(found.worse)}."
        return text

    def _less(self, one: Difference) -> str:
        """Return how the sigmoid compares with ReLU."""
        if not one.detected:
            by = f"{self.say.points(one.mean)} puntos {self._ends(one)}, p de Holm {self.say.p(one.p)}"
            return f"no se detecta diferencia entre la sigmoide y ReLU ({by})"
        by = f"{self.say.number(100 * abs(one.mean))} puntos {self._ends(one)}"
        return f"la sigmoide queda {by} por {'debajo' if one.mean < 0 else 'encima'} de ReLU"

    def _ends(self, one: Difference) -> str:
        return self.say.between(one.low, one.high)

    def initializer(self, found: Initializer) -> str:
        say, part = self.say, found.part
        text = (
            f"Con ceros, la exactitud es del {say.percent(found.zeros)} tras {part.epochs} épocas"
        )
        if abs(found.zeros - found.chance) < 0.005:
            text += ", la del azar: la red no aprende"
        text += ". La normal aleatoria menos la uniforme de Glorot: "
        parts = [
            f"{say.points(one.mean)} puntos {self._ends(one)} {when}, {self._seen(one)}"
            for one, when in (
                (found.normal_speed, "en la media de las épocas"),
                (found.normal_level, "al final"),
            )
        ]
        text += "; ".join(parts) + "."
        if found.sigmoid:
            speed, level = found.sigmoid
            text += (
                f" Con la sigmoide: {say.points(speed.mean)} puntos {self._ends(speed)} en la media, "
                f"{self._seen(speed)}; {say.points(level.mean)} puntos {self._ends(level)} al final, "
                f"{self._seen(level)}."
            )
        return text

    def _seen(self, one: Difference) -> str:
        if one.detected:
            return "diferencia detectada"
        if one.negligible:
            return "equivalentes, con un margen de medio punto"
        return "sin diferencia detectada"

    def optimizers(self, found: Optimizers) -> str:
        say = self.say
        text = (
            f"{self._better(found)} Diferencias con el SGD de la tarea (tasa 0,01 y momento 0,9), cada "
            "optimizador con los valores por defecto de Keras, en puntos y en la media de las "
            f"{found.part.epochs} épocas: {self._listed(found.speed)}. Al final: "
            f"{self._listed(found.level)}."
        )
        if found.tuned and not math.isnan(found.tuned[1]):
            best, low, high = (say.number(100 * value) for value in found.tuned)
            text += (
                f" Con las tasas ajustadas, el mejor y el peor de los seis difieren en {best} puntos "
                f"[{low}; {high}]."
            )
        return text

    def _better(self, found: Optimizers) -> str:
        """Say which optimizer is better than SGD, and which is not."""
        kinds = {
            Verdict.AGREES: "es mejor",
            Verdict.DISAGREES: "no lo es",
            Verdict.CANNOT_TELL: "queda en duda",
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
        say, one, gap = self.say, found.level, found.gap
        text = (
            "La red con dropout y batch norm menos la red sin regularización, al final de las "
            f"{found.part.epochs} épocas: {say.points(one.mean)} puntos {self._ends(one)}, "
            f"{self._seen(one)}. La distancia entre entrenamiento y validación cambia en "
            f"{say.points(gap.mean)} puntos, {self._seen(gap)}."
        )
        if found.fresh:
            text += " Batch norm se mide con estadísticos nuevos."
        if found.lagging:
            text += (
                " Batch norm se mide con medias móviles que, con una tasa constante, van por detrás de "
                "los pesos, así que el signo de esto no se sabe."
            )
        return text

    def goal(self, found: Final) -> str:
        say = self.say
        mean, low, high = found.validation
        text = (
            f"La exactitud de validación es del {say.percent(mean)} [{say.number(100 * low)}; "
            f"{say.number(100 * high)}], n = {found.n}, con imágenes que no eligieron nada. El objetivo "
            f"del {say.percent(GOAL, 0)} "
        )
        text += {
            Verdict.AGREES: "se alcanza.",
            Verdict.DISAGREES: "no se alcanza.",
            Verdict.CANNOT_TELL: "queda dentro del intervalo: no se sabe si se alcanza.",
        }[found.goal]
        if found.test:
            mean, low, high = found.test
            text += (
                f" La de test es del {say.percent(mean)} [{say.number(100 * low)}; "
                f"{say.number(100 * high)}]."
            )
        return text

    def network(self, found: Final) -> str:
        return f"{shape(found.values, self.say)}."

    def test(self, found: Final) -> str:
        if found.gap is None:
            return "El conjunto de test no se ha abierto."
        mean, low, high = found.gap
        text = (
            f"Test menos validación, con todas las redes: {self.say.points(mean)} puntos "
            f"{self.say.between(low, high)}. "
        )
        text += {
            Verdict.AGREES: "Difieren en menos de un punto.",
            Verdict.DISAGREES: "Difieren en más de un punto.",
            Verdict.CANNOT_TELL: "No se sabe si difieren en menos de un punto.",
        }[found.near]
        return text + (
            " La tarea valida, para el entrenamiento y evalúa con las mismas imágenes, así que por sí "
            "sola no puede responder a esta pregunta."
        )

    def searched(self, found: Searched) -> str:
        told = terms(found.study, self.say)
        text = f"{told.name}: {told.value(found.best)}, la mejor de {found.configurations}"
        return f"{text[:1].upper()}{text[1:]} configuraciones (prueba {found.trial})."

    def sure(self, found: Searched) -> str:
        told = terms(found.study, self.say)
        if math.isnan(found.deviation):
            text = (
                "Cada configuración se entrenó una sola vez, así que el azar influye en el orden."
            )
        else:
            text = (
                f"Una ejecución tiene una desviación típica de {told.size(found.deviation)}; cada "
                f"configuración tiene {found.executions}."
            )
        return text + f" La mejor de muchas es optimista con las {told.examples} que la eligieron."

    def mattered(self, found: Searched) -> str:
        if found.clear is None:
            return (
                "La búsqueda no lo dice: hacen falta 20 configuraciones al azar con un mismo presupuesto y dos "
                "hiperparámetros que varíen."
            )
        if not found.clear:
            return "De ningún hiperparámetro se muestra que importe más de lo que permite el azar."
        return f"Más de lo que permite el azar: {self.say.several(found.clear)}."

    def further(self, found: Searched) -> str:
        text = ""
        if found.bounds:
            listed = [f"{name} ({_short(value, self.say)})" for name, value in found.bounds.items()]
            text = (
                "Ampliar estos rangos, porque el mejor valor está en un límite: "
                f"{self.say.several(listed)}. "
            )
        if not found.ended:
            return text + "Continuar la búsqueda, que no ha terminado."
        return text + (
            "Entrenar las mejores configuraciones con semillas nuevas y comparar lo que quede en duda."
        )

    def cost(self, found: Searched) -> str:
        minutes = found.core_seconds / 60
        return (
            f"{found.trials} pruebas, {found.epochs} épocas, "
            f"{self.say.number(minutes, 0 if minutes >= 10 else 1)} minutos de un núcleo."
        )


def shape(values: dict[str, object], say: Language) -> str:
    """Return a dense network in a few words."""
    layers = values.get("layers")
    if not isinstance(layers, int):
        return ", ".join(f"{name} {value}" for name, value in values.items())
    units = "-".join(str(values[f"units_{n}"]) for n in range(1, layers + 1))
    words = [units, str(values["activation"]), str(values["optimizer"])]
    words += [SCHEDULES[str(values["schedule"])], f"lotes de {values['batch_size']}"]
    if values.get("batch_norm"):
        words.append("batch norm")
    names = {
        "dropout": "dropout",
        "input_dropout": "dropout de entrada",
        "label_smoothing": "suavizado de etiquetas",
        "l1": "L1",
        "l2": "L2",
    }
    for name, told in names.items():
        if values.get(name):
            words.append(f"{told} {float(str(values[name])):.2g}".replace(".", ","))
    return "; ".join(words)


def _short(value: object, say: Language) -> str:
    return say.short(value) if isinstance(value, float) else str(value)
