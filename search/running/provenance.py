"""What a study ran on: commit, versions, processor."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("tensorflow", "keras", "keras-tuner", "numpy", "distributed", "tensorboard")


def commit() -> str | None:
    """The commit of this code, `-dirty` where it was changed since; None outside git."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--match="]
    try:
        result = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()


def versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def processor() -> str:
    """The processor's name; on Linux from /proc/cpuinfo, which platform does not read."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
