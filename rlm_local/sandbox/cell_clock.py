"""A cell's limits of time: wall time without waits for the host, and processor time.

Processor time counts over all threads. What a cell computes while it waits for the host is taken
off its wall time too. Holds no timers.
"""

import time
from collections.abc import Callable

__all__ = ["CellClock", "cpu_seconds"]

_PROCESS_CLOCK = 2  # CPUCLOCK_SCHED of the kernel's cpuclock.h


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads of a process so far; 0.0 when it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | _PROCESS_CLOCK)
    except OSError:
        return 0.0


class CellClock:
    """Seconds of one cell; `now_s` is a monotonic clock, `cpu_s` the process's processor time.

    `look` reads the processor time; call it when the cell begins, and then about once a second.
    """

    def __init__(
        self,
        limit_s: float,
        *,
        cpu_limit_s: float,
        now_s: Callable[[], float],
        cpu_s: Callable[[], float],
    ) -> None:
        self._limit_s = limit_s
        self._cpu_limit_s = cpu_limit_s
        self._now_s = now_s
        self._cpu_s = cpu_s
        self._started_s = now_s()
        self._waiting_since_s: float | None = None
        self._waited_s = 0.0
        self._cpu_at_s: float | None = None
        self._cpu_spent_s = 0.0
        self._cpu_charged_s = 0.0
        self._looked_in_this_wait = False

    def wait_begins(self) -> None:
        """The first call of the host is under way."""
        self._waiting_since_s = self._now_s()
        self._looked_in_this_wait = False

    def wait_ends(self) -> None:
        """No call of the host is under way any more."""
        if self._waiting_since_s is not None:
            self._waited_s += self._now_s() - self._waiting_since_s
        self._waiting_since_s = None

    def look(self) -> None:
        """Count what was computed since the last look."""
        cpu_s = self._cpu_s()
        spent_s = 0.0 if self._cpu_at_s is None else max(0.0, cpu_s - self._cpu_at_s)
        self._cpu_at_s = cpu_s
        self._cpu_spent_s += spent_s
        if self._waiting_since_s is not None:
            if self._looked_in_this_wait:
                self._cpu_charged_s += spent_s
            self._looked_in_this_wait = True

    @property
    def seconds(self) -> float:
        """Wall time since the cell began."""
        return self._now_s() - self._started_s

    @property
    def waited_s(self) -> float:
        """Part of `seconds` spent waiting for the host."""
        if self._waiting_since_s is None:
            return self._waited_s
        return self._waited_s + self._now_s() - self._waiting_since_s

    @property
    def left_s(self) -> float:
        """What is left of the time limit; negative when it is over."""
        now_s, waited_s = self._now_s(), self._waited_s
        if self._waiting_since_s is not None:
            waited_s += now_s - self._waiting_since_s
        return self._limit_s - (now_s - self._started_s - waited_s) - self._cpu_charged_s

    @property
    def spent(self) -> str | None:
        """The limit that is spent, in words that fit after "after"; None: the cell may go on."""
        if self.left_s <= 0:
            return f"{self._limit_s:g} s"
        if self._cpu_spent_s >= self._cpu_limit_s:
            return f"{self._cpu_limit_s:g} s of processor time over all its threads"
        return None
