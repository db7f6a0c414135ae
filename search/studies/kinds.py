"""The oracle, the space and the hypermodel of each kind of study."""

from collections.abc import Callable
from functools import cache

import keras_tuner as kt
from keras_tuner.src.engine.objective import create_objective

from search.networks import baselines, narrowing
from search.networks.exploring import explored
from search.networks.hypermodels import Loaded, load
from search.networks.spaces import Space, built_in, space_of
from search.records.arguments import (
    AblationArguments,
    CompareArguments,
    ExerciseArguments,
    FinalArguments,
    HyperbandArguments,
    Subject,
)
from search.records.datasets import Dataset
from search.records.errors import Misuse
from search.records.seeds import judging_seeds
from search.records.trial import Values
from search.studies import comparisons
from search.studies.ablation import AblationOracle
from search.studies.exercises import ExercisesOracle
from search.studies.final import FinalOracle
from search.studies.hyperband import HyperbandOracle
from search.studies.oracles import ListOracle, RecordedOracle


def oracle_of(arguments: Subject, report: Callable[[str], None]) -> RecordedOracle:
    """Return the oracle of a study, before its earlier trials are restored.

    report: called with a line about baselines that are left out.
    Raises Misuse if the hypermodel cannot be used, or if values are outside its space.
    """
    space = subject_space(arguments.hypermodel)
    objective = objective_of(arguments.objective)
    if isinstance(arguments, HyperbandArguments):
        return hyperband_of(arguments, report)
    if isinstance(arguments, CompareArguments):
        parts = comparisons.parts_of(arguments, space, judging_seeds(arguments.seeds))
        return ListOracle(space.parameters, lambda trials: parts, objective)
    if isinstance(arguments, ExerciseArguments):
        return ExercisesOracle(arguments.exercises, judging_seeds(arguments.seeds))
    if isinstance(arguments, FinalArguments):
        return final_of(arguments)
    if isinstance(arguments, AblationArguments):
        seeds = judging_seeds(arguments.seeds, arguments.search_seed)
        return AblationOracle(space, arguments.target, seeds, objective)
    raise TypeError(f"no oracle for {type(arguments).__name__}")


def hyperband_of(
    arguments: HyperbandArguments, report: Callable[[str], None] = lambda line: None
) -> HyperbandOracle:
    """Return the oracle of a search. Raises Misuse if the space cannot be narrowed as asked."""
    own = subject_space(arguments.hypermodel).parameters if arguments.hypermodel else None
    space = narrowing.narrowed(arguments.fix, own)
    first: list[Values] = []
    if arguments.seed_with:
        if own:
            raise Misuse("--seed-with baselines: an own hypermodel has none of these networks")
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
        objective_of(arguments.objective),
        arguments.executions,
    )


def final_of(arguments: FinalArguments) -> FinalOracle:
    """Return the oracle of a final study."""
    return FinalOracle(
        subject_space(arguments.hypermodel),
        arguments.configurations,
        arguments.epochs,
        judging_seeds(arguments.seeds, arguments.search_seed),
        arguments.augment,
        objective_of(arguments.objective),
    )


def hypermodel_of(arguments: Subject, facts: Dataset) -> Loaded:
    """Return the hypermodel of a study: a person's own, or the dense networks.

    Raises Misuse if it cannot be loaded, or if the data have no classes for the dense networks.
    """
    if arguments.hypermodel:
        return load(arguments.hypermodel)
    from search.networks.dense import DenseNetworks

    # In a search, a cosine falls over the longest budget, so that all rungs share one schedule.
    horizon = arguments.max_epochs if isinstance(arguments, HyperbandArguments) else None
    return Loaded(DenseNetworks(facts, horizon), {})


@cache
def subject_space(hypermodel: str | None) -> Space:
    """Return the space of a hypermodel on the command line, of the dense networks for None.

    Raises Misuse if the hypermodel cannot be loaded or built.
    """
    if hypermodel is None:
        return built_in()
    return space_of(explored(load(hypermodel).hypermodel, kt.HyperParameters()))


def objective_of(text: str) -> kt.Objective:
    """Return the objective that a person typed, such as `val_loss` or `val_f1:max`.

    Raises Misuse if its direction is unknown.
    """
    name, _, direction = text.partition(":")
    if direction in ("min", "max"):
        return kt.Objective(name, direction)
    if direction:
        raise Misuse(f"--objective {text}: write {name}:min or {name}:max")
    try:
        return create_objective(name)
    except ValueError:
        raise Misuse(
            f"--objective {text}: is more better, or less? write {name}:max or {name}:min"
        ) from None
