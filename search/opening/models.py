"""The model files that are declared before the test set is opened."""

import hashlib
import re
import tempfile
from pathlib import Path

import keras
import keras_tuner as kt

from search.networks.augmentation import Augmentation
from search.networks.dense import DenseNetworks
from search.networks.hypermodels import Loaded
from search.records.datasets import Dataset
from search.records.errors import Failure
from search.records.folder import StudyFolder, disk_faults
from search.records.ledger import DeclaredModel
from search.records.trial import WEIGHTS
from search.studies.arms import held_out_accuracy, held_out_value
from search.studies.oracles import Trial
from search.training.weights import load_best


def export_models(
    study: StudyFolder,
    loaded: Loaded,
    trials: dict[str, list[Trial]],
    facts: Dataset,
) -> list[DeclaredModel]:
    """Write the model file of every trial that has none yet, and return what to declare.

    trials: by arm, in the order of seeds.
    """
    models = []
    goal = study.record().objective
    for arm, own in trials.items():
        for trial in own:
            seed = trial.hyperparameters.values["tuner/seed"]
            file = f"{arm}-{seed}.keras"
            path = study.directory / "models" / file
            if not path.exists():
                model = network(study, loaded.hypermodel, trial, facts)
                with disk_faults(path), tempfile.TemporaryDirectory() as scratch:
                    model.save(Path(scratch, file))
                    study.write(f"models/{file}", Path(scratch, file).read_bytes())
            run = trial.trained
            held_out = held_out_accuracy(run) if facts.classes else held_out_value(run, goal)
            models.append(DeclaredModel(arm, seed, trial.trial_id, file, sha256(path), held_out))
    return models


def network(
    study: StudyFolder, hypermodel: kt.HyperModel, trial: Trial, facts: Dataset
) -> keras.Model:
    """Return a trial's best model for use elsewhere.

    Its input is raw examples, shape (batch, *facts.shape). Its output is class probabilities or
    logits, shape (batch, classes). A dense network of this project becomes a network of Keras' own
    layers and loss alone. The model of an own hypermodel stays as it is.
    Dense layers with bfloat16 products store their weights in bfloat16, rounded as the products
    round them. The file is half as large, and predictions are equal to the last bit.
    Raises Failure if the trial's weights are missing on this machine, or are torn.
    """
    trained = hypermodel.build(trial.hyperparameters)
    weights = study.trial_directory(trial.trial_id) / WEIGHTS
    if not weights.exists():
        raise Failure(
            f"{weights} is missing. Weights stay on the machine that trained them: run the command "
            "there"
        )
    try:
        load_best(trained, study, trial.trial_id)
    except OSError as error:
        raise Failure(
            f"{weights} is torn: remove the folder of its trial, then run the same command to "
            "train it again"
        ) from error
    if not isinstance(hypermodel, DenseNetworks):
        return trained
    layers = [stored(layer) for layer in trained.layers if not isinstance(layer, Augmentation)]
    model = keras.Sequential([keras.Input(facts.shape), *layers], name=model_name(facts))
    # Plain SGD has no state, so none is missing when the file is loaded.
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def model_name(facts: Dataset) -> str:
    """Return the name of a data set's models. `predict` recognises the data set by this name."""
    return re.sub(r"\W", "_", facts.name)


def stored(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Return a layer as the model file stores it.

    A Dense layer is copied, with weights in the type of its products and without penalties. Any
    other layer is returned itself. Keras would add penalties to the loss that `evaluate` returns,
    and it cannot add penalties of bfloat16 weights.
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
