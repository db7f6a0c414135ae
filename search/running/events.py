"""TensorBoard's event files of a study: a folder per trial, scalars by absolute epoch, HParams.

They are written with TensorBoard's own records and protos, without TensorFlow. All values and times
come from the trial file, so writing the files again gives the same bytes.
"""

import io
import math
from collections.abc import Iterable
from typing import Any

import keras_tuner as kt
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2
from tensorboard.summary.writer.record_writer import RecordWriter

from search.records.folder import StudyFolder, disk_faults
from search.records.trial import COMPLETED, EpochRow
from search.studies.oracles import Trial

FILE = "events.out.tfevents.search"
"""Without host or process in the name, so that a study's logs are the same on every machine."""


RUNS = ("", "train/", "validation/")


LABELS = {
    "tuner/bracket": "bracket",
    "tuner/round": "rung",
    "tuner/epochs": "epochs",
    "tuner/seed": "seed",
}
"""Names in the HParams tab of KerasTuner's own values."""


SHOWN_FIRST = ("activation", "initializer", "optimizer", "layers", "batch_size")
"""Hyperparameters that the HParams tab shows when it opens."""


def write_experiment(
    study: StudyFolder,
    space: kt.HyperParameters,
    labels: Iterable[str],
    objective: str,
    started: float,
) -> None:
    """Declare the study's hyperparameters, their domains and its metrics to the HParams tab.

    labels: the keys of `LABELS` that its trials have.
    objective: name of the objective, which comes first.
    started: seconds since 1970.
    """
    declared = [summary_v2.HParam(hp.name, _domain(hp)) for hp in space.space]
    shown = [summary_v2.HParam(name, display_name=LABELS[name]) for name in labels]
    names = dict.fromkeys((objective, "val_accuracy", "val_loss", "accuracy", "loss"))
    metrics = [
        summary_v2.Metric(
            f"epoch_{name.removeprefix('val_')}",
            group="validation" if name.startswith("val_") else "train",
            display_name=name,
        )
        for name in names
    ]
    summary = summary_v2.hparams_config_pb(shown + declared, metrics, started)
    _mark_differing(summary, space)
    study.write(FILE, _records([_version(started), _event(summary, started)]))


def _mark_differing(summary: Summary, space: kt.HyperParameters) -> None:
    """Mark the hyperparameters that the tab shows when it opens. Without marks, it opens empty."""
    fixed = {hp.name for hp in space.space if isinstance(hp, kt.engine.hyperparameters.Fixed)}
    free = [hp.name for hp in space.space if hp.name not in fixed]
    first = [name for name in SHOWN_FIRST if name in free] or free[: len(SHOWN_FIRST)]
    data = summary.value[0].metadata.plugin_data
    content = plugin_data_pb2.HParamsPluginData.FromString(data.content)
    for info in content.experiment.hparam_infos:
        info.differs = info.name in first
    data.content = content.SerializeToString()


def begin(study: StudyFolder, trial: Trial) -> None:
    """Write a trial's event files from the beginning, with the epochs that its record holds."""
    started = trial.trained.started
    values = {k: v for k, v in trial.hyperparameters.values.items() if k != "tuner/trial_id"}
    start = summary_v2.hparams_pb(values, trial.trial_id, started)
    heads = {"": [_event(start, started)], "train/": [], "validation/": []}
    first = trial.trained.at_start
    if first:
        heads[""].append(_event(_scalars({f"at_start/{k}": v for k, v in first.items()}), started))
    rows = trial.trained.epochs
    for execution in {0, *(row.execution for row in rows)}:
        for run in RUNS:
            own = [_row_events(row)[run] for row in rows if row.execution == execution]
            head = heads[run] if execution == 0 else []
            content = _records([_version(started), *head, *own])
            study.write(f"trial_{trial.trial_id}/{_folder(execution, run)}{FILE}", content)


def append(study: StudyFolder, trial_id: str, rows: Iterable[EpochRow]) -> None:
    """Add epochs to a trial's event files. Each execution after the first has a folder of its own."""
    for row in rows:
        for run, event in _row_events(row).items():
            _append(study, trial_id, _folder(row.execution, run), [event])


def _folder(execution: int, run: str) -> str:
    return f"execution{execution}/{run}" if execution else run


def end(study: StudyFolder, trial: Trial) -> None:
    """Mark a trial as a success or as a failure. Raises ValueError if it has not ended."""
    good = trial.status == COMPLETED
    status = api_pb2.STATUS_SUCCESS if good else api_pb2.STATUS_FAILURE
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=_ended(trial))
    data = plugin_data_pb2.HParamsPluginData(session_end_info=info)
    value = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(data),
        tensor=metadata.NULL_TENSOR,
    )
    _append(study, trial.trial_id, "", [_event(Summary(value=[value]), _ended(trial))])


def write_pictures(study: StudyFolder, trial: Trial, run: str, pictures: dict[str, bytes]) -> None:
    """Write pictures into the event file of a run.

    run: name of a folder in the trial's folder.
    pictures: content of PNG files by tag.
    Raises ValueError if the trial has not ended.
    """
    ended = _ended(trial)
    values = [
        Summary.Value(tag=tag, image=Summary.Image(encoded_image_string=png))
        for tag, png in pictures.items()
    ]
    content = _records([_version(ended), _event(Summary(value=values), ended)])
    study.write(f"trial_{trial.trial_id}/{run}/{FILE}", content)


def _ended(trial: Trial) -> float:
    ended = trial.trained.ended
    if ended is None:
        raise ValueError(f"trial {trial.trial_id} has not ended")
    return ended


def _append(study: StudyFolder, trial_id: str, run: str, events: list[Event]) -> None:
    path = study.trial_directory(trial_id) / f"{run}{FILE}"
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(_records(events))


def _row_events(row: EpochRow) -> dict[str, Event]:
    """Return the event of one epoch by run."""
    logs = row.logs
    own = {
        run: {f"epoch_{n.removeprefix('val_')}": logs[n] for n in sorted(logs) if belongs(n)}
        for run, belongs in (
            ("train/", lambda name: not name.startswith("val_")),
            ("validation/", lambda name: name.startswith("val_")),
        )
    }
    other = {"epoch_learning_rate": row.learning_rate, "epoch_seconds": row.seconds}
    own[""] = other | row.diagnostics
    return {run: _event(_scalars(own[run]), row.time, row.epoch) for run in RUNS}


def _scalars(values: dict[str, float]) -> Summary:
    return Summary(
        value=[
            Summary.Value(tag=tag, simple_value=value)
            for tag, value in values.items()
            if math.isfinite(value)
        ]
    )


def _event(summary: Any, time: float, step: int = 0) -> Event:
    return Event(wall_time=time, step=step, summary=summary)


def _version(time: float) -> Event:
    return Event(wall_time=time, file_version="brain.Event:2")


def _records(events: Iterable[Event]) -> bytes:
    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    for event in events:
        writer.write(event.SerializeToString())
    return buffer.getvalue()


def _domain(hp: Any) -> summary_v2.Domain:
    if isinstance(hp, kt.engine.hyperparameters.Choice):
        return summary_v2.Discrete(hp.values)
    if isinstance(hp, kt.engine.hyperparameters.Boolean):
        return summary_v2.Discrete([False, True])
    if isinstance(hp, kt.engine.hyperparameters.Fixed):
        return summary_v2.Discrete([hp.value])
    if isinstance(hp, kt.engine.hyperparameters.Int):
        return summary_v2.IntInterval(hp.min_value, hp.max_value)
    return summary_v2.RealInterval(hp.min_value, hp.max_value)
