"""When a SIGINT may raise `KeyboardInterrupt`: in a cell's code, never inside a frame.

An interrupt that comes while a frame is written or bookkeeping is done waits until that is over;
lost otherwise would be the REPL's place in the protocol, and with it the variables. So that no
code of a cell runs meanwhile, the collector and trace functions are off outside cells.
"""

# Bound now, and from where they are defined: a cell may replace names of the public modules.
import _signal  # type: ignore[import-not-found]  # no stubs; `signal` costs six times as much
import gc
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["Interrupts"]

_T = TypeVar("_T")
_UNWINDING_S = 0.05
_RECURSION_LIMIT = 1000
_set_handler, _set_mask = _signal.signal, _signal.pthread_sigmask
_SIGINT, _SIG_UNBLOCK = int(_signal.SIGINT), int(_signal.SIG_UNBLOCK)
_collect, _do_not_collect, _does_collect = gc.enable, gc.disable, gc.isenabled
_set_trace, _set_profile = sys.settrace, sys.setprofile
_recursion_limit, _set_recursion_limit = sys.getrecursionlimit, sys.setrecursionlimit
_now_s, _this_thread = time.monotonic, threading.get_ident


class Interrupts:
    """The SIGINT handler of the REPL process; one for all cells."""

    def __init__(self) -> None:
        self._active = False  # a cell's code runs
        self._held = 0
        self._waiting = False  # held, but at a point where nothing is lost
        self._pending = False
        self._last_raised_s = 0.0
        self._collects = True  # while a cell runs; a cell may turn it off
        self.was_raised = False
        self._main = threading.main_thread().ident

    def install(self) -> None:
        """Take over SIGINT for a cell, also from one that set its own handler or blocked it."""
        _set_handler(_SIGINT, self._handle)
        _set_mask(_SIG_UNBLOCK, (_SIGINT,))
        self.was_raised = False
        self._last_raised_s = 0.0

    @property
    def may_raise(self) -> bool:
        """Whether an interrupt may be raised in this thread, where it does not hold them back."""
        return self._active and _this_thread() == self._main

    def guard(self, code: Callable[[], object]) -> BaseException | None:
        """Run what a cell controls; what it raised, whatever that is, or None."""
        self._pending = False
        if self._collects:
            _collect()
        try:
            try:
                self._active = True
                try:
                    code()
                finally:
                    _forget_tracing()
            finally:
                self._active = False
        except BaseException as error:  # noqa: BLE001  # the cell's, shown to the root
            self._active = False
            self._collects = _does_collect()
            _do_not_collect()
            return error
        self._collects = _does_collect()
        _do_not_collect()
        return None

    def wait(self, blocking: Callable[[], _T]) -> _T:
        """Run a blocking call that loses nothing when it is interrupted."""
        if _this_thread() != self._main:
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
        if _this_thread() == self._main:
            self._held += 1

    def __exit__(self, *_: object) -> None:
        if _this_thread() != self._main:
            return
        self._held -= 1
        if self._pending and not self._held and self._active:
            self._raise()

    def _handle(self, _number: int, _frame: object) -> None:
        if not self._active:
            return
        if self._held and not self._waiting:
            self._pending = True
        elif _now_s() - self._last_raised_s > _UNWINDING_S:
            # The host sends several; one that comes while the last unwinds would hit our code.
            self._raise()

    def _raise(self) -> None:
        self._pending = False
        self._waiting = False
        self.was_raised = True
        self._last_raised_s = _now_s()
        raise KeyboardInterrupt


def _forget_tracing() -> None:
    """Take back what a cell set for the interpreter and our own code would run under."""
    _set_trace(None)
    _set_profile(None)
    if _recursion_limit() < _RECURSION_LIMIT:
        _set_recursion_limit(_RECURSION_LIMIT)
