"""Looking for bytes for a moment before one sleeps: to be woken costs tens of microseconds.

Of use only where the other end runs on another processor and answers at once; where it was in
vain, it is left out for a while. Both sides use it. Takes no bytes.
"""

import time
from collections.abc import Callable

__all__ = ["Lookout"]

_LEFT_OUT = 16
"""Waits without a look after one in vain: a busy machine pays a sixteenth of a look for each."""
_now_s = time.perf_counter


class Lookout:
    """Of one socket, for one kind of wait."""

    def __init__(self, poll: Callable[[int], object], look_for_s: float) -> None:
        """`poll(0)` says whether something is there."""
        self._poll = poll
        self._look_for_s = look_for_s
        self._left_out = 0

    def sees(self) -> bool:
        """Whether something came while it looked; false at once while it is left out."""
        if self._left_out:
            self._left_out -= 1
            return False
        poll, until_s = self._poll, _now_s() + self._look_for_s
        while not poll(0):
            # The processor is not given away meanwhile: on a busy machine it comes back late.
            if _now_s() > until_s:
                self._left_out = _LEFT_OUT
                return False
        return True
