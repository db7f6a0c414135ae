"""The display of a running study: live on a terminal, otherwise one line per trial."""

import io
import math
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from search.cli.summary import brief, duration
from search.records.commands import log
from search.records.objective import Objective
from search.records.trial import COMPLETED, ENDED, FAILED, EpochRow, failure_line

if TYPE_CHECKING:
    from search.studies.oracles import RecordedOracle, Trial


def place(trial: "Trial") -> str:
    """Return the place of a trial in Hyperband or in a list of seeds."""
    values = trial.hyperparameters.values
    if "tuner/seed" in values:
        return f"{values['tuner/epochs']} epochs, seed {values['tuner/seed']}"
    if "tuner/bracket" not in values:
        return ""
    return (
        f"bracket {values['tuner/bracket']} rung {values['tuner/round']}, "
        f"epochs {values['tuner/initial_epoch'] + 1}–{values['tuner/epochs']}"
    )


class Lines:
    """A display of a study on stderr: one line per trial."""

    def __init__(self, name: str, console: Console):
        self.name = name
        self.console = console
        self.started = time.monotonic()
        self.epochs_here = 0
        self.workers: dict[str, str] = {}
        self.oracle: RecordedOracle | None = None

    def __enter__(self) -> "Lines":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing, because lines need no end."""

    def report_line(self, line: str) -> None:
        """Print a line."""
        self.console.print(line, highlight=False, soft_wrap=True, markup=False)

    def epoch_ends(self, trial: "Trial", row: EpochRow, worker: str) -> None:
        """Remember an epoch as the line of its worker."""
        self.epochs_here += 1
        self.workers[worker] = "  ".join(
            filter(
                None,
                (
                    f"trial {trial.trial_id}",
                    place(trial),
                    f"execution {row.execution + 1}" if row.execution else "",
                    f"now {row.epoch + 1}",
                    self._told(self._goal.value(row.logs)),
                    f"{row.seconds:.2f} s per epoch",
                ),
            )
        )

    def trial_ends(self, trial: "Trial") -> None:
        """Print the line of a trial."""
        done = sum(t.status in ENDED for t in self._trials())
        planned, _ = self._planned()
        why = failure_line(trial.message)
        result = f"failed: {why}" if trial.status == FAILED else self._told(trial.score)
        words = (
            f"[{done}/{planned}] trial {trial.trial_id}",
            place(trial),
            result,
            duration(trial.trained.seconds or 0.0),
            brief(trial.hyperparameters.values),
        )
        self.report_line("  ".join(filter(None, words)))

    @property
    def _goal(self) -> Objective:
        return self.oracle.goal if self.oracle else Objective()

    def _told(self, value: float | None) -> str:
        """Return the objective and its value."""
        return f"{self._goal.name} {'none' if value is None else format(value, '.4f')}"

    def _trials(self) -> "list[Trial]":
        return list(self.oracle.trials.values()) if self.oracle else []

    def _planned(self) -> tuple[int, int]:
        return self.oracle.planned() if self.oracle else (0, 0)

    def state(self) -> Group | Text:
        """Return the state of the study as several lines."""
        trials = self._trials()
        elapsed = time.monotonic() - self.started
        if not trials:
            return Text(f"{self.name}: starting workers, {duration(elapsed)}")
        planned_trials, planned_epochs = self._planned()
        done = sum(t.status in ENDED for t in trials)
        epochs = min(planned_epochs, sum(len(t.run.epochs) for t in trials if t.run))
        left = ""
        if self.epochs_here:
            remaining = (planned_epochs - epochs) * elapsed / self.epochs_here
            left = f"about {duration(remaining)} left"
        head = Table.grid(padding=(0, 2))
        head.add_row(
            Text(self.name, style="bold"),
            f"trials {done}/{planned_trials}",
            f"epochs {epochs}/{planned_epochs}",
            duration(elapsed),
            left,
        )
        # A bar ends without a line break, so it needs its own row.
        bar = Table.grid(expand=True)
        bar.add_row(ProgressBar(total=max(1, planned_epochs), completed=epochs))
        lines: list[Any] = [head, bar]
        scored = [t for t in trials if t.status == COMPLETED and t.score is not None]
        if scored:
            sign = 1 if self._goal.direction == "max" else -1
            best = max(scored, key=lambda t: sign * t.score)
            lines.append(
                Text(
                    f"best {best.score:.4f}  trial {best.trial_id}  "
                    f"{brief(best.hyperparameters.values)}",
                    style="green",
                )
            )
        lines += [Text(f"worker {n + 1}: {line}") for n, line in enumerate(self.workers.values())]
        return Group(*lines)


class Display(Lines):
    """A display of a study on stderr. It is a context manager, and live while entered."""

    def __init__(self, name: str, console: Console):
        super().__init__(name, console)
        self.live = Live(
            console=console, get_renderable=self.state, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> "Display":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.console.is_terminal:
            self.live.stop()


class NotebookDisplay(Lines):
    """A display of a study in a notebook: one output that is replaced as the study goes on."""

    SHOWN = 12
    """Number of lines of trials and messages that stay in sight."""

    def __init__(self, name: str):
        super().__init__(
            name,
            Console(
                file=io.StringIO(),
                width=110,
                highlight=False,
                force_jupyter=False,
                color_system=None,
            ),
        )
        self.said: list[str] = []
        self.shown = -math.inf

    def __enter__(self) -> "NotebookDisplay":
        from IPython.display import display

        self.handle = display({"text/plain": ""}, raw=True, display_id=True)
        self._show()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._show()

    def report_line(self, line: str) -> None:
        """Add a line to the output."""
        self.said.append(line)
        self._show()

    def epoch_ends(self, trial: "Trial", row: EpochRow, worker: str) -> None:
        """Show an epoch, if the output is old enough."""
        super().epoch_ends(trial, row, worker)
        if time.monotonic() - self.shown > 0.5:
            self._show()

    def _show(self) -> None:
        with self.console.capture() as captured:
            self.console.print(self.state())
        text = "\n".join([*self.said[-self.SHOWN :], "", captured.get()])
        self.handle.update({"text/plain": text}, raw=True)
        self.shown = time.monotonic()


class Silent(Lines):
    """No display of a study."""

    def report_line(self, line: str) -> None:
        """Say nothing."""


def display_for(name: str, silent: bool) -> Lines:
    """Return the display of a program's study, for a notebook or for a terminal."""
    if silent:
        return Silent(name, log)
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    # In a terminal, IPython's shell has no kernel.
    return NotebookDisplay(name) if hasattr(shell, "kernel") else Display(name, log)
