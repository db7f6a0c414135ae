"""Commands as processes that can be killed: forks of one process that has imported everything.

As a module, `python -m tests.drivers` is that process. It reads a request a line and answers each
with the identifier of a new process, which leads a process group of its own.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]

LIMIT = 120.0
"""Seconds that anything may take on the slowest machine."""


def wait_until(true: Callable[[], bool], limit: float = LIMIT) -> None:
    """Return as soon as a condition holds. Raises TimeoutError if it never does."""
    deadline = time.monotonic() + limit
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited for {limit:.0f} s in vain")
        time.sleep(0.005)


@dataclass
class Ended:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class Driver:
    """A command that runs in a process of its own."""

    def __init__(self, pid: int, directory: Path):
        self.pid = pid
        self.directory = directory

    @property
    def stderr(self) -> str:
        """What the command has written to stderr so far."""
        return (self.directory / "stderr").read_text()

    def ended(self) -> bool:
        """Whether the process has ended."""
        return (self.directory / "code").exists()

    def wait_for(self, text: str, count: int = 1) -> None:
        """Return once so many lines of stderr hold a text. Raises if the command ends before."""

        def written() -> bool:
            return sum(text in line for line in self.stderr.splitlines()) >= count

        wait_until(lambda: written() or self.ended())
        if not written():
            raise AssertionError(f"ended without {count} times {text!r}: {self.stderr}")

    def children(self) -> list[psutil.Process]:
        """Return the processes that the command has started, and those that they have."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """Kill the process, and it alone, as if the power went."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def interrupt(self) -> None:
        """Press Ctrl-C: the whole process group hears of it."""
        os.killpg(self.pid, signal.SIGINT)

    def wait(self, limit: float = LIMIT) -> Ended:
        """Return how the command ended, once it has."""
        wait_until(self.ended, limit)
        code, out = ((self.directory / name).read_text() for name in ("code", "stdout"))
        return Ended(int(code), out, self.stderr)


class Drivers:
    """Starts commands; a context manager."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.count = 0

    def __enter__(self) -> "Drivers":
        self.server = subprocess.Popen(
            [sys.executable, "-m", "tests.drivers"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.server.communicate(timeout=LIMIT)

    def start(self, *arguments: object, real: bool = False) -> Driver:
        """Start `python -m search` with these arguments.

        real: as it is. Otherwise `run`, with networks that are simulated.
        """
        self.count += 1
        directory = self.directory / f"driver-{self.count}"
        directory.mkdir()
        request = {"arguments": [*map(str, arguments)], "directory": str(directory), "real": real}
        assert self.server.stdin
        assert self.server.stdout
        print(json.dumps(request), file=self.server.stdin, flush=True)
        return Driver(int(self.server.stdout.readline()), directory)

    def run(self, *arguments: object, real: bool = False, limit: float = LIMIT) -> Ended:
        """Run a command to its end, as `start` starts it."""
        return self.start(*arguments, real=real).wait(limit)


def serve() -> int:
    """Start what is asked for, line by line. Returns in the new processes, and at the end."""
    from search.quiet import import_quietly

    for name in (
        "search.running.driver",
        "search.running.run",
        "search.studies.kinds",
        "search.networks.dense",
        "search.cli.plan",
        "search.cli.progress",
        "scipy.optimize",
        "sklearn.datasets",
        "tests.simulated",
    ):
        import_quietly(name)
    # The forks' parents end at once, or end as the command does: nobody waits for them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        request = json.loads(line)
        if os.fork() == 0:
            return keep(request)
    return 0


def keep(request: dict) -> int:
    """Fork the command, tell its identifier and write down how it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    directory = Path(request["directory"])
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for number, name in enumerate(("stdout", "stderr"), 1):
            file = os.open(directory / name, os.O_WRONLY | os.O_CREAT)
            os.dup2(file, number)
            os.close(file)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.close(ready)
        os.close(told)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return command(request["arguments"], request["real"])
    os.close(told)
    # The end of the pipe: the command leads its own group now, and its files are open.
    os.read(ready, 1)
    print(pid, flush=True)
    _, status = os.waitpid(pid, 0)
    partial = directory / "code.partial"
    partial.write_text(str(os.waitstatus_to_exitcode(status)))
    partial.rename(directory / "code")
    os._exit(0)


def command(arguments: list[str], real: bool) -> int:
    """Carry out a command line in this process and return its exit code."""
    from search.__main__ import main
    from search.records import commands

    sys.argv = ["search", *arguments]
    return main() if real else commands.run_app(simulated(), "search")


def simulated():
    """Return the command line whose `run` is the real one but for the networks."""
    from search.__main__ import carry_out
    from search.cli.options import StudyName, options
    from search.records import commands
    from search.records.arguments import HyperbandArguments
    from search.records.folder import StudyFolder
    from search.running.execution import Execution
    from tests.simulated import SIMULATED

    app = commands.app("Simulated studies.")

    @app.callback()
    def several() -> None:
        """Have typer ask for the command's name."""

    @app.command()
    @options(given=HyperbandArguments, execution=Execution)
    def run(study: StudyName, given: dict, execution: Execution) -> None:
        folder = StudyFolder(execution.logs, study)
        arguments = folder.settled(HyperbandArguments, given)
        carry_out(folder, arguments, execution, trainer=SIMULATED)

    return app


if __name__ == "__main__":
    sys.exit(serve())
