import shutil

import pytest


@pytest.fixture
def copy(digits_logs, tmp_path):
    """The digits' studies, to be changed."""
    shutil.copytree(digits_logs, tmp_path / "logs")
    return tmp_path / "logs"
