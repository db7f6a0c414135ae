"""Controls of the time to a target: random search, one epoch and then the best, and the limit."""

from functools import partial

from benchmarks.peer_training import EPOCHS, WORKERS, Job, one_thread, processes, train
from search.networks.baselines import TEXTBOOK, complete
from search.networks.narrowing import narrowed
from search.networks.spaces import configured
from search.records.trial import Values

DRAWS = 49
"""Configurations that `one-epoch` trains: as many as a Hyperband search of 27 epochs draws."""


def drawn(seed: int, n: int) -> Values:
    """Return a random configuration."""
    return configured(narrowed([]), lambda hp: hp.random_sample(f"{seed} {n} {hp.name}"))


def random(job: Job) -> None:
    """Train random configurations, each to the end."""
    with processes(job) as pool:
        list(pool.map(partial(trained_draw, job), range(1000)))


def trained_draw(job: Job, n: int) -> float:
    """Draw a configuration and train it to the end. Return its best validation accuracy."""
    return trained_for(job, drawn(job.seed, n), EPOCHS)


def one_epoch(job: Job) -> None:
    """Train every configuration for one epoch, then the best to the end (Egele 2023)."""
    values = [drawn(job.seed, n) for n in range(DRAWS)]
    with processes(job) as pool:
        each = list(pool.map(partial(trained_for, job, epochs=1), values))
        best = sorted(range(DRAWS), key=lambda n: -each[n])[:WORKERS]
        list(pool.map(partial(trained_for, job, epochs=EPOCHS), [values[n] for n in best]))


def trained_for(job: Job, values: Values, epochs: int) -> float:
    """Return the best validation accuracy of a configuration."""
    return train(job, values, epochs, EPOCHS)


def limit(job: Job) -> None:
    """Train the textbook network alone, for 9 epochs and then for 27.

    No configuration is known that reaches 0.90 on Fashion-MNIST sooner.
    """
    one_thread(job)
    for epochs in (9, 27):
        train(job, complete(TEXTBOOK), epochs, epochs)
