"""The model card of a final network, beside its file."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from search.records.arguments import FinalArguments
from search.records.datasets import Dataset
from search.records.ledger import OPENED, Entry, Results
from search.records.study import StudyRecord
from search.records.trial import configuration
from search.studies.oracles import Trial

CARD = """# {file}

A {network} that {task} {examples}. `python -m search final`
trained it from the search `{search}`. {opens}

- **takes** (batch, {shape}) {values}, as in {dataset}
- **returns** {returns}
- **parameters** {parameters:,}
- **SHA-256** `{sha256}`

## Data

The network was trained on {dataset}. SHA-256 of the data: {hashes}.

{aside} One half of
them chose the epoch, and the other half judged it. The test examples were opened {openings} (see
`ledger.jsonl`).

## Configuration

{configuration}

The network was trained for {trained} of at most {epochs} epochs. Its weights come from epoch
{best_epoch}, which has the best {objective} of the epochs from {watched_from} on. {stopping}.

The configuration was chosen from {candidates} configurations of the search, by {quantity} on the
examples that chose no epoch. Separate seeds were used for this choice.

## Results

The table gives the {quantity}.

| | this file | mean of {seeds} seeds | 95 % interval over seeds |
| --- | --- | --- | --- |
| validation, examples that chose no epoch | {held_out} | {held_out_mean} |
| test{test_images} | {test} | {test_mean} |

This file is the model of the first seed. It was not picked by its results. The interval of the test
result covers other seeds on the same examples.{error}

## Limits

The network only knows {limits}{calibration}
"""


def card(
    about: StudyRecord,
    trial: Trial,
    results: Results,
    entries: Sequence[Entry],
    arm: str,
    parameters: int,
) -> str:
    """Return the text of the card of an arm's first model.

    about: record of the final study.
    trial: trial of the model.
    results: results of the opening.
    entries: all entries of the ledger.
    parameters: number of the model's parameters.
    """
    arguments = about.arguments
    assert isinstance(arguments, FinalArguments)
    assert trial.trained.held_out is not None
    assert about.watched_from is not None
    own = [model for model in results.models if model.arm == arm]
    first = own[0]
    values = configuration(trial.hyperparameters.values)
    dataset = about.facts
    assert dataset is not None
    goal, shares = about.objective, bool(dataset.classes)
    quantity = "accuracy" if shares else goal.name.removeprefix("val_")
    return CARD.format(
        file=first.file,
        network="network of your own" if arguments.hypermodel else "dense network",
        task="classifies" if dataset.classes else "predicts a value from",
        returns=_returns(dataset),
        examples=_examples(dataset),
        opens=OPENS if arguments.hypermodel is None else OPENS_OWN,
        shape=", ".join(map(str, dataset.shape)),
        search=arguments.search,
        values=f"values from 0 to {dataset.levels:g}" if dataset.is_image else "values",
        dataset=dataset.name,
        parameters=parameters,
        sha256=first.sha256,
        hashes=", ".join(f"{name} `{digest[:16]}…`" for name, digest in about.data.items()),
        aside=_set_aside(first.seed, dataset),
        openings=_openings(entries),
        configuration="\n".join(f"- {name}: {_short(value)}" for name, value in values.items()),
        trained=len(trial.trained.epochs),
        epochs=arguments.epochs,
        stopping=_stopping(about.patience, about.watched_from, arguments.epochs),
        watched_from=about.watched_from + 1,
        best_epoch=trial.trained.held_out.epoch + 1,
        objective=goal.name.replace("val_accuracy", "validation accuracy"),
        quantity=quantity,
        candidates=len(arguments.configurations),
        seeds=len(own),
        held_out=_number(first.held_out, shares),
        held_out_mean=_mean([model.held_out for model in own], shares),
        test=_number(first.score, shares),
        test_images=f", {len(results.labels)} examples" if shares else "",
        test_mean=_mean([model.score for model in own], shares),
        error=_error(first.score, len(results.labels)) if shares else "",
        limits=dataset.limits
        if arguments.data
        else f"pictures like those of {dataset.name}: {dataset.limits}",
        calibration=_calibration(values.get("label_smoothing")) if shares else "",
    )


OPENS = "`keras.models.load_model` opens it without this project's code."

OPENS_OWN = (
    "`keras.models.load_model` opens it where the classes of its hypermodel can be imported, if it has "
    "any of its own."
)


def _examples(facts: Dataset) -> str:
    if not facts.is_image:
        return f"rows of {facts.features} values"
    height, width = facts.shape[:2]
    kind = "coloured" if facts.shape[-1] == 3 else "grey"
    return f"{kind} images of {width} × {height} pixels"


def _set_aside(seed: int, facts: Dataset) -> str:
    if facts.validation_share is None:
        return f"{facts.validation_size:,} examples are set aside for validation."
    return (
        f"Seed {seed} set aside {facts.validation_share:.0%} of the training examples"
        f"{' of each class' if facts.classes else ''} for validation."
    )


def _stopping(patience: int | None, watched_from: int, epochs: int) -> str:
    """Return a sentence about early stopping, without its full stop."""
    text = f"Training stops after {patience} epochs without improvement"
    if patience is None or watched_from + 1 + patience >= epochs:
        text += f", which never happens within {epochs} epochs"
    return text


def _openings(entries: Sequence[Entry]) -> str:
    """Return how often the test images were opened, here and by other studies in the folder."""
    times = len({entry.opening for entry in entries if entry.what == OPENED})
    earlier = [opening for entry in entries for opening in entry.elsewhere]
    others = dict.fromkeys(f"{opening.study} on {opening.time[:10]}" for opening in earlier)
    text = "once" if times == 1 else f"{times} times"
    return text + (f", and earlier by {', '.join(others)}" if others else "")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _returns(facts: Dataset) -> str:
    if not facts.classes:
        return "(batch, …) predicted values"
    return f"(batch, {len(facts.classes)}) probabilities of: {', '.join(facts.classes)}"


def _error(accuracy: float, count: int) -> str:
    """Return a sentence about the sampling of the test examples."""
    error = 100 * (accuracy * (1 - accuracy) / count) ** 0.5
    return (
        " The sampling of the test examples adds a binomial standard error of "
        f"{error:.2f} points to this file's test accuracy."
    )


def _calibration(smoothing: float | None) -> str:
    reason = f": label smoothing ({_short(smoothing)}) keeps them low" if smoothing else ""
    return f" Its probabilities were not calibrated{reason}."


def _number(value: float, share: bool) -> str:
    return f"{value:.2%}" if share else f"{value:.4g}"


def _mean(values: list[float], shares: bool) -> str:
    """Return two table cells: the mean and Student's 95 % interval. shares: of accuracies."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{_number(mean, shares)} | –"
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    high = min(1, mean + half) if shares else mean + half
    return f"{_number(mean, shares)} | {_number(mean - half, shares)} to {_number(high, shares)}"
