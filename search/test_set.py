"""The one look at the test set: models declared by hash, then all evaluated at once."""

import hashlib
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from search import data
from search.augmentation import Augmentation
from search.checkpoints import WEIGHTS
from search.errors import Failure
from search.ledger import DECLARED, EVALUATED, OPENED, Ledger
from search.oracles import Trial
from search.space import DenseNetworks
from search.store import Json, Study, disk_faults
from search.training import judged


@dataclass(frozen=True)
class Declared:
    """A model to be evaluated.

    file: its name in the final study's `models/`. sha256: of its content.
    held_out: its accuracy on the validation images that chose no epoch, known before.
    """

    arm: str
    seed: int
    trial: str
    file: str
    sha256: str
    held_out: float


def declare(
    ledger: Ledger, study: Study, models: list[Declared], pool: data.Pool, reason: str | None
) -> tuple[int, list[Declared]]:
    """Enters the models in the ledger; returns the opening's number and what it is to evaluate.

    pool: the test images, of which the ledger also says who looked at them before.

    An opening that was cut off is taken up again with the models declared then, unless another
    reason is given to declare anew. Raises Misuse where the test set was evaluated and no reason
    is given, Failure where a declared file is not there any more.
    """
    ledger.check_closed(reason)
    entries = ledger.entries()
    before = [entry for entry in entries if entry["what"] == DECLARED]
    cut_off = entries and entries[-1]["what"] != EVALUATED
    if cut_off and reason in (None, before[-1]["reason"]):
        models = [Declared(**model) for model in before[-1]["models"]]
        for model in models:
            path = study.directory / "models" / model.file
            if not path.exists() or sha256(path) != model.sha256:
                raise Failure(
                    f"{path} is not the file declared in {ledger.path}: put it back, or declare "
                    "anew by --open-test-again with another reason than the one recorded"
                )
        return len(before), models
    named = [vars(model) for model in models]
    earlier = ledger.elsewhere(pool.hashes)
    ledger.append(DECLARED, opening=len(before) + 1, models=named, reason=reason, elsewhere=earlier)
    return len(before) + 1, models


def look(
    ledger: Ledger, study: Study, number: int, models: list[Declared], pool: data.Pool
) -> Json:
    """Evaluates the declared models on the test images; returns what `test-N.json` then holds."""
    ledger.append(OPENED, opening=number, data=pool.hashes)
    results = {"opening": number, "labels": pool.labels.tolist(), "models": []}
    for model in models:
        path = study.directory / "models" / model.file
        results["models"].append({**vars(model), **evaluated(path, pool)})
    study.write_json(results_file(number), results)
    return results


def close(ledger: Ledger, study: Study, results: Json) -> None:
    """Enters what came of an opening: from now on the test set is closed."""
    file = results_file(results["opening"])
    ledger.append(
        EVALUATED,
        opening=results["opening"],
        file=file,
        sha256=sha256(study.directory / file),
        accuracy={model["file"]: model["accuracy"] for model in results["models"]},
    )


def results_file(number: int) -> str:
    return f"test-{number}.json"


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
                with disk_faults(path), tempfile.TemporaryDirectory() as scratch:
                    model.save(Path(scratch, file))
                    study.write(f"models/{file}", Path(scratch, file).read_bytes())
            held_out = trial.run["held_out"]["accuracy"]
            models.append(Declared(arm, seed, trial.trial_id, file, sha256(path), held_out))
    return models


def network(
    study: Study, hypermodel: DenseNetworks, trial: Trial, dataset: data.DatasetName
) -> keras.Sequential:
    """A trial's best network as others use it: whole images in, class probabilities out.

    Takes (batch, side, side) pixels from 0 to the brightest; of Keras' own layers and loss alone.
    Dense layers of bfloat16 products have their weights in bfloat16, rounded as the products round
    them: half the file, the same predictions to the last bit.
    Raises Failure where the trial's weights are not on this machine, or are torn.
    """
    trained = hypermodel.build(trial.hyperparameters)
    weights = study.trial_directory(trial.trial_id) / WEIGHTS
    if not weights.exists():
        raise Failure(
            f"{weights} is not here: weights stay on the machine that trained them, which alone can "
            "write the model files"
        )
    with warnings.catch_warnings():
        # The optimizer's state is in the file too; it is of no use here, and Keras says so.
        warnings.simplefilter("ignore", UserWarning)
        try:
            trained.load_weights(weights)
        except OSError as error:
            raise Failure(
                f"{weights} is torn: remove the folder of its trial, and the same command trains it "
                "again"
            ) from error
    side = int(np.sqrt(hypermodel.features))
    model = keras.Sequential(
        [
            keras.Input((side, side)),
            keras.layers.Reshape((hypermodel.features,)),
            keras.layers.Rescaling(1 / data.LEVELS[dataset]),
            *(stored(layer) for layer in trained.layers if not isinstance(layer, Augmentation)),
        ],
        name=dataset.replace("-", "_"),
    )
    # Plain SGD has no state that would have to be in the file, or be missed when it is loaded.
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def stored(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer itself; a dense one with weights in the type of its products, and no penalty.

    Penalties would be added to the loss that `evaluate` gives, and Keras cannot add those of
    bfloat16 weights.
    """
    if not isinstance(layer, keras.layers.Dense):
        return layer
    changes = {"dtype": layer.compute_dtype, "kernel_regularizer": None}
    bare = keras.layers.Dense.from_config(layer.get_config() | changes)
    bare.build((None, layer.kernel.shape[0]))
    for variable, value in zip(bare.variables, layer.variables, strict=True):
        variable.assign(value)
    return bare


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
