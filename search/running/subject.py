"""What a study trains, packed for its workers: a hypermodel, and the arguments of its `fit`.

Large arrays are written to files once, and every local worker maps these files into its memory.
Workers of a remote scheduler receive copies.
"""

import contextlib
import hashlib
import inspect
import io
import mmap
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cloudpickle
import numpy as np

from search.data.pool import Data, Halved, Pool
from search.records.errors import Misuse

MAPPED = 2**20
"""Bytes from which an array is written to a file of its own."""


class Source(Protocol):
    """Where the arguments of `fit` come from."""

    def arguments(self, split: int, halved: bool) -> "FitArguments":
        """Return the arguments of one trial.

        split: seed of the split into training and validation examples.
        halved: half of the validation examples are held out.
        """


@dataclass
class FitArguments:
    """Arguments of a hypermodel's `fit`, after the hyperparameters and the model."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    held_out: tuple[Any, Any] | None = None
    """Examples and labels that judge the trained model."""


@dataclass
class PoolSource:
    """A data set, split by the seed of each trial. The last split is cached."""

    pool: Pool

    def __post_init__(self) -> None:
        self._split: tuple[int, bool] | None = None

    def arguments(self, split: int, halved: bool) -> FitArguments:
        """Return training and validation examples, split by a seed."""
        if (split, halved) != self._split:
            data = self.pool.split(split)
            self._data: Data = data.halved() if halved else data
            self._split = (split, halved)
        data = self._data
        held_out = (data.x_held_out, data.y_held_out) if isinstance(data, Halved) else None
        validation = (data.x_validation, data.y_validation)
        return FitArguments((data.x_train, data.y_train), {"validation_data": validation}, held_out)


@dataclass
class CallSource:
    """The arguments that a program gave to `search`. They are the same for every trial."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def arguments(self, split: int, halved: bool) -> FitArguments:
        """Return the arguments as the program gave them."""
        return FitArguments(self.args, dict(self.kwargs))

    def recorded(self) -> dict[str, str]:
        """Return arguments by name: the SHA-256 of arrays, numbers and words as they are."""
        import keras

        names = [*inspect.signature(keras.Model.fit).parameters][1:]
        given = dict(zip(names, self.args, strict=False)) | self.kwargs
        found = {name: _fingerprint(value) for name, value in sorted(given.items())}
        return {name: print_ for name, print_ in found.items() if print_}


@dataclass(frozen=True)
class Packed:
    """An object as bytes, with its large arrays in files or beside it."""

    content: bytes
    buffers: tuple[bytes | Path, ...]

    def unpacked(self) -> Any:
        """Return the object. Its large arrays are private maps of their files, so nothing is copied."""
        return pickle.loads(self.content, buffers=[_mapped(b) for b in self.buffers])


def packed(value: Any, scratch: Path | None) -> Packed:
    """Pack an object, with classes and functions of the main program by value.

    scratch: folder for the files of large arrays. None: the arrays travel with the object.
    Raises Misuse if the object cannot be sent to another process.
    """
    buffers: list[pickle.PickleBuffer] = []

    def aside(buffer: pickle.PickleBuffer) -> bool:
        with contextlib.suppress(BufferError):
            if buffer.raw().nbytes >= MAPPED:
                buffers.append(buffer)
                return False
        return True

    stream = io.BytesIO()
    try:
        _Pickler(scratch is not None, stream, protocol=5, buffer_callback=aside).dump(value)
    except (TypeError, AttributeError, pickle.PicklingError, ValueError) as error:
        raise Misuse(
            f"the hypermodel or the data cannot be sent to workers ({error}): create what cannot be "
            "copied, such as open files, generators or locks, in the hypermodel's build or fit"
        ) from error
    return Packed(stream.getvalue(), tuple(_stored(scratch, n, b) for n, b in enumerate(buffers)))


