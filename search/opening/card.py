"""The model card of a final network, beside its file."""

from typing import Any

import numpy as np
from scipy import stats

from search.records.datasets import CLASSES, LEVELS, SHAPES, VALIDATION_SHARE
from search.records.folder import Json
from search.records.ledger import OPENED
from search.records.trial import configuration
from search.studies.oracles import Trial

CARD = """# {file}

A dense network that names the class of a grey image of {side} × {side} pixels. Trained by `python -m
search final` from the search `{search}`; opens with `keras.models.load_model`, without this project's code.

- **takes** (batch, {side}, {side}) pixels from 0 (ground) to {levels} (object), as in {dataset}
- **returns** (batch, {classes}) probabilities of: {names}
- **parameters** {parameters:,}
- **SHA-256** `{sha256}`

## Data

{dataset}; SHA-256 of what was read: {hashes}. Of the training images {share:.0%} of each class was
held out by seed {seed}: one half chose the epoch, the other judged it. The test images were opened
{openings} (`ledger.jsonl`).

## Configuration

{configuration}

Trained for {trained} epochs of {epochs} at most. Of the epochs from {watched_from} on, the weights of the
one with the best validation accuracy are kept, here those of epoch {best_epoch}; {stopping}.
Chosen from {candidates} configurations of the search by accuracy on the images that chose no epoch,
on seeds of their own.

## Accuracy

| | this file | mean of {seeds} seeds | 95 % interval over seeds |
| --- | --- | --- | --- |
| validation, images that chose no epoch | {held_out:.2%} | {held_out_mean} |
| test, {test_images} images | {test:.2%} | {test_mean} |

This file is the first seed's; it was not picked by its accuracy. The interval of the test accuracy is
for other seeds on these images; the images themselves give one accuracy a binomial standard error of
{error:.2f} points.

## Limits

It knows {dataset} and no other pictures: {limits} Its probabilities were not calibrated{smoothing}.
"""


LIMITS = {
    "fashion-mnist": "garments photographed from the front on black ground, centred, 28 pixels "
    "wide, in grey. A photo must be brought into that form first.",
    "digits": "handwritten digits of 8 × 8 pixels.",
}


def card(
    about: Json, trial: Trial, results: Json, entries: list[Json], arm: str, parameters: int
) -> str:
    """The text of the card of an arm's first model.

    about: `study.json` of the final study. results: of the opening (`test_set.look`). entries: of
    its ledger.
    """
    own = [model for model in results["models"] if model["arm"] == arm]
    first = own[0]
    values = configuration(trial.hyperparameters.values)
    dataset = about["arguments"]["dataset"]
    smoothing = values["label_smoothing"]
    return CARD.format(
        file=first["file"],
        side=round(SHAPES[dataset].features ** 0.5),
        search=about["arguments"]["search"],
        levels=LEVELS[dataset],
        dataset=dataset,
        classes=len(CLASSES[dataset]),
        names=", ".join(CLASSES[dataset]),
        parameters=parameters,
        sha256=first["sha256"],
        hashes=", ".join(f"{name} `{digest[:16]}…`" for name, digest in about["data"].items()),
        seed=first["seed"],
        share=VALIDATION_SHARE[dataset],
        openings=_openings(entries),
        configuration="\n".join(f"- {name}: {_short(value)}" for name, value in values.items()),
        trained=len(trial.run["epochs"]),
        epochs=about["arguments"]["epochs"],
        stopping=_stopping(about),
        watched_from=about["watched_from"] + 1,
        best_epoch=trial.run["held_out"]["epoch"] + 1,
        candidates=len(about["arguments"]["configurations"]),
        seeds=len(own),
        held_out=first["held_out"],
        held_out_mean=_mean([model["held_out"] for model in own]),
        test=first["accuracy"],
        test_images=len(results["labels"]),
        test_mean=_mean([model["accuracy"] for model in own]),
        error=100 * (first["accuracy"] * (1 - first["accuracy"]) / len(results["labels"])) ** 0.5,
        limits=LIMITS[dataset],
        smoothing=f": label smoothing ({_short(smoothing)}) keeps them low" if smoothing else "",
    )


def _stopping(about: Json) -> str:
    """What early stopping may have done, as far as there are epochs for it."""
    text = f"{about['patience']} without a better one end the training"
    if about["watched_from"] + 1 + about["patience"] >= about["arguments"]["epochs"]:
        text += f", which cannot come about in {about['arguments']['epochs']}"
    return text


def _openings(entries: list[Json]) -> str:
    """How often the test images were looked at, here and by other studies in the folder."""
    times = len({entry["opening"] for entry in entries if entry["what"] == OPENED})
    looks = [look for entry in entries for look in entry.get("elsewhere", [])]
    others = dict.fromkeys(f"{look['study']} on {look['time'][:10]}" for look in looks)
    text = "once" if times == 1 else f"{times} times"
    return text + (f", and before that by {', '.join(others)}" if others else "")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _mean(shares: list[float]) -> str:
    """Cells: the mean and Student's 95 % interval."""
    mean = float(np.mean(shares))
    if len(shares) < 2:
        return f"{mean:.2%} | –"
    half = stats.t.ppf(0.975, len(shares) - 1) * stats.sem(shares)
    return f"{mean:.2%} | {mean - half:.2%} to {min(1, mean + half):.2%}"
