"""A cell's time limit: it does not run while the cell waits for the host.

Processor time that other threads of the cell burn meanwhile is charged. Holds no timers.
"""

from collections.abc import Callable

__all__ = ["CellClock"]


class CellClock:
    """Seconds of one cell; `now_s` is a monotonic clock, `cpu_s` the process's processor time."""

    def __init__(
        self, limit_s: float, *, now_s: Callable[[], float], cpu_s: Callable[[], float]
    ) -> None:
        self._limit_s = limit_s
        self._now_s = now_s
        self._cpu_s = cpu_s
        self._started_s = now_s()
        self._waiting_since_s: float | None = None
        self._waited_s = 0.0
        self._cpu_at_s: float | None = None
        self._cpu_charged_s = 0.0

    def wait_begins(self) -> None:
        """The first call of the host is under way."""
        self._waiting_since_s = self._now_s()
        self._cpu_at_s = None

    def wait_ends(self) -> None:
        """No call of the host is under way any more."""
        if self._waiting_since_s is not None:
            self._waited_s += self._now_s() - self._waiting_since_s
        self._waiting_since_s = None

    def look(self) -> None:
        """Charge what a waiting cell computes meanwhile; call it about once a second."""
        if self._waiting_since_s is None:
            return
        cpu_s = self._cpu_s()
        if self._cpu_at_s is not None:
            self._cpu_charged_s += max(0.0, cpu_s - self._cpu_at_s)
        self._cpu_at_s = cpu_s

    @property
    def is_waiting(self) -> bool:
        """Whether the cell waits for the host."""
        return self._waiting_since_s is not None

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
        """What is left of the limit; negative when it is over."""
        return self._limit_s - (self.seconds - self.waited_s) - self._cpu_charged_s
