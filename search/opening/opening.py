"""The one look at the test set: models declared by hash, then all evaluated at once."""

from pathlib import Path
from statistics import fmean

import keras

from search.data.load import load_test_pool
from search.data.pool import Pool
from search.opening.card import card
from search.opening.ledger import Ledger
from search.opening.models import Declared, declared, sha256
from search.records.arguments import FinalArguments
from search.records.errors import Failure
from search.records.folder import Json, Study, study_record
from search.records.ledger import DECLARED, EVALUATED, OPENED
from search.records.parts import BASELINE, FINAL
from search.studies.oracles import Trial
from search.training.loop import judged


def open_and_describe(
    study: Study,
    search: Study,
    arguments: FinalArguments,
    data_dir: Path | None,
    reason: str | None,
) -> Json:
    """Evaluates every model of a finished final study on the test set; returns `told`.

    Writes the model files, the ledger, `test-N.json`, and the card of the final model, which is
    the first seed's. Raises Failure where no run of an arm came to its end, or where the test set
    cannot be read.
    """
    from search.studies.kinds import hypermodel

    with search.locked(), study.locked():
        oracle = arguments.oracle(study, lambda line: None)
        records, _ = study.read_trials()
        oracle.restore([Trial.from_state(record) for record in records.values()])
        trials = oracle.final_trials()
        lost = [arm for arm, own in trials.items() if not own]
        if {BASELINE, FINAL} & set(lost):
            raise Failure(f"study {study.name}: no run of {' or '.join(lost)} was completed")
        trials = {arm: own for arm, own in trials.items() if own}
        networks = hypermodel(arguments)
        models = declared(study, networks, trials, arguments.dataset)
        ledger = Ledger(study, search)
        # Read before it is declared open: files that are missing leave the ledger as it was.
        pool = load_test_pool(arguments.dataset, data_dir)
        number, models = declare(ledger, study, models, pool, reason)
        results = look(ledger, study, number, models, pool)
        first = trials[FINAL][0]
        parameters = networks.build(first.hyperparameters).count_params()
        text = card(study_record(study), first, results, ledger.entries(), FINAL, parameters)
        (file, *_) = (model.file for model in models if model.arm == FINAL)
        study.write(f"models/{Path(file).stem}.md", text.encode())
        close(ledger, study, results)
        return {"file": str(study.directory / "models" / file), **told(results)}


def told(results: Json) -> Json:
    """Of an opening: its number and, by arm, the mean accuracies over the models."""
    arms: Json = {}
    for arm in dict.fromkeys(model["arm"] for model in results["models"]):
        own = [model for model in results["models"] if model["arm"] == arm]
        arms[arm] = {
            "models": len(own),
            "held_out_accuracy": fmean(model["held_out"] for model in own),
            "test_accuracy": fmean(model["accuracy"] for model in own),
        }
    return {"opening": results["opening"], "arms": arms}


def declare(
    ledger: Ledger, study: Study, models: list[Declared], pool: Pool, reason: str | None
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


def look(ledger: Ledger, study: Study, number: int, models: list[Declared], pool: Pool) -> Json:
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


def evaluated(path: Path, pool: Pool) -> Json:
    """Accuracy, log loss and predicted classes of a model file, opened as any user opens it."""
    model = keras.models.load_model(path)
    images = pool.images.reshape(-1, *model.input_shape[1:])
    found = judged(model.predict(images, batch_size=1000, verbose=0), pool.labels)
    return {key: found[key] for key in ("accuracy", "loss", "predicted")}
