"""The time that `analysis` takes to read a study of 1,000 trials with their curves.

Run as: python -m benchmarks.reading

The study is read once in the form that this project writes, and once in the form of stock
KerasTuner, whose curves are tensors in TensorBoard's event files. Its trials are copies of the
trials of tuner_logs/exercises.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from analysis.evidence.trials import load
from search.records.commands import ended
from search.records.errors import Failure

SOURCE = Path("tuner_logs/exercises")
TRIALS = 1000


def copies(ours: Path, stock: Path) -> None:
    """Write the same trials in both forms. Raises Failure if there are no trials to copy."""
    if not SOURCE.is_dir():
        raise Failure(f"there is no {SOURCE}/: run this in the project's folder")
    sources = [json.loads(p.read_text()) for p in sorted(SOURCE.glob("trial_*/trial.json"))]
    for n in range(TRIALS):
        name, trial = f"{n:04d}", sources[n % len(sources)] | {"trial_id": f"{n:04d}"}
        rows = trial["run"]["epochs"]
        without_run = {key: value for key, value in trial.items() if key != "run"}
        for directory, content in ((ours, trial), (stock, without_run)):
            path = directory / f"trial_{name}/trial.json"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(content))
        for run, prefix in (("train", ""), ("validation", "val_")):
            folder = stock / "board" / name / "execution0" / run
            folder.mkdir(parents=True)
            with (folder / "events.out.tfevents.0").open("wb") as file:
                writer = RecordWriter(file)
                for row in rows:
                    for quantity in ("loss", "accuracy"):
                        value = Summary.Value(
                            tag=f"epoch_{quantity}",
                            tensor=make_tensor_proto(
                                row[prefix + quantity] or 0.0, dtype="float32"
                            ),
                        )
                        summary = Summary(value=[value])
                        event = Event(step=row["epoch"], wall_time=row["time"], summary=summary)
                        writer.write(event.SerializeToString())


def main() -> None:
    """Print one line per form."""
    with tempfile.TemporaryDirectory() as directory:
        folders = Path(directory, "ours"), Path(directory, "stock")
        copies(*folders)
        for folder in folders:
            started = time.perf_counter()
            study = load(folder)
            _ = study.chains, study.chain_curves
            seconds = time.perf_counter() - started
            print(
                f"{folder.name}: {len(study.trials)} trials, {len(study.curves)} epochs, "
                f"{seconds:.1f} s"
            )


if __name__ == "__main__":
    sys.exit(ended(main, "benchmarks.reading"))
