"""A person's own data: read in three forms, and refused in one line that names file and cause."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from search.data.load import load_pool, load_test_pool
from search.records.errors import Misuse

DRAW = np.random.default_rng(1)
IMAGES = DRAW.integers(0, 256, (40, 5, 4), np.uint8)
LABELS = (np.arange(40) % 4).astype(np.uint8)


def npz(path, **changes):
    """Write an .npz file, and return its path as it is typed. An array is left out if it is None."""
    arrays = {"x_train": IMAGES, "y_train": LABELS} | changes
    np.savez(path / "own.npz", **{k: v for k, v in arrays.items() if v is not None})
    return str(path / "own.npz")


def idx(array, kind=8):
    return struct.pack(f">4B{array.ndim}I", 0, 0, kind, array.ndim, *array.shape) + array.tobytes()


def folder_of(path, packed=False, **changes):
    """Write the four files of an MNIST-like data set, and return their folder."""
    files = {
        "train-images-idx3-ubyte": idx(IMAGES),
        "train-labels-idx1-ubyte": idx(LABELS),
        "t10k-images-idx3-ubyte": idx(IMAGES[:12]),
        "t10k-labels-idx1-ubyte": idx(LABELS[:12]),
    }
    for name, content in (files | changes).items():
        if packed:
            (path / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (path / name).write_bytes(content)
    return str(path)


def pictures(path, parts=("",)):
    for part in parts:
        for n, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
            folder = path / part / "abcd"[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{n:02d}.png")
    return str(path)


@pytest.mark.parametrize("form", ["npz", "idx"])
def test_classes_may_be_counted_from_one_as_the_letters_of_emnist_are(tmp_path, form):
    if form == "npz":
        data = npz(tmp_path, y_train=LABELS + 1, x_test=IMAGES[:12], y_test=LABELS[:12] + 1)
    else:
        labels = {"train-labels-idx1-ubyte": LABELS, "t10k-labels-idx1-ubyte": LABELS[:12]}
        data = folder_of(tmp_path, **{name: idx(own + 1) for name, own in labels.items()})
    pool = load_pool("digits", data)
    assert pool.facts.classes == ("1", "2", "3", "4")
    assert np.array_equal(pool.labels, LABELS)
    assert np.array_equal(load_test_pool("digits", data).labels, LABELS[:12])


def test_a_fault_of_the_test_set_is_told_before_anything_is_trained(tmp_path):
    with pytest.raises(
        Misuse, match=r"own.npz: test examples have the shape \(5, 3\), others \(5, 4"
    ):
        load_pool("digits", npz(tmp_path, x_test=IMAGES[:12, :, :3], y_test=LABELS[:12]))
    with pytest.raises(Misuse, match=r"own.npz: a test label is outside the 4 classes"):
        load_pool("digits", npz(tmp_path, x_test=IMAGES[:12], y_test=LABELS[:12] + 1))


def test_an_array_that_is_no_list_or_damaged_is_refused(tmp_path):
    with pytest.raises(Misuse, match=r"own.npz: training examples are a single number"):
        load_pool("digits", npz(tmp_path, x_train=np.float32(1)))
    with pytest.raises(Misuse, match=r"own.npz: training labels are a single number"):
        load_pool("digits", npz(tmp_path, y_train=np.uint8(1)))
    path = tmp_path / "own.npz"
    np.savez_compressed(path, x_train=IMAGES, y_train=LABELS)
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(Misuse, match=r"own.npz: x_train is damaged"):
        load_pool("digits", str(path))


def test_an_npz_keeps_its_types_and_shapes(tmp_path):
    rows = DRAW.normal(size=(40, 3)).astype("float32")
    pool = load_pool("digits", npz(tmp_path, x_train=rows, classes=["a", "b", "c", "d"]))
    assert pool.images.dtype == np.float32
    facts = pool.facts
    assert (facts.name, facts.shape, facts.levels) == ("own", (3,), 1.0)
    assert facts.classes == ("a", "b", "c", "d")
    # A tenth of each class of ten.
    assert (facts.train_size, facts.validation_size) == (36, 4)
    data = pool.split(1)
    assert np.bincount(data.y_validation).tolist() == [1, 1, 1, 1]
    assert set(pool.hashes) == {"own.npz"}


def test_given_validation_examples_are_the_same_for_every_seed(tmp_path):
    data = npz(tmp_path, x_validation=IMAGES[:12], y_validation=LABELS[:12])
    pool = load_pool("digits", data)
    assert (pool.facts.train_size, pool.facts.validation_size) == (40, 12)
    assert np.array_equal(pool.split(1).x_validation, pool.split(2).x_validation)


def test_labels_that_are_no_classes_are_kept(tmp_path):
    pool = load_pool("digits", npz(tmp_path, y_train=DRAW.normal(size=(40, 1))))
    assert pool.facts.classes == ()
    assert pool.labels.shape == (40,)
    assert len(pool.split(1).halved().y_held_out) == 2


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_are_read_plain_and_packed(tmp_path, packed):
    data = folder_of(tmp_path, packed)
    pool = load_pool("digits", data)
    assert np.array_equal(pool.images, IMAGES)
    assert np.array_equal(pool.labels, LABELS)
    assert pool.facts.levels == 255
    test = load_test_pool("digits", data)
    assert np.array_equal(test.images, IMAGES[:12])
    assert not set(pool.hashes) & set(test.hashes)


def test_fashion_mnist_itself_is_such_a_folder(fashion_dir):
    pool = load_pool("digits", str(fashion_dir))
    assert pool.images.shape == (60_000, 28, 28)
    assert np.bincount(pool.labels).tolist() == [6000] * 10


def test_pictures_have_a_folder_for_each_class(tmp_path):
    pool = load_pool("digits", pictures(tmp_path / "flat"))
    assert pool.facts.classes == ("a", "b", "c", "d")
    assert pool.images.shape == (40, 5, 4)
    with pytest.raises(Misuse, match="no test set"):
        load_test_pool("digits", str(tmp_path / "flat"))
    split = pictures(tmp_path / "split", ("train", "validation", "test"))
    assert load_pool("digits", split).facts.validation_size == 40
    assert len(load_test_pool("digits", split).labels) == 40


HUGE = LABELS.astype(np.int64) + 10
GAPS = LABELS.astype(np.int64) * 2
BROKEN = DRAW.normal(size=(40, 3))
BROKEN[7, 1] = np.nan


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"y_train": None}, "there is no array y_train, only x_train"),
        ({"y_train": LABELS[:-1]}, "40 training examples have 39 labels"),
        ({"x_train": IMAGES[:4], "y_train": LABELS[:4]}, "4 training examples are too few"),
        ({"x_train": BROKEN}, "training examples have a value that is not finite, first in 7"),
        ({"x_train": IMAGES.astype(str)}, "training examples have the type <U3: give numbers"),
        ({"y_train": np.array(["a", {}] * 20, object)}, "y_train holds pickled objects"),
        ({"y_train": GAPS}, "class 1 has no training example"),
        ({"y_train": HUGE}, "class 0 has no training example"),
        ({"y_train": LABELS * 0}, "all labels are the same class"),
        ({"y_train": LABELS.astype(int) - 1}, "the training label -1 is outside the 3 classes"),
        ({"classes": ["a", "b"]}, "the training label 3 is outside the 2 classes, 0 to 1"),
        (
            {"x_validation": IMAGES[:12, :3], "y_validation": LABELS[:12]},
            "examples have the shape (5, 4), but validation examples (3, 4)",
        ),
        ({"x_validation": IMAGES[:12]}, "there is no array y_validation"),
    ],
)
def test_an_npz_that_cannot_be_used(tmp_path, changes, said):
    _refused(npz(tmp_path, **changes), "own.npz", said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train-images-idx3-ubyte": idx(IMAGES)[:-3]}, "are 800 bytes, but 797 follow"),
        ({"train-images-idx3-ubyte": b"no magic"}, "not an IDX file: it begins with 6e 6f 20 6d"),
        ({"train-images-idx3-ubyte": b"\0\0\x08\x03\0\0"}, "the header is cut off"),
        ({"train-labels-idx1-ubyte": idx(IMAGES)}, "are images and labels swapped?"),
        ({"train-labels-idx1-ubyte": idx(LABELS[:9])}, "40 training examples have 9 labels"),
    ],
)
def test_idx_files_that_cannot_be_used(tmp_path, changes, said):
    _refused(folder_of(tmp_path, **changes), str(tmp_path), said)


def test_pictures_that_cannot_be_used(tmp_path):
    data = pictures(tmp_path)
    (tmp_path / "b" / "bad.png").write_bytes(b"no picture")
    _refused(data, "bad.png", "not a picture that can be read")
    Image.fromarray(IMAGES[0, :3]).save(tmp_path / "b" / "bad.png")
    _refused(data, "bad.png", "4 × 3 pixels")
    (tmp_path / "e").mkdir()
    (tmp_path / "b" / "bad.png").unlink()
    _refused(data, "e", "there is no picture")


def test_what_is_no_data(tmp_path):
    _refused(str(tmp_path / "none.npz"), "none.npz", "there is no such file or folder")
    (tmp_path / "text.csv").write_text("1,2")
    _refused(str(tmp_path / "text.csv"), "text.csv", "give an .npz file")
    (tmp_path / "torn.npz").write_bytes(b"PK torn")
    _refused(str(tmp_path / "torn.npz"), "torn.npz", "not an .npz file that can be read")


def _refused(data, file, said):
    with pytest.raises(Misuse) as raised:
        load_pool("digits", data)
    text = str(raised.value)
    assert file in text
    assert said in text
    assert "\n" not in text
