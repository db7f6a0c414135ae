"""Draws that know more than chance: from textbook values, and from the trials so far."""

import random
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner as kt
from keras_tuner.engine import hyperparameters as kinds

from search.networks.narrowing import in_range
from search.networks.spaces import configured
from search.records.trial import MODEL, PRIOR, RANDOM, Values

WIDTH = 0.25
"""Standard deviation of a number about its textbook value, as a share of its range, on its own
scale. NePS, which has PriorBand (Mallik et al. 2023), changes the best configuration by as much."""


KEPT = 0.75
"""Probability that a hyperparameter has its textbook value before chance has its part. Then a few of
them differ in a draw. If all do, as little is left of the textbook network as in a random draw."""


ENOUGH = 10
"""Fewest trials of one budget from which the model learns."""


ATTEMPTS = 30
"""Draws after which a configuration that was not yet tried is not looked for any longer."""


@dataclass(frozen=True)
class Seen:
    """A trial that draws learn from.

    draw: number of the draw of its configuration.
    sampler: what drew its configuration.
    bracket: position of its bracket in the study.
    budget: the epoch at which it ended.
    loss: smaller is better. None if it failed.
    """

    draw: int
    values: Values
    sampler: str
    bracket: int
    rung: int
    budget: int
    loss: float | None


def guided(
    space: kt.HyperParameters,
    textbook: Values,
    seen: Sequence[Seen],
    seed: str,
    taken: Sequence[Values],
    affordable: Callable[[Values], bool] = lambda values: True,
) -> tuple[Values, str] | None:
    """Return a configuration and what drew it. None if the draw is left to chance.

    The prior and the model share the draws by their skill. Chance has a part if neither has the
    skill that it starts with, and all draws for which no configuration is found.

    textbook: values of the hyperparameters by name, where textbooks name one.
    taken: configurations that are not drawn. affordable: whether a configuration may be drawn.
    seed: the result depends on it and on the other arguments alone.
    """
    rng = random.Random(seed)
    skills = {name: skill(name, seen) for name in (PRIOR, MODEL)}
    trials = learnable(seen)
    if not trials:
        skills[MODEL] = 0.0
    if not textbook:
        skills[PRIOR] = 0.0
    skills[RANDOM] = max(0.0, START - max(skills.values()))
    (sampler,) = rng.choices(list(skills), list(skills.values()))
    for _ in range(ATTEMPTS if sampler != RANDOM else 0):
        if sampler == MODEL:
            values = from_model(space, trials, rng.getrandbits(31))
        else:
            values = from_prior(space, textbook, rng)
        if values not in taken and affordable(values):
            return values, sampler
    return None


START = 0.25
"""Skill of a sampler before any trial shows it."""

PAIRS = 8
"""Number of pairs that the skill at the start counts for."""


def skill(sampler: str, seen: Iterable[Seen]) -> float:
    """Return by how much a sampler's draws beat random draws more often than half of the time.

    Draws of the same bracket are compared on its first rung, where none is selected.
    The result is between 0 and 0.5.
    """
    won, pairs = (0.5 + START) * PAIRS, float(PAIRS)
    first = [trial for trial in seen if trial.rung == 0]
    for own in first:
        for other in first:
            if (own.sampler, other.sampler, own.bracket) == (sampler, RANDOM, other.bracket):
                pairs += 1
                won += 0.5 if own.loss == other.loss else _better(own, other)
    return max(0.0, won / pairs - 0.5)


def _better(one: Seen, other: Seen) -> bool:
    return other.loss is None or (one.loss is not None and one.loss < other.loss)


def learnable(seen: Iterable[Seen]) -> list[Seen]:
    """Return the trials of the largest budget that has enough of them, as BOHB does.

    A trial that failed counts as bad as the worst.
    """
    by_budget: dict[int, list[Seen]] = {}
    for trial in seen:
        by_budget.setdefault(trial.budget, []).append(trial)
    for budget in sorted(by_budget, reverse=True):
        if sum(trial.loss is not None for trial in by_budget[budget]) >= ENOUGH:
            return by_budget[budget]
    return []


