"""The opening of the test set: models are declared by hash, then all are evaluated at once."""

import math
import warnings
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

import keras

from search.data.load import load_test_pool
from search.data.pool import Pool
from search.networks.hypermodels import Loaded
from search.opening.card import card
from search.opening.ledger import LedgerFile
from search.opening.models import export_models, sha256
from search.records.arguments import FinalArguments
from search.records.errors import Failure
from search.records.folder import StudyFolder
from search.records.ledger import (
    DECLARED,
    EVALUATED,
    OPENED,
    DeclaredModel,
    EvaluatedModel,
    Results,
)
from search.records.parts import BASELINE, FINAL
from search.records.reading import Json
from search.studies.kinds import final_of, hypermodel_of
from search.studies.oracles import Trial
from search.training.loop import as_probabilities, judged


def open_test_set(
    study: StudyFolder,
    search: StudyFolder,
    arguments: FinalArguments,
    data_dir: Path | None,
    reason: str | None,
) -> Json:
    """Evaluate every model of a finished final study on the test set, and return a `summary`.

    Writes the model files, the ledger, `test-N.json`, and the card of the final model, which is
    the model of the first seed.
    reason: why the test set is opened again. None if it is opened for the first time.
    Raises Failure if no run of an arm was completed, or if the test set cannot be read.
    Raises Misuse if the test set was evaluated and no reason is given.
    """
    with search.locked(), study.locked():
        trials = completed_by_arm(study, arguments)
        # The images are read before the declaration, so missing files leave the ledger unchanged.
        pool = load_test_pool(arguments.dataset, arguments.data, data_dir)
        loaded = hypermodel_of(arguments, pool.facts)
        models = export_models(study, loaded, trials, pool.facts)
        ledger = LedgerFile(study, search)
        number, models = declare(ledger, study, models, pool, reason)
        results = evaluate(ledger, study, number, models, pool, loaded)
        first = trials[FINAL][0]
        (file, *_) = (model.file for model in models if model.arm == FINAL)
        parameters = opened_model(study, file, loaded).count_params()
        text = card(study.record(), first, results, ledger.entries(), FINAL, parameters)
        study.write(f"models/{Path(file).stem}.md", text.encode())
        close(ledger, study, results)
        return {"file": str(study.directory / "models" / file), **summary(results)}


def completed_by_arm(study: StudyFolder, arguments: FinalArguments) -> dict[str, list[Trial]]:
    """Return the trials to evaluate, by arm.

    Raises Failure if the final network or the baseline has no completed trial.
    """
    oracle = final_of(arguments)
    records, _ = study.read_trials()
    oracle.restore([Trial.of(record) for record in records.values()])
    trials = {arm: own for arm, own in oracle.final_trials().items() if own}
    lost = sorted({BASELINE, FINAL} - set(trials))
    if lost:
        raise Failure(
            f"study {study.name}: no run of {' or '.join(lost)} was completed, so nothing can be "
            "compared: raise --seeds to train more runs"
        )
    return trials


def declare(
    ledger: LedgerFile,
    study: StudyFolder,
    models: list[DeclaredModel],
    pool: Pool,
    reason: str | None,
) -> tuple[int, list[DeclaredModel]]:
    """Enter the models in the ledger. Return the number of the opening and its models.

    pool: the test images. The ledger also lists the other studies that were evaluated on them.

    An opening that was interrupted continues with the models that it declared. A different reason
    declares the given models instead.
    Raises Misuse if the test set was evaluated and no reason is given.
    Raises Failure if the file of a declared model is missing or was changed.
    """
    ledger.check_closed(reason)
    entries = ledger.entries()
    before = [entry for entry in entries if entry.what == DECLARED]
    cut_off = entries and entries[-1].what != EVALUATED
    if cut_off and reason in (None, before[-1].reason):
        models = list(before[-1].models)
        for model in models:
            path = study.directory / "models" / model.file
            if not path.exists() or sha256(path) != model.sha256:
                raise Failure(
                    f"{path} is not the file declared in {ledger.path}: restore the declared file, "
                    "or declare new models by --open-test-again with a new reason"
                )
        return len(before), models
    ledger.append(
        DECLARED,
        opening=len(before) + 1,
        models=[asdict(model) for model in models],
        reason=reason,
        elsewhere=[asdict(earlier) for earlier in ledger.elsewhere(pool.hashes)],
    )
    return len(before) + 1, models


