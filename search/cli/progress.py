"""What a person sees while a study runs: a live display on a terminal, else a line a trial."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from search.cli.summary import brief, duration
from search.records.trial import COMPLETED, ENDED, FAILED, EpochRow

if TYPE_CHECKING:
    from search.studies.oracles import RecordedOracle, Trial


def place(trial: "Trial") -> str:
    """Where in Hyperband a trial stands."""
    values = trial.hyperparameters.values
    if "tuner/bracket" not in values:
        return f"{values['tuner/epochs']} epochs, seed {values['tuner/seed']}"
    return (
        f"bracket {values['tuner/bracket']} rung {values['tuner/round']}, "
        f"epochs {values['tuner/initial_epoch'] + 1}–{values['tuner/epochs']}"
    )


class Display:
    """Follows a study on stderr; a context manager, live for as long as it is entered."""

    def __init__(self, name: str, console: Console):
        self.name = name
        self.console = console
        self.started = time.monotonic()
        self.epochs_here = 0
        self.workers: dict[str, str] = {}
        self.oracle: RecordedOracle | None = None
        self.live = Live(
            console=console, get_renderable=self._render, refresh_per_second=4, transient=True
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

    def report_line(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True, markup=False)

    def epoch_ends(self, trial: "Trial", row: EpochRow, worker: str) -> None:
        self.epochs_here += 1
        self.workers[worker] = (
            f"trial {trial.trial_id}  {place(trial)}  now {row.epoch + 1}  "
            f"val_accuracy {row.val_accuracy:.4f}  {row.seconds:.2f} s an epoch"
        )

    def trial_ends(self, trial: "Trial") -> None:
        done = sum(t.status in ENDED for t in self._trials())
        planned, _ = self._planned()
        result = (
            f"failed: {trial.message}"
            if trial.status == FAILED
            else f"val_accuracy {trial.score:.4f}"
        )
        self.report_line(
            f"[{done}/{planned}] trial {trial.trial_id}  {place(trial)}  {result}  "
            f"{duration(trial.trained.seconds or 0.0)}  {brief(trial.hyperparameters.values)}"
        )

    def _trials(self) -> "list[Trial]":
        return list(self.oracle.trials.values()) if self.oracle else []

    def _planned(self) -> tuple[int, int]:
        return self.oracle.planned() if self.oracle else (0, 0)

    def _render(self) -> Group | Text:
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
        # A bar ends without a line break, so that it needs a row of its own.
        bar = Table.grid(expand=True)
        bar.add_row(ProgressBar(total=max(1, planned_epochs), completed=epochs))
        lines: list[Any] = [head, bar]
        best = max(
            (t for t in trials if t.status == COMPLETED), key=lambda t: t.score, default=None
        )
        if best:
            lines.append(
                Text(
                    f"best {best.score:.4f}  trial {best.trial_id}  "
                    f"{brief(best.hyperparameters.values)}",
                    style="green",
                )
            )
        lines += [Text(f"worker {n + 1}: {line}") for n, line in enumerate(self.workers.values())]
        return Group(*lines)
