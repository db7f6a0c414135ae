"""Do short rungs rank configurations as long ones do? Three ways to let a learning rate fall.

Run as: python -m benchmarks.rungs [CONFIGURATIONS]

The configurations are the cheapest of the tracked search `fashion-mnist-refined` whose rate falls.
Each is trained for 27 epochs on Fashion-MNIST, in the rungs of Hyperband, three times:

- search: the rate falls over the longest budget, as in version 0.3;
- rung: it falls over each rung and begins anew, as now;
- stretched: it falls over all epochs up to the end of the rung, so it rises again a little.
"""

import sys
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
from scipy.stats import spearmanr

from search.data.load import load_pool
from search.data.pool import Data
from search.networks.baselines import complete
from search.networks.dense import DenseNetworks
from search.records.datasets import DATASETS
from search.records.folder import StudyFolder
from search.records.trial import Values, configuration, key_of
from search.training.loop import EpochLoop, restore, state_of
from search.training.seeding import seeded

SEARCH = "fashion-mnist-refined"

RUNGS = (1, 3, 9, 27)

SEED = 1


FACTS = DATASETS["fashion-mnist"]

WAYS = {
    "search": DenseNetworks(FACTS, RUNGS[-1]),
    "rung": DenseNetworks(FACTS, RUNGS[-1], 3),
    "stretched": DenseNetworks(FACTS),
}


def configurations(count: int) -> list[Values]:
    """Return the cheapest configurations of the search whose learning rate falls."""
    trials, _ = StudyFolder(Path("tuner_logs"), SEARCH).read_trials()
    found = {key_of(v): v for t in trials.values() if (v := configuration(t.values))}
    falling = [complete(v) for v in found.values() if v["schedule"] != "constant"]
    learning = [v for v in falling if v["initializer"] != "zeros"]
    return sorted(learning, key=WAYS["rung"].cost)[:count]


def accuracies(networks: DenseNetworks, values: Values, data: Data) -> list[float]:
    """Return the validation accuracy in the last epoch of each rung."""
    found: list[float] = []
    before: tuple[int, Any] = (0, None)
    for last in RUNGS:
        first, state = before
        keras.backend.clear_session()
        hp = kt.HyperParameters()
        hp.values = {**values, "tuner/epochs": last, "tuner/bracket": len(RUNGS) - 1}
        with seeded(SEED):
            model = networks.build(hp)
        networks.seed_weights(model, SEED)
        loop = EpochLoop(
            model,
            (data.x_train, data.y_train),
            (data.x_validation, data.y_validation),
            values["batch_size"],
            SEED,
        )
        if state is not None:
            restore(model, state)
        for epoch in range(first, last):
            loop.train(epoch)
        found.append(loop.evaluate()["accuracy"])
        before = last, state_of(model)
    return found


def main(count: int) -> None:
    """Print the table of docs/speed.md."""
    from search.running.worker import configure

    configure()
    data = load_pool("fashion-mnist").split(SEED)
    chosen = configurations(count)
    found = {
        way: np.array([accuracies(networks, values, data) for values in chosen])
        for way, networks in WAYS.items()
    }
    full = np.mean([own[:, -1] for own in found.values()], axis=0)
    print(f"| the rate falls over | {' | '.join(f'{e} epochs' for e in RUNGS)} |")
    print("| --- |" + " --- |" * len(RUNGS))
    for way, own in found.items():
        cells = [
            f"{own[:, rung].mean():.4f} (rank correlation {spearmanr(own[:, rung], full)[0]:.2f})"
            for rung in range(len(RUNGS))
        ]
        print(f"| {way} | {' | '.join(cells)} |")
    print(
        f"{len(chosen)} configurations; ranks are compared with the mean of the three at 27 epochs"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
