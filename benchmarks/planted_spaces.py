"""Draws that learn against random draws on planted spaces: simulated learning curves, known optima.

Run as: python -m benchmarks.planted_spaces [SPACES] [SEEDS]

Nothing is trained. Each space has an optimum, costs, noise and curves of its own. The textbook values
of a space are near its optimum, far from it, or missing. In some spaces the order of the first epochs
says little of the last, or the opposite. Two workers search in simulated time.
"""

import concurrent.futures
import heapq
import math
import random
import sys
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from statistics import median

import keras_tuner as kt
import numpy as np

from search.records.trial import COMPLETED, RUNNING, Values, key_of
from search.studies.hyperband import HyperbandOracle

KINDS = ("near", "far", "missing", "early order is noise", "early order is reversed")
"""Where the textbook values stand. In the last two kinds of spaces, they are near the optimum."""


WORKERS = 2

ITERATIONS = 3

TOP = 0.02
"""Share of random configurations that reach the target by their last epoch."""

EPOCHS = 27


@dataclass(frozen=True)
class Planted:
    """A space with known learning curves.

    best: the optimum in KerasTuner's scale of each number, and the best option of each choice.
    weights: what each hyperparameter costs far from its optimum.
    kind: one of `KINDS`.
    """

    kind: str
    space: kt.HyperParameters
    textbook: Values
    best: dict[str, float | str]
    weights: dict[str, float]
    noise: float
    seed: int

    def loss(self, values: Values) -> float:
        """Return by how much a configuration ends below the best."""
        total = 0.0
        for hp in self.space.space:
            best = self.best[hp.name]
            if isinstance(best, str):
                total += self.weights[hp.name] * (values[hp.name] != best) / 2
            else:
                total += self.weights[hp.name] * abs(hp.value_to_prob(values[hp.name]) - best)
        return total

    def accuracy(self, values: Values, epoch: int) -> float:
        """Return the accuracy after an epoch, counted from 1."""
        rng = random.Random(f"{self.seed} {key_of(values)}")
        loss, luck = self.loss(values), rng.random()
        slow = {
            "early order is noise": 4 * luck,
            "early order is reversed": 4 * math.exp(-3 * loss),
        }
        gap = 0.3 + slow.get(self.kind, loss)
        noise = random.Random(f"{self.seed} {key_of(values)} {epoch}").gauss(0, self.noise)
        return 0.95 - 0.3 * loss - 0.2 * gap * epoch**-0.7 + noise

    def cost(self, values: Values) -> float:
        """Return the seconds of an epoch."""
        return float(16 ** self.space.space[0].value_to_prob(values[self.space.space[0].name]))


def planted(number: int) -> Planted:
    """Return a space. The number decides everything about it."""
    rng = random.Random(f"space {number}")
    kind = KINDS[number % len(KINDS)]
    space = kt.HyperParameters()
    for place in range(rng.randint(2, 6)):
        space.Float(f"number_{place}", 1e-4, 1.0, sampling="log")
    for place in range(rng.randint(1, 4)):
        space.Choice(f"choice_{place}", [f"option {n}" for n in range(rng.randint(2, 6))])
    best: dict[str, float | str] = {}
    textbook: Values = {}
    for hp in space.space:
        if hp.name.startswith("number"):
            own = best[hp.name] = rng.random()
            near = min(max(rng.gauss(own, 0.15), 0.0), 0.999)
            far = (own + 0.5) % 1
            textbook[hp.name] = hp.prob_to_value(far if kind == "far" else near)
        else:
            best[hp.name] = rng.choice(hp.values)
            others = [option for option in hp.values if option != best[hp.name]]
            wrong = kind == "far" or rng.random() < 0.25
            textbook[hp.name] = rng.choice(others) if wrong else best[hp.name]
    weights = {hp.name: rng.expovariate(1) for hp in space.space}
    whole = sum(weights.values())
    weights = {name: weight / whole for name, weight in weights.items()}
    if kind == "missing":
        textbook = {}
    return Planted(kind, space, textbook, best, weights, rng.choice([0.0, 0.002, 0.01]), number)


