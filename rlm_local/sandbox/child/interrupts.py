"""When a SIGINT may raise `KeyboardInterrupt`: in a cell's code, never inside a frame.

An interrupt that comes while a frame is written or bookkeeping is done waits until that is over;
lost otherwise would be the REPL's place in the protocol, and with it the variables.
"""

import signal
import threading
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["Interrupts"]

_T = TypeVar("_T")
_UNWINDING_S = 0.05


class Interrupts:
    """The SIGINT handler of the REPL process; one for all cells."""

    def __init__(self) -> None:
        self._active = False  # a cell's code runs
        self._held = 0
        self._waiting = False  # held, but at a point where nothing is lost
        self._pending = False
        self._last_raised_s = 0.0
        self._main = threading.main_thread().ident

    def install(self) -> None:
        """Take over SIGINT, also from a cell that set its own handler."""
        signal.signal(signal.SIGINT, self._handle)

    def guard(self, code: Callable[[], object]) -> BaseException | None:
        """Run what a cell controls; what it raised, whatever that is, or None."""
        self._pending = False
        try:
            try:
                self._active = True
                code()
            finally:
                self._active = False
        except BaseException as error:  # noqa: BLE001  # the cell's, shown to the root
            self._active = False
            return error
        return None

    def wait(self, blocking: Callable[[], _T]) -> _T:
        """Run a blocking call that loses nothing when it is interrupted."""
        if threading.get_ident() != self._main:
            return blocking()
        try:
            self._waiting = True
            if self._pending:
                self._raise()
            return blocking()
        finally:
            self._waiting = False

    def __enter__(self) -> None:
        """Hold interrupts back until the matching exit."""
        if threading.get_ident() == self._main:
            self._held += 1

    def __exit__(self, *_: object) -> None:
        if threading.get_ident() != self._main:
            return
        self._held -= 1
        if self._pending and not self._held and self._active:
            self._raise()

    def _handle(self, _number: int, _frame: object) -> None:
        if not self._active:
            return
        if self._held and not self._waiting:
            self._pending = True
        elif time.monotonic() - self._last_raised_s > _UNWINDING_S:
            # The host sends several; one that comes while the last unwinds would hit our code.
            self._raise()

    def _raise(self) -> None:
        self._pending = False
        self._waiting = False
        self._last_raised_s = time.monotonic()
        raise KeyboardInterrupt
