"""Read scalars from TensorBoard event files with TensorBoard's protos, without its accumulator.

The accumulator keeps only ten tensors per tag and takes about a second per hundred files. This
module reads every complete record. It reports a file that ends in the middle of a record, as a
killed run leaves it.
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.types_pb2 import DT_DOUBLE, DT_FLOAT

PATTERN = "events.out.tfevents*"


Scalars = dict[str, dict[int, float]]


def records(content: bytes) -> Iterator[bytes | None]:
    """Yield the records of an event file, and None at the end if it stops inside a record.

    Format (tensorboard/compat/tensorflow_stub/pywrap_tensorflow.py): length, its checksum, the
    record, its checksum. Checksums are not checked.
    """
    at = 0
    while at < len(content):
        if at + 12 > len(content):
            yield None
            return
        (length,) = struct.unpack_from("<Q", content, at)
        end = at + 12 + length + 4
        if end > len(content):
            yield None
            return
        yield content[at + 12 : end - 4]
        at = end


def scalars(directory: Path) -> tuple[Scalars, list[str]]:
    """Return the scalars of a folder's event files by tag and step, and the errors found.

    A resumed run may leave several values for one tag and step; the latest value counts.
    """
    found: dict[str, dict[int, tuple[float, float]]] = {}
    wrong = []
    for path in sorted(directory.glob(PATTERN)):
        for record in records(path.read_bytes()):
            event = _event(record)
            if event is None:
                wrong.append(f"{path.name} ends in the middle of a record")
                break
            for value in event.summary.value:
                number = _number(value)
                if number is None:
                    continue
                steps = found.setdefault(value.tag, {})
                if event.step not in steps or event.wall_time >= steps[event.step][0]:
                    steps[event.step] = (event.wall_time, number)
    return {
        tag: {step: number for step, (_, number) in sorted(steps.items())}
        for tag, steps in found.items()
    }, wrong


def _event(record: bytes | None) -> Event | None:
    try:
        return None if record is None else Event.FromString(record)
    except DecodeError:
        return None


def _number(value: "Event") -> float | None:
    """Return a scalar, written as a tensor (Keras) or as a simple value (this project)."""
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return float(value.simple_value)
    if kind != "tensor" or value.tensor.tensor_shape.dim:
        return None
    tensor = value.tensor
    if tensor.dtype not in (DT_FLOAT, DT_DOUBLE):
        return None
    if tensor.tensor_content:
        dtype = np.float32 if tensor.dtype == DT_FLOAT else np.float64
        return float(np.frombuffer(tensor.tensor_content, dtype)[0])
    values = tensor.float_val or tensor.double_val
    return float(values[0]) if values else math.nan