def centre(space: kt.HyperParameters, textbook: Values) -> Values:
    """Return the configuration with the textbook values, and defaults where they name none."""

    def value_of(hp: Any) -> Any:
        named = [v for v in (textbook.get(hp.name), hp.default) if in_range(hp, v)]
        # KerasTuner accepts a default that is outside the range.
        return named[0] if named else hp.random_sample(0)

    return configured(space, value_of)


def from_prior(space: kt.HyperParameters, textbook: Values, rng: random.Random) -> Values:
    """Return a configuration near the textbook values, random where they name none."""
    return configured(space, lambda hp: near(hp, textbook.get(hp.name), rng))


def near(hp: Any, centre: Any, rng: random.Random) -> Any:
    """Return a value of a hyperparameter near another. A value that it does not have says nothing.

    centre: None for a random value.
    """
    if isinstance(hp, kinds.Fixed):
        return hp.value
    known = in_range(hp, centre)
    if known and rng.random() < KEPT:
        return centre
    if known and _is_ordered(hp):
        return hp.prob_to_value(_normal(hp.value_to_prob(centre), rng))
    return hp.random_sample(rng.getrandbits(31))


def _is_ordered(hp: Any) -> bool:
    """Return whether neighbouring values of a hyperparameter are alike."""
    return isinstance(hp, kinds.Int | kinds.Float) or bool(getattr(hp, "ordered", False))


def _normal(centre: float, rng: random.Random) -> float:
    """Return a number of [0, 1) near a centre: a normal distribution, cut off at the ends."""
    while True:
        drawn = rng.gauss(centre, WIDTH)
        if 0 <= drawn < 1:
            return drawn


def from_model(space: kt.HyperParameters, trials: Sequence[Seen], seed: int) -> Values:
    """Return a configuration that multivariate TPE expects to be good (Falkner et al. 2018).

    trials: of one budget.
    """
    import optuna
    from optuna.samplers import TPESampler

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    worst = max(trial.loss for trial in trials if trial.loss is not None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = TPESampler(multivariate=True, group=True, n_startup_trials=0, seed=seed)
        study = optuna.create_study(sampler=sampler)
        study.add_trials([_as_optuna(space, trial, worst) for trial in trials])
        asked = study.ask()
        places = {id(hp): f"{place}" for place, hp in enumerate(space.space)}
        return configured(space, lambda hp: _suggested(asked, places[id(hp)], hp))


def _as_optuna(space: kt.HyperParameters, trial: Seen, worst: float) -> Any:
    """Return a trial as Optuna has it.

    Its parameters are named by place, because a name may be declared under several conditions.
    """
    import optuna

    known = space.copy()
    known.values = trial.values
    active = {
        f"{place}": hp
        for place, hp in enumerate(space.space)
        if known.is_active(hp)
        and not isinstance(hp, kinds.Fixed)
        and in_range(hp, trial.values.get(hp.name))
    }
    return optuna.trial.create_trial(
        params={place: _encoded(hp, trial.values[hp.name]) for place, hp in active.items()},
        distributions={place: _distribution(hp) for place, hp in active.items()},
        value=worst if trial.loss is None else trial.loss,
    )


def _encoded(hp: Any, value: Any) -> Any:
    """Return a value as its distribution has it."""
    # A value beside the steps of a range may lie beyond its ends.
    return min(max(hp.value_to_prob(value), 0.0), 1.0) if _is_ordered(hp) else value


def _suggested(asked: Any, place: str, hp: Any) -> Any:
    """Return Optuna's suggestion as the hyperparameter has it."""
    if isinstance(hp, kinds.Fixed):
        return hp.value
    if not _is_ordered(hp):
        return asked.suggest_categorical(place, _options(hp))
    return hp.prob_to_value(min(asked.suggest_float(place, 0.0, 1.0), BELOW_ONE))


def _distribution(hp: Any) -> Any:
    """Return Optuna's distribution of a hyperparameter: of numbers, KerasTuner's own scale."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if _is_ordered(hp):
        return FloatDistribution(0.0, 1.0)
    return CategoricalDistribution(_options(hp))


def _options(hp: Any) -> list[Any]:
    return [False, True] if isinstance(hp, kinds.Boolean) else list(hp.values)


BELOW_ONE = 1 - 1e-9
"""KerasTuner's scale ends before 1."""
