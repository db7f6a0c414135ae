"""Ctrl-C as a flag: an exception raised at an arbitrary moment can be lost in a destructor."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType


class Interrupts:
    """A context manager that holds back Ctrl-C until the study can stop in order.

    A second Ctrl-C is not held back. Outside the main thread, the context manager does nothing.
    """

    def __init__(self) -> None:
        self.pressed = False
        self.listener: Callable[[], None] = lambda: None
        """Called in the signal handler. The code that waits for news sets it."""

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
        # A signal may arrive inside a buffered write, which must not be entered again.
        os.write(2, b"interrupted: stopping (press Ctrl-C again to stop at once)\n")
        self.listener()

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self.pressed:
            raise KeyboardInterrupt