def target_of(planted: Planted) -> float:
    """Return an accuracy that few random configurations reach."""
    reached = []
    for n in range(1000):
        values = {hp.name: hp.random_sample(f"{n} {hp.name}") for hp in planted.space.space}
        reached.append(planted.accuracy(values, EPOCHS))
    return float(np.quantile(reached, 1 - TOP))


def seconds_to(planted: Planted, target: float, seed: int, learns: bool) -> float:
    """Return the simulated seconds until a search reaches an accuracy, infinite if it does not."""
    oracle = HyperbandOracle(
        planted.space,
        EPOCHS,
        iterations=ITERATIONS,
        seed=seed,
        textbook=planted.textbook if learns else None,
        cost=planted.cost,
        tune_new_entries=False,
    )
    oracle.workers = WORKERS
    now, slots = 0.0, [f"slot{n}" for n in range(WORKERS)]
    running: list[tuple[float, str, kt.engine.trial.Trial]] = []
    found = math.inf
    while now < found:
        for slot in slots:
            if slot not in oracle.ongoing_trials:
                trial = oracle.create_trial(slot)
                if trial.status == RUNNING:
                    first, last = oracle.epochs_of(trial)
                    values = trial.hyperparameters.values
                    cost = planted.cost(values)
                    for epoch in range(first + 1, last + 1):
                        if planted.accuracy(configured(planted, values), epoch) >= target:
                            found = min(found, now + (epoch - first) * cost)
                            break
                    heapq.heappush(running, (now + (last - first) * cost, trial.trial_id, trial))
        if not running:
            break
        now, _, trial = heapq.heappop(running)
        ended(planted, oracle, trial)
    return found


def configured(planted: Planted, values: Values) -> Values:
    """Return the values without KerasTuner's labels."""
    return {hp.name: values[hp.name] for hp in planted.space.space}


def ended(planted: Planted, oracle: HyperbandOracle, trial: kt.engine.trial.Trial) -> None:
    """Complete a trial."""
    _, last = oracle.epochs_of(trial)
    trial.metrics.register("val_accuracy", "max")
    value = planted.accuracy(configured(planted, trial.hyperparameters.values), last)
    trial.metrics.update("val_accuracy", value)
    trial.status = COMPLETED
    oracle.end_trial(trial)


def ratio(number: int, seeds: int) -> tuple[str, float]:
    """Return the kind of a space, and the median time of draws that learn over that of random ones.

    Both are medians over the same seeds. A search that does not reach the target counts as infinite.
    The ratio is NaN if most random searches do not.
    """
    space = planted(number)
    target = target_of(space)
    learned, at_random = (
        median(seconds_to(space, target, seed, learns) for seed in range(1, seeds + 1))
        for learns in (True, False)
    )
    return space.kind, learned / at_random if math.isfinite(at_random) else math.nan


def main(spaces: int, seeds: int) -> None:
    """Print a table: ratios of the median times by kind of space."""
    found: dict[str, list[float]] = defaultdict(list)
    with concurrent.futures.ProcessPoolExecutor() as pool:
        for kind, value in pool.map(partial(ratio, seeds=seeds), range(spaces)):
            found[kind].append(value)
    print("| textbook values | spaces | median ratio | worst | sooner | later by over 10 % |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind in (*KINDS, "all"):
        own = np.array([value for name in found for value in found[name] if kind in (name, "all")])
        own = own[~np.isnan(own)]
        print(
            f"| {kind} | {len(own)} | {np.median(own):.2f} | {own.max():.2f} | "
            f"{np.mean(own < 1):.0%} | {np.mean(own > 1.1):.0%} |"
        )


if __name__ == "__main__":
    main(*[int(word) for word in sys.argv[1:]] or [200, 9])
