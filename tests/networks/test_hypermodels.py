"""Own hypermodels, loaded by name, and everything that can be wrong with them."""

import hashlib
import pickle
import subprocess
import sys

import keras_tuner as kt
import pytest

from search.networks.hypermodels import load, packed
from search.records.errors import Misuse

OWN = """
import keras
import keras_tuner as kt
from widths import WIDTH


class Net(kt.HyperModel):
    def build(self, hp):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(WIDTH)])
        model.compile("sgd", "mse")
        return model


class Asks(Net):
    def __init__(self, width):
        super().__init__()


def build(hp):
    return Net().build(hp)


def nothing():
    return None


made = Net()
number = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The folder of `own.py` and of the module that it imports; the working directory."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "widths.py").write_text("WIDTH = 7\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["Net", "made", "build"])
@pytest.mark.parametrize("place", ["own.py", "own"])
def test_a_class_an_instance_and_a_function_build(own, place, name):
    loaded = load(f"{place}:{name}")
    assert isinstance(loaded.hypermodel, kt.HyperModel)
    assert loaded.hypermodel.build(kt.HyperParameters()).output_shape == (None, 7)
    assert loaded.module.number == 3


def test_the_source_is_the_file_and_what_it_imports_beside_it_each_time(own):
    def digests():
        return {
            name: hashlib.sha256((own / name).read_bytes()).hexdigest()
            for name in ("own.py", "widths.py")
        }

    assert load("own.py:Net").source == digests()
    (own / "widths.py").write_text("WIDTH = 9\nNEW = 1\n")
    again = load(str(own / "own.py") + ":Net")
    assert again.source == digests()
    assert again.hypermodel.build(kt.HyperParameters()).output_shape == (None, 9)


def test_another_process_reads_it_without_its_files(own, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "net").write_bytes(packed(load("own.py:Net").hypermodel))
    read = (
        "import pickle, keras_tuner as kt; net = pickle.load(open('net', 'rb')); "
        "print(net.build(kt.HyperParameters()).output_shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", read], cwd=elsewhere, capture_output=True, text=True, check=False
    )
    assert done.stdout == "(None, 7)\n", done.stderr
    assert pickle.loads(packed(load("own.py:build").hypermodel)).build(kt.HyperParameters())


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("own", "--hypermodel own: write FILE.py:NAME or MODULE:NAME"),
        ("own.py:", "write FILE.py:NAME or MODULE:NAME"),
        ("gone.py:Net", "--hypermodel gone.py:Net: there is no file gone.py"),
        ("gone:Net", "--hypermodel gone:Net: there is no module gone"),
        ("own.py:Nett", "own has no Nett; did you mean Net?"),
        ("own.py:number", "number is no hypermodel: name a keras_tuner.HyperModel"),
        ("own.py:nothing", "nothing is no hypermodel"),
        ("own.py:Asks", "TypeError: Asks.__init__() missing 1 required positional argument"),
        ("torn.py:Net", "torn.py, line 2: SyntaxError: "),
        ("lost.py:Net", "lost.py, line 3: ModuleNotFoundError: No module named 'no_such'"),
        ("lost:Net", "lost.py, line 3: ModuleNotFoundError: No module named 'no_such'"),
        ("ends.py:Net", "ends.py, line 1: SystemExit: 4"),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_one_line(own, spec, said):
    (own / "torn.py").write_text("a = 1\ndef (\n")
    (own / "lost.py").write_text("a = 1\n\nimport no_such\n")
    (own / "ends.py").write_text("raise SystemExit(4)\n")
    with pytest.raises(Misuse) as refused:
        load(spec)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_after_a_misspelt_name_the_modules_beside_the_file_are_found_again(own):
    with pytest.raises(Misuse):
        load("own.py:Nett")
    assert set(load("own.py:Net").source) == {"own.py", "widths.py"}


def test_a_file_may_have_the_name_of_a_package(own):
    (own / "search.py").write_text(OWN)
    loaded = load("search.py:Net")
    assert loaded.module.__name__ == "hypermodel_search"
    assert set(loaded.source) == {"search.py", "widths.py"}
