"""How long everybody waits after a server has said that it is busy. The caller has the clock."""

import random

__all__ = ["Pause"]

_FIRST_S = 0.25
_LONGEST_S = 30.0


class Pause:
    """The pause of one server: as long as it asks for, else longer with each refusal in a row."""

    def __init__(self) -> None:
        self._refusals = 0
        self._until_s = float("-inf")
        self._is_asked = False

    def left_s(self, now_s: float) -> float:
        """What is left of it; 0 or less: nothing."""
        return self._until_s - now_s

    def refused(self, now_s: float, retry_after_s: float | None) -> None:
        """The server is busy; `retry_after_s`: what it asked for, if it did.

        "At once" is no answer of a server that has just refused: without a reply in between its
        pauses grow all the same.
        """
        doubled_s = _FIRST_S * float(1 << min(self._refusals, 10))
        self._refusals += 1
        pause_s = min(_LONGEST_S, retry_after_s or doubled_s * random.uniform(0.5, 1.5))
        if now_s + pause_s > self._until_s:
            self._until_s, self._is_asked = now_s + pause_s, bool(retry_after_s)

    def answered(self, now_s: float) -> None:
        """It gave a reply: a pause it did not ask for was a guess, and too long."""
        self._refusals = 0
        if not self._is_asked:
            self._until_s = min(self._until_s, now_s)