def evaluate(
    ledger: LedgerFile,
    study: StudyFolder,
    number: int,
    models: list[DeclaredModel],
    pool: Pool,
    loaded: Loaded,
) -> Results:
    """Evaluate the declared models on the test images, and write `test-N.json`."""
    ledger.append(OPENED, opening=number, data=pool.hashes)
    evaluated = tuple(evaluated_model(study, model, pool, loaded) for model in models)
    labels = pool.labels.tolist() if pool.facts.classes else []
    results = Results(number, labels, evaluated)
    study.write_json(results_file(number), asdict(results))
    return results


def close(ledger: LedgerFile, study: StudyFolder, results: Results) -> None:
    """Enter the results of an opening in the ledger, which closes the test set."""
    file = results_file(results.opening)
    ledger.append(
        EVALUATED,
        opening=results.opening,
        file=file,
        sha256=sha256(study.directory / file),
        accuracy={model.file: model.score for model in results.models},
    )


def results_file(number: int) -> str:
    """Return the name of the file of an opening's results."""
    return f"test-{number}.json"


def opened_model(
    study: StudyFolder, file: str, loaded: Loaded, compiled: bool = False
) -> keras.Model:
    """Return the model in a file, loaded as any user would load it.

    The classes and functions of an own hypermodel's module are known to it.
    compiled: with its loss and metrics.
    """
    module = vars(loaded.module) if loaded.module else {}
    own = {name: value for name, value in module.items() if callable(value)}
    path = study.directory / "models" / file
    with warnings.catch_warnings():
        # Keras warns that the state of the optimizer, which is not needed, is missing.
        warnings.simplefilter("ignore", UserWarning)
        return keras.models.load_model(path, custom_objects=own, compile=compiled)


def evaluated_model(
    study: StudyFolder, declared: DeclaredModel, pool: Pool, loaded: Loaded
) -> EvaluatedModel:
    """Evaluate a model file.

    Raises Failure if the labels are no classes and the model does not report the objective.
    """
    if not pool.facts.classes:
        return evaluated_values(study, declared, pool, loaded)
    model = opened_model(study, declared.file, loaded)
    outputs = model.predict(pool.images, batch_size=500, verbose=0)
    found = judged(as_probabilities(outputs), pool.labels)
    return EvaluatedModel(
        **vars(declared),
        accuracy=found["accuracy"],
        loss=found["loss"],
        predicted=found["predicted"],
    )


def evaluated_values(
    study: StudyFolder, declared: DeclaredModel, pool: Pool, loaded: Loaded
) -> EvaluatedModel:
    """Evaluate a model file by its own loss and metrics, of which the objective is one."""
    model = opened_model(study, declared.file, loaded, compiled=True)
    found = model.evaluate(pool.images, pool.labels, batch_size=500, verbose=0, return_dict=True)
    goal = study.record().objective
    value = goal.value(found | {f"val_{name}": number for name, number in found.items()})
    if math.isnan(value):
        raise Failure(f"{declared.file} reports no {goal.name}, only {', '.join(found)}")
    return EvaluatedModel(
        **vars(declared), accuracy=None, loss=float(found["loss"]), predicted=[], value=value
    )


def summary(results: Results) -> Json:
    """Return the number of an opening and, by arm, the means over its models.

    They are accuracies, or the objective if the labels are no classes.
    """
    arms: Json = {}
    kind = "_accuracy" if results.labels else ""
    for arm in dict.fromkeys(model.arm for model in results.models):
        own = [model for model in results.models if model.arm == arm]
        arms[arm] = {
            "models": len(own),
            f"held_out{kind}": fmean(model.held_out for model in own),
            f"test{kind}": fmean(model.score for model in own),
        }
    return {"opening": results.opening, "arms": arms}
