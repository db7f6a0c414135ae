"""The oracle and the networks of each kind of study."""

from collections.abc import Callable

import keras_tuner as kt

from search.networks import baselines, narrowing
from search.records.arguments import (
    AblationArguments,
    Arguments,
    ExerciseArguments,
    FinalArguments,
    HyperbandArguments,
)
from search.records.datasets import DATASETS
from search.records.seeds import judging_seeds
from search.records.trial import Values
from search.studies.ablation import AblationOracle
from search.studies.exercises import ExercisesOracle
from search.studies.final import FinalOracle
from search.studies.hyperband import HyperbandOracle
from search.studies.oracles import RecordedOracle


def oracle_of(arguments: Arguments, report: Callable[[str], None]) -> RecordedOracle:
    """Return the oracle of a study, before its earlier trials are restored.

    report: called with a line about baselines that are left out.
    Raises Misuse if the space cannot be narrowed as asked.
    """
    if isinstance(arguments, HyperbandArguments):
        return hyperband_of(arguments, report)
    if isinstance(arguments, ExerciseArguments):
        return ExercisesOracle(arguments.exercises, judging_seeds(arguments.seeds))
    if isinstance(arguments, FinalArguments):
        return final_of(arguments)
    if isinstance(arguments, AblationArguments):
        seeds = judging_seeds(arguments.seeds, arguments.search_seed)
        return AblationOracle(arguments.target, seeds)
    raise TypeError(f"no oracle for {type(arguments).__name__}")


def hyperband_of(
    arguments: HyperbandArguments, report: Callable[[str], None] = lambda line: None
) -> HyperbandOracle:
    """Return the oracle of a search. Raises Misuse if the space cannot be narrowed as asked."""
    space = narrowing.narrowed(arguments.fix)
    first: list[Values] = []
    if arguments.seed_with:
        first, left_out = baselines.within(space)
        if left_out:
            report(f"baselines left out, because --fix excludes them: {', '.join(left_out)}")
    return HyperbandOracle(
        space,
        arguments.max_epochs,
        arguments.factor,
        arguments.iterations,
        arguments.seed,
        first,
        arguments.min_epochs,
    )


def final_of(arguments: FinalArguments) -> FinalOracle:
    """Return the oracle of a final study."""
    seeds = judging_seeds(arguments.seeds, arguments.search_seed)
    return FinalOracle(arguments.configurations, arguments.epochs, seeds, arguments.augment)


def networks_of(arguments: Arguments) -> kt.HyperModel:
    """Return the hypermodel that builds the networks of a study."""
    from search.networks.dense import DenseNetworks

    dataset = DATASETS[arguments.dataset]
    # In a search, a cosine falls over the longest budget, so that all rungs share one schedule.
    horizon = arguments.max_epochs if isinstance(arguments, HyperbandArguments) else None
    return DenseNetworks(
        dataset.features, len(dataset.classes), dataset.train_size, max_epochs=horizon
    )
