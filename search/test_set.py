"""The one look at the test set: models declared by hash, then all evaluated at once."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from search import data
from search.errors import Failure
from search.ledger import DECLARED, EVALUATED, OPENED, Ledger
from search.oracles import Trial
from search.space import DenseNetworks
from search.store import Json, Study
from search.training import judged


@dataclass(frozen=True)
class Declared:
    """A model to be evaluated.

    file: its name in the final study's `models/`. sha256: of its content.
    held_out: its accuracy on the validation images that stopped nothing, known before.
    """

    arm: str
    seed: int
    trial: str
    file: str
    sha256: str
    held_out: float


def open_test_set(
    ledger: Ledger, study: Study, models: list[Declared], pool: data.Pool, reason: str | None
) -> Json:
    """Evaluates all the models on the test images and returns what is written to `test-N.json`.

    An opening that a crash cut off is taken up again, for the same models alone.
    """
    entries = ledger.entries()
    number = 1 + sum(entry["what"] == EVALUATED for entry in entries)
    named = [vars(model) for model in models]
    pending = entries[-1]["what"] if entries else EVALUATED
    if pending == EVALUATED:
        ledger.append(DECLARED, opening=number, models=named, reason=reason)
    elif [e for e in entries if e["what"] == DECLARED][-1]["models"] != named:
        raise Failure(
            f"the models declared in {ledger.path} are not those in {study.directory}/models: "
            "put the declared files back"
        )
    if pending != OPENED:
        ledger.append(OPENED, opening=number, data=pool.hashes)
    results = {"opening": number, "labels": pool.labels.tolist(), "models": []}
    for model in models:
        path = study.directory / "models" / model.file
        results["models"].append({**vars(model), **evaluated(path, pool)})
    name = f"test-{number}.json"
    study.write_json(name, results)
    ledger.append(
        EVALUATED,
        opening=number,
        file=name,
        sha256=sha256(study.directory / name),
        accuracy={model["file"]: model["accuracy"] for model in results["models"]},
    )
    return results


def evaluated(path: Path, pool: data.Pool) -> Json:
    """Accuracy, log loss and predicted classes of a model file, opened as any user opens it."""
    model = keras.models.load_model(path)
    images = pool.images.reshape(-1, *model.input_shape[1:])
    found = judged(model.predict(images, batch_size=1000, verbose=0), pool.labels)
    return {key: found[key] for key in ("accuracy", "loss", "predicted")}


def declared(
    study: Study,
    hypermodel: DenseNetworks,
    trials: dict[str, list[Trial]],
    dataset: data.DatasetName,
) -> list[Declared]:
    """Writes the model file of every trial, where there is none yet.

    trials: by arm, in the order of seeds.
    """
    models = []
    for arm, own in trials.items():
        for trial in own:
            seed = trial.hyperparameters.values["tuner/seed"]
            file = f"{arm}-{seed}.keras"
            path = study.directory / "models" / file
            if not path.exists():
                model = network(study, hypermodel, trial, dataset)
                path.parent.mkdir(exist_ok=True)
                partial = path.with_name(f"partial-{file}")
                model.save(partial)
                partial.replace(path)
            held_out = trial.run["held_out"]["accuracy"]
            models.append(Declared(arm, seed, trial.trial_id, file, sha256(path), held_out))
    return models


def network(
    study: Study, hypermodel: DenseNetworks, trial: Trial, dataset: data.DatasetName
) -> keras.Sequential:
    """A trial's best network as others use it: whole images in, class probabilities out.

    Takes (batch, side, side) pixels from 0 to the brightest; of Keras' own layers and loss alone.
    """
    trained = hypermodel.build(trial.hyperparameters)
    trained.load_weights(study.trial_directory(trial.trial_id) / "checkpoint.weights.h5")
    side = int(np.sqrt(hypermodel.features))
    model = keras.Sequential(
        [
            keras.Input((side, side)),
            keras.layers.Reshape((hypermodel.features,)),
            keras.layers.Rescaling(1 / data.LEVELS[dataset]),
            *trained.layers,
        ],
        name=dataset.replace("-", "_"),
    )
    # Plain SGD has no state that would have to be in the file, or be missed when it is loaded.
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
