"""How many requests to have in flight at one server. Pure; the caller has the clock.

A capacity that is known is used at once. One that is not is found from below: the window doubles
while more requests bring more replies a second, and stops where they do not. Whoever says "busy"
makes it smaller, and so does a server whose own queue or whose KV cache overflows.
"""

from rlm_local.capacity import ServerLoad

__all__ = ["RequestWindow"]

_FIRST = 16
"""Requests to begin with where the capacity is unknown; a small server queues the rest."""
_WORTH_IT = 1.1
"""More in flight must bring this much more replies a second, or it is left as it is."""


class RequestWindow:
    """The number of requests that may be in flight, which changes with what the server does.

    Attributes:
        limit: how many may be in flight now; at least 1.
    """

    def __init__(self, most: int, *, is_certain: bool) -> None:
        """`most`: what the server takes, or, where that is not certain, the highest to try."""
        self._most = max(1, most)
        self._is_certain = is_certain
        self.limit = self._most if is_certain else min(self._most, _FIRST)
        self._is_probing = not is_certain
        self._before = self.limit
        self._best_per_s = 0.0
        self._answered = 0
        self._since_s: float | None = None
        self._cut_at_s = float("-inf")
        self._was_queueing = False
        self._preemptions: int | None = None

    def set_most(self, most: int, *, is_certain: bool) -> None:
        """What the server takes is another number now, such as after a replica went down."""
        most = max(1, most)
        if (most, is_certain) == (self._most, self._is_certain):
            return
        was_full = self.limit == self._most
        self._most, self._is_certain = most, is_certain
        self.limit = most if is_certain and was_full else min(self.limit, most)

    def answered(self, now_s: float, *, was_full: bool) -> None:
        """A reply came; `was_full`: while others waited for their turn."""
        if not was_full:  # tells nothing of what the server could have done
            self._begin_span(None)
            self._is_probing = not self._is_certain
            self._best_per_s = 0.0
            return
        if self._since_s is None:
            self._begin_span(now_s)
            return
        self._answered += 1
        if self._answered >= self.limit and now_s > self._since_s:
            self._end_span(now_s, self._answered / (now_s - self._since_s))

    def refused(self, now_s: float, *, sent_s: float) -> bool:
        """The server said that it is busy, to a request that was sent at `sent_s`.

        Returns:
            Whether that is news: not of one that was sent before the last cut, too.
        """
        if sent_s <= self._cut_at_s:
            return False
        self._cut_at_s = now_s
        self._cut(self.limit // 2)
        self._begin_span(None)
        return True

    def loaded(self, load: ServerLoad) -> None:
        """The server told its load."""
        preempted = self._preemptions is not None and load.preemptions > self._preemptions
        self._preemptions = load.preemptions
        is_queueing = load.waiting > 0
        if preempted:
            self._cut(self.limit * 3 // 4)
        elif is_queueing and self._was_queueing:  # one look may see the wave that was just sent
            self._cut(self.limit - max(1, min(load.waiting, self.limit // 4)))
        elif not is_queueing:
            self.limit = min(self._most, self.limit + max(1, self.limit // 4))
        self._was_queueing = is_queueing

    def _cut(self, limit: int) -> None:
        """Fewer from now on, and one more a full window after that."""
        self.limit = max(1, limit)
        self._is_probing = False
        self._best_per_s = 0.0

    def _begin_span(self, now_s: float | None) -> None:
        self._since_s, self._answered = now_s, 0

    def _end_span(self, now_s: float, per_s: float) -> None:
        """A whole window was answered: go on up, or stay."""
        self._begin_span(now_s)
        if self._is_probing and per_s < _WORTH_IT * self._best_per_s:
            self._is_probing = False
            self.limit = min(self.limit, self._before)  # the last step up brought nothing
        elif self._is_probing:
            self._best_per_s = per_s
            self._before, self.limit = self.limit, min(self._most, 2 * self.limit)
            self._is_probing = self.limit > self._before
        elif self._is_certain or self._best_per_s == 0.0:
            self.limit = min(self._most, self.limit + 1)
