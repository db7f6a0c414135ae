"""What is sent to workers: large arrays once, data sets as graphs, and nothing that cannot be copied."""

import numpy as np
import pytest
import tensorflow as tf

from search.records.errors import Misuse
from search.running.subject import CallSource, packed

LARGE = np.arange(2**21, dtype=np.uint8).reshape(-1, 64)


def test_a_large_array_is_in_one_file_that_workers_map(tmp_path):
    content = packed(
        (lambda hp: LARGE.shape, CallSource((LARGE, LARGE), {"y": {"a": LARGE}})), tmp_path
    )
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size == LARGE.nbytes
    assert len(content.content) < 10_000
    function, source = content.unpacked()
    given = source.arguments(1, False)
    assert np.array_equal(given.args[0], LARGE)
    assert given.args[0] is given.args[1]
    # A worker may change its own copy, and the file stays as it is.
    given.args[0][0, 0] = 77
    assert np.array_equal(content.unpacked()[1].args[0], LARGE)
    assert function(None) == LARGE.shape


def test_an_array_that_is_mapped_from_a_file_is_mapped_again(tmp_path):
    """No second file is made of it, unless it is a part of its file or may differ from it."""
    np.save(tmp_path / "large.npy", LARGE)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    read = np.load(tmp_path / "large.npy", mmap_mode="r")
    (again,) = packed(CallSource((read,), {}), scratch).unpacked().args
    assert np.array_equal(again, LARGE)
    assert list(scratch.iterdir()) == []
    again[0, 0] = 77  # a worker's own copy
    assert read[0, 0] == LARGE[0, 0]
    changed = np.load(tmp_path / "large.npy", mmap_mode="c")
    changed[0, 0] = 55
    for array in (changed, read[5:]):
        (again,) = packed(CallSource((array,), {}), scratch).unpacked().args
        assert np.array_equal(again, array)
    (travelled,) = packed(CallSource((read,), {}), None).unpacked().args
    assert np.array_equal(travelled, LARGE)


def test_a_call_is_recorded_by_what_tells_its_data_from_others():
    """Equal values in another order of memory or another container are equal data."""
    x = np.arange(12.0).reshape(3, 4)
    call = CallSource((x, [1, 2]), {"batch_size": 8, "callbacks": [print], "class_weight": {0: x}})
    recorded = call.recorded()
    assert set(recorded) == {"batch_size", "class_weight", "x"}
    assert recorded["batch_size"] == "8"
    assert recorded["x"] == recorded["class_weight"]
    assert CallSource((np.asfortranarray(x),), {}).recorded()["x"] == recorded["x"]
    for other in (x.astype("float32"), x.reshape(4, 3), x + 1e-9):
        assert CallSource((other,), {}).recorded()["x"] != recorded["x"]


def test_without_a_common_folder_the_arrays_travel_along():
    content = packed(CallSource((LARGE,), {}), None)
    assert np.array_equal(content.unpacked().args[0], LARGE)


def test_a_tensorflow_data_set_is_sent_as_its_graph():
    images = np.arange(12.0, dtype="float32").reshape(6, 2)
    data = tf.data.Dataset.from_tensor_slices((images, np.arange(6))).map(lambda x, y: (2 * x, y))
    again = packed(data.batch(4), None).unpacked()
    (first, labels), (second, _) = again.as_numpy_iterator()
    assert np.array_equal(np.concatenate([first, second]), 2 * images)
    assert labels.tolist() == [0, 1, 2, 3]
    assert again.element_spec == data.batch(4).element_spec


def one():
    yield 1


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (one, "cannot pickle 'generator' object"),
        (
            lambda: tf.data.Dataset.from_generator(one, tf.int32),
            "a tf.data.Dataset that calls Python code, such as from_generator",
        ),
    ],
)
def test_what_cannot_be_copied_is_refused_in_one_line(made, said):
    with pytest.raises(Misuse) as raised:
        packed(CallSource((made(),), {}), None)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
