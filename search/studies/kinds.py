"""The hypermodel, the space and the oracle of each kind of study."""

from collections.abc import Callable

import keras_tuner as kt

from search.networks import narrowing
from search.networks.baselines import built_in
from search.networks.exploring import explored
from search.networks.hypermodels import Loaded, load
from search.networks.spaces import Space, stated_defaults
from search.records.arguments import (
    AblationArguments,
    Arguments,
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
from search.studies.ablation import AblationOracle
from search.studies.compare import CompareOracle
from search.studies.exercises import ExercisesOracle
from search.studies.final import FinalOracle
from search.studies.hyperband import HyperbandOracle
from search.studies.objectives import goal_of, objective_of
from search.studies.oracles import RecordedOracle


def hypermodel_of(arguments: Subject, facts: Dataset) -> Loaded:
    """Return the hypermodel that builds the networks of a study.

    Raises Misuse if it cannot be loaded, or if the built-in networks are not for such data.
    """
    if arguments.hypermodel:
        return load(arguments.hypermodel)
    from search.networks.dense import DenseNetworks

    if not isinstance(arguments, HyperbandArguments):
        return Loaded(DenseNetworks(facts))
    factor = None if arguments.rates == "search" else arguments.factor
    return Loaded(DenseNetworks(facts, arguments.max_epochs, factor))


def space_of(arguments: Subject, hypermodel: kt.HyperModel) -> Space:
    """Return the space of a study's hypermodel. The default configuration of own ones is built.

    Raises Misuse if a build fails, or if no epoch would report the objective.
    """
    goal = goal_of(objective_of(arguments.objective))
    if not arguments.hypermodel:
        _check_built_in(arguments.objective, goal.name)
        return built_in()
    parameters = explored(hypermodel, objective=goal)
    return Space(parameters, textbook=stated_defaults(parameters))


def oracle_of(
    arguments: Arguments,
    space: Space,
    report: Callable[[str], None] = lambda line: None,
    cost: Callable[[Values], float] | None = None,
) -> RecordedOracle:
    """Return the oracle of a study, before its earlier trials are restored.

    report: called with a line about baselines that are left out.
    cost: returns a number that is proportional to the seconds of a configuration's epochs.
    Raises Misuse if the space cannot be narrowed or compared as asked.
    """
    if isinstance(arguments, HyperbandArguments):
        return hyperband_of(arguments, space, report, cost)
    if isinstance(arguments, ExerciseArguments):
        return ExercisesOracle(arguments.exercises, judging_seeds(arguments.seeds))
    if isinstance(arguments, CompareArguments):
        seeds = judging_seeds(arguments.seeds)
        return CompareOracle(arguments, seeds, space, arguments.objective)
    if isinstance(arguments, FinalArguments):
        return final_of(arguments, space)
    if isinstance(arguments, AblationArguments):
        seeds = judging_seeds(arguments.seeds, arguments.search_seed)
        return AblationOracle(arguments.target, seeds, arguments.epochs, space, arguments.objective)
    raise TypeError(f"no oracle for {type(arguments).__name__}")


def hyperband_of(
    arguments: HyperbandArguments,
    space: Space,
    report: Callable[[str], None] = lambda line: None,
    cost: Callable[[Values], float] | None = None,
) -> HyperbandOracle:
    """Return the oracle of a search. Raises Misuse if the space cannot be narrowed as asked."""
    parameters = narrowing.narrowed(arguments.fix, space)
    first: list[Values] = []
    learns = arguments.draws == "learned"
    if arguments.seed_with:
        if arguments.hypermodel:
            raise Misuse(
                "--seed-with baselines: the assignment's networks are not in the space of "
                f"{arguments.hypermodel}"
            )
        first, left_out = narrowing.within(parameters)
        if left_out:
            report(f"baselines left out, because --fix excludes them: {', '.join(left_out)}")
    return HyperbandOracle(
        parameters,
        arguments.max_epochs,
        arguments.factor,
        arguments.iterations,
        arguments.seed,
        first,
        arguments.min_epochs,
        arguments.objective,
        arguments.executions,
        space.textbook if learns else None,
        cost,
        skips_idle=arguments.rates == "rung",
        # The built-in space is known as a whole.
        tune_new_entries=bool(arguments.hypermodel),
    )


def final_of(arguments: FinalArguments, space: Space | None = None) -> FinalOracle:
    """Return the oracle of a final study.

    space: found again if it is None.
    """
    if space is None:
        space = built_in()
        if arguments.hypermodel:
            space = space_of(arguments, load(arguments.hypermodel).hypermodel)
    return FinalOracle(
        arguments.configurations,
        arguments.epochs,
        judging_seeds(arguments.seeds, arguments.search_seed),
        arguments.augment,
        space,
        arguments.objective,
    )


def _check_built_in(asked: str, name: str) -> None:
    """Raise Misuse if the dense networks do not report an objective."""
    reported = ("loss", "accuracy", "val_loss", "val_accuracy")
    if name not in reported:
        raise Misuse(
            f"--objective {asked}: no epoch reports it; the dense networks report "
            f"{', '.join(reported)}"
        )