def _fingerprint(value: Any) -> str:
    """Return what tells a value from others, empty if it is no number, word, array or tree of arrays.

    That is the SHA-256 of arrays, and the value itself otherwise.
    """
    import keras

    if isinstance(value, bool | int | float | str):
        return str(value)
    leaves = [leaf for leaf in keras.tree.flatten(value) if leaf is not None]
    if not leaves or not all(hasattr(leaf, "__array__") for leaf in leaves):
        return ""
    whole = hashlib.sha256()
    for leaf in leaves:
        array = np.atleast_1d(np.asarray(leaf))
        whole.update(f"{array.dtype.str} {array.shape}".encode())
        if array.dtype.hasobject:
            whole.update(repr(array.tolist()).encode())
            continue
        # A part at a time, so that an array in another order is never copied whole.
        step = max(1, MAPPED // max(1, array[:1].nbytes))
        for start in range(0, len(array), step):
            whole.update(np.ascontiguousarray(array[start : start + step]).tobytes())
    return whole.hexdigest()


class _Pickler(cloudpickle.Pickler):
    """cloudpickle with TensorFlow's data sets, which are sent as graphs.

    local: the reader sees the same files, so it maps the file of an array that is mapped already.
    """

    def __init__(self, local: bool, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.local = local

    def reducer_override(self, obj: Any) -> Any:
        if any(kind.__name__ == "DatasetV2" for kind in type(obj).__mro__):
            return _dataset, _graph(obj)
        if self.local and isinstance(obj, np.memmap) and _is_whole_and_unchanged(obj):
            return _mapped_array, (Path(str(obj.filename)), obj.dtype, obj.offset, obj.shape)
        return super().reducer_override(obj)


def _is_whole_and_unchanged(array: np.memmap) -> bool:
    """Return whether an array is what its file holds: no part of it, and only to be read."""
    whole = isinstance(array.base, mmap.mmap) and array.flags.c_contiguous
    return whole and array.mode == "r" and array.filename is not None


def _mapped_array(path: Path, dtype: np.dtype, offset: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return a private map of a file. Writing to it changes this process' copy alone."""
    return np.memmap(path, dtype, "c", offset, shape)


def _graph(dataset: Any) -> tuple[bytes, Any]:
    import tensorflow as tf
    from tensorflow.core.framework.graph_pb2 import GraphDef

    ignore = 1  # the state of random operations: every trial seeds them itself
    graph: bytes = tf.raw_ops.DatasetToGraphV2(
        input_dataset=dataset._variant_tensor, external_state_policy=ignore
    ).numpy()
    definition = GraphDef.FromString(graph)
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    if any("PyFunc" in node.op for node in nodes):
        raise ValueError("a tf.data.Dataset that calls Python code, such as from_generator")
    return graph, dataset.element_spec


def _dataset(graph: bytes, spec: Any) -> Any:
    """Return the data set that a graph describes."""
    import tensorflow as tf
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.python.data.ops.dataset_ops import _VariantDataset

    definition = GraphDef.FromString(graph)
    # The last node returns the data set.
    (returned,) = (node for node in definition.node if node.op == "_Retval")
    wanted = returned.input[0].split(":")[0]
    kept = GraphDef(
        node=[n for n in definition.node if n.op != "_Retval"], library=definition.library
    )

    @tf.function
    def variant() -> Any:
        (found,) = tf.graph_util.import_graph_def(kept, return_elements=[f"{wanted}:0"], name="")
        return found

    return _VariantDataset(variant(), spec)


def _stored(scratch: Path | None, n: int, buffer: pickle.PickleBuffer) -> bytes | Path:
    content = buffer.raw()
    if scratch is None:
        return content.tobytes()
    path = scratch / f"array-{n}"
    path.write_bytes(content)
    return path


def _mapped(buffer: bytes | Path) -> Any:
    """Return a writable buffer. Writing to a mapped file changes this process' copy alone."""
    if isinstance(buffer, bytes):
        return bytearray(buffer)
    with buffer.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
