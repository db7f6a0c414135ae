"""The time of an epoch as a ratio to its matrix products alone, on one thread.

Run as: python -m benchmarks.epoch

The baseline is a TensorFlow loop of equally many steps. It computes only the three products of
every Dense layer (output, gradient of the weights, gradient of the input) at the same shapes.
`needed` leaves out the gradient of the first layer's input, which training does not compute. Epochs
and loops are timed in turn, so that a disturbance affects both. Their medians are compared.
"""

import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import keras_tuner as kt
import tensorflow as tf

from search.data.load import load_pool
from search.networks.baselines import BASELINES, complete
from search.networks.dense import DenseNetworks
from search.records.commands import ended
from search.records.datasets import DATASETS
from search.running.worker import configure
from search.training.loop import EpochLoop

EPOCHS = 9
BATCH = 64
LIMITS = {"784-128-128-128-10": 1.35, "784-512-256-128-10, batch norm, dropout": 1.6}


def products(widths: list[int], steps: int, first_input: bool) -> Callable[[], tf.Tensor]:
    """Return a compiled loop of the matrix products of a dense network's training steps.

    widths: features of the input and of each layer.
    first_input: include the gradient of the first layer's input.
    """
    pairs = list(itertools.pairwise(widths))
    weights = [tf.Variable(tf.random.normal(pair, stddev=0.05)) for pair in pairs]
    signals = [tf.Variable(tf.random.normal((BATCH, width))) for width in widths]

    @tf.function
    def run() -> tf.Tensor:
        total = tf.constant(0.0)
        for _ in tf.range(steps):
            for i, weight in enumerate(weights):
                outputs = [
                    tf.matmul(signals[i], weight),
                    tf.matmul(signals[i], signals[i + 1], transpose_a=True),
                ]
                if i or first_input:
                    outputs.append(tf.matmul(signals[i + 1], weight, transpose_b=True))
                # TensorFlow would leave out a product that is not used.
                total += tf.add_n([output[0, 0] for output in outputs])
        return total

    return run


def train_next(loop: EpochLoop, epochs: Iterator[int]) -> None:
    """Train the next epoch."""
    loop.train(next(epochs))


def compute(function: Callable[[], tf.Tensor]) -> None:
    """Call a compiled function and wait for its value."""
    function().numpy()


def timed(function: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def main() -> None:
    """Print the table of docs/speed.md. Raises Failure if the data are missing."""
    configure()
    tf.random.set_seed(1)
    images = load_pool("fashion-mnist").split(1)
    train = (images.x_train, images.y_train)
    hypermodel = DenseNetworks(DATASETS["fashion-mnist"], 1)
    changes = [{"batch_size": BATCH}, BASELINES["4 final"]]
    print(
        "| network, batch 64, 54,000 images, 1 thread | epoch | products | ratio | limit |", end=""
    )
    print(" needed products | ratio |\n| --- | --- | --- | --- | --- | --- | --- |")
    for (name, limit), change in zip(LIMITS.items(), changes, strict=True):
        hp = kt.HyperParameters()
        hp.values = values = complete(change)
        loop = EpochLoop(hypermodel.build(hp), train, None, BATCH, seed=1)
        widths = [784, *(values[f"units_{i}"] for i in (1, 2, 3)), 10]
        every, needed = (
            products(widths, -(-len(images.x_train) // BATCH), first) for first in (True, False)
        )
        epochs = iter(range(100))
        runs: list[Callable[[], object]] = [
            partial(train_next, loop, epochs),
            partial(compute, every),
            partial(compute, needed),
        ]
        for run in runs:
            run()
        rounds = [[timed(run) for run in runs] for _ in range(EPOCHS)]
        epoch, all_products, needed_products = map(statistics.median, zip(*rounds, strict=True))
        print(
            f"| {name} | {epoch:.3f} s | {all_products:.3f} s | {epoch / all_products:.2f} | "
            f"{limit} | {needed_products:.3f} s | {epoch / needed_products:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(ended(main, "benchmarks.epoch"))
