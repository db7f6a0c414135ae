"""Ctrl-C as a flag: raised wherever it falls, an exception may be lost in a destructor."""

import signal
import threading
from collections.abc import Callable
from types import FrameType


class Interrupts:
    """Holds back Ctrl-C until the study can be left in order; a second Ctrl-C is not held back.

    A context manager, which does nothing outside the main thread.
    """

    def __init__(self, report: Callable[[str], None]):
        self.report = report
        self.pressed = False
        self.listener: Callable[[], None] = lambda: None
        """Called in the signal handler; set by whoever waits for news."""

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._before)

    def _press(self, number: int, frame: FrameType | None) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True
        self.report("interrupted: stopping")
        self.listener()

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self.pressed:
            raise KeyboardInterrupt
