"""Which devices the workers of a study get."""

import os
from types import SimpleNamespace

import pytest

from search.running import execution as module
from search.running.execution import Execution
from search.running.subject import packed
from search.running.worker import Training


def test_without_gpus_there_is_a_worker_a_core_and_devices_are_left_alone():
    if module.gpus():
        pytest.skip("this machine has GPUs")
    assert Execution().processes == module.cores()
    assert Execution().devices == ()


def test_gpus_can_be_hidden_and_a_cluster_chooses_for_itself():
    assert Execution(device="cpu").devices == ("-1",)
    assert Execution(scheduler="tcp://somewhere:1").devices is None


@pytest.mark.parametrize(
    ("devices", "seen"),
    [(("0", "2"), ["0", "2", "0"]), (("-1",), ["-1", "-1", "-1"]), ((), [None] * 3)],
)
def test_each_worker_sees_a_device_of_its_own(monkeypatch, devices, seen):
    content = packed(("hypermodel", "source"), None)
    found = []
    for number in range(3):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        # Only the name of a worker matters: dask numbers local workers.
        Training("s", content, devices).show_device(SimpleNamespace(name=number))
        found.append(os.environ.get("CUDA_VISIBLE_DEVICES"))
    assert found == seen
