"""What a run is doing right now, folded from its events into one line. Prints nothing."""

from collections import deque
from typing import assert_never

from rlm_local.events import (
    CellRan,
    CellStarted,
    Event,
    ExamplesShown,
    GuardFired,
    HistoryCompacted,
    Notice,
    RootReplied,
    RunEnded,
    RunStarted,
    SubcallDone,
    SubcallsStarted,
    TurnStarted,
)
from rlm_local.types import Usage

__all__ = ["RunStatus"]

_RATE_WINDOW_S = 10.0


class RunStatus:
    """Turn, sub-calls done of all, tokens a second, and what is under way.

    Tokens are those a model had to compute: prompt tokens from its cache are left out.
    Child runs add to the sums; the turn is that of the run that was asked for.
    """

    def __init__(self, started_s: float, action: str = "") -> None:
        self._started_s = started_s
        self._action = action
        self._turn = 0
        self._sent = 0
        self._done = 0
        self._children = 0
        self._computed: deque[tuple[float, int]] = deque()

    def take(self, event: Event, now_s: float) -> None:
        """Fold one event in."""
        match event:
            case RunStarted():
                self._children += event.depth > 0
            case RunEnded():
                self._children -= event.depth > 0
            case TurnStarted():
                self._turn = event.turn if event.depth == 0 else self._turn
                self._action = "asking the root"
            case RootReplied():
                self._count(event.usage, now_s)
            case CellStarted():
                self._action = "running code"
            case SubcallsStarted():
                self._sent += event.prompts
                self._action = "asking the worker"
            case SubcallDone():
                self._done += 1
                self._count(event.usage, now_s)
            case CellRan() | ExamplesShown() | HistoryCompacted() | GuardFired() | Notice():
                pass
            case _:
                assert_never(event)

    def subcalls_line(self, now_s: float) -> str:
        """Sub-calls done of all, and the rate."""
        return f"sub-calls {self._done:,}/{self._sent:,}, {self._rate(now_s):,.0f} tok/s"

    def line(self, now_s: float) -> str:
        """Everything on one line."""
        minutes, seconds = divmod(int(max(0.0, now_s - self._started_s)), 60)
        parts = [
            f"turn {self._turn}" if self._turn else "",
            self.subcalls_line(now_s) if self._sent else "",
            f"{self._children} child runs" if self._children > 1 else "",
            "in a child run" if self._children == 1 else "",
            f"{minutes}:{seconds:02}",
            self._action,
        ]
        return " · ".join(filter(None, parts))

    def _count(self, usage: Usage, now_s: float) -> None:
        self._computed.append((now_s, usage.total_tokens - usage.cached_tokens))
        self._forget(now_s)

    def _rate(self, now_s: float) -> float:
        self._forget(now_s)
        window_s = min(_RATE_WINDOW_S, max(1.0, now_s - self._started_s))
        return sum(tokens for _, tokens in self._computed) / window_s

    def _forget(self, now_s: float) -> None:
        while self._computed and self._computed[0][0] < now_s - _RATE_WINDOW_S:
            self._computed.popleft()
