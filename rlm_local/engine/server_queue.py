"""Who may send a request to a model server next: one queue a server, whoever asks.

Root turns come before sub-calls; then the run with the least in flight, so that a small question
does not wait for a large one; within a run the shallower, then first come, first served. No more
are let through than the server takes, in requests (and as many again to wait there, where it lets
root turns pass) and in tokens of its KV cache; where several runs share it, sub-calls leave room
for root turns. Sends nothing itself.
"""

import asyncio
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from heapq import heappop, heappush

from rlm_local.engine.pause import Pause
from rlm_local.engine.places import Place, Share, Ticket
from rlm_local.engine.request_window import RequestWindow
from rlm_local.interfaces import Server

__all__ = ["ServerQueue", "queue_of"]

LOOK_S = 1.0
"""Between two looks at the load of a server that others wait for."""
_ROUNDED_S = 0.001
_LOOKS_IN_VAIN = 3
_ROOTS_REMEMBERED = 32
"""The largest of so many root turns is the KV cache kept for the next."""
_ROOM_FOR_ROOTS = 2
"""Sequences sub-calls leave free while several runs share a server, at most a quarter of all."""
_BESIDE_A_ROOT = 4
"""While another run's root turn is worked on, sub-calls have this part of the server: each of their
prompts is a step that the root's next token waits for (24 tokens: 33 s beside a full server, 1.4 s
alone, Qwen2.5-Coder-0.5B on two cores)."""


class ServerQueue:
    """The requests in flight at one server, and those that wait for their turn.

    Touched from one event loop only.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._window = RequestWindow(server.sequences, is_certain=server.is_certain)
        self._roots: deque[Place] = deque()
        self._shares: dict[str, Share] = {}
        self._in_flight = 0
        self._roots_in_flight = 0
        self._tokens = 0
        self._root_tokens: deque[int] = deque(maxlen=_ROOTS_REMEMBERED)
        self._runs = 0
        self._numbers = 0
        self._pause = Pause()
        self._answered_at_s = float("-inf")
        self._watch: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return len(self._roots) + sum(share.waiting for share in self._shares.values())

    @property
    def in_flight(self) -> int:
        """Requests that were let through and are not over."""
        return self._in_flight

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return self._window.limit

    def use(self, server: Server) -> None:
        """The same server, as it is known now."""
        self._server = server

    @contextmanager
    def holding(self, tokens: int) -> Iterator[None]:
        """While requests come that share so many tokens of the KV cache."""
        self._tokens += tokens
        try:
            yield
        finally:
            self._tokens -= tokens
            self._let_through()

    @contextmanager
    def serving_a_run(self) -> Iterator[None]:
        """While a run, a child run too, may come with root turns of its own."""
        self._runs += 1
        try:
            yield
        finally:
            self._runs -= 1
            self._let_through()

    def place(self, ticket: Ticket) -> "Place":
        """A place in the queue: `async with` it for each try; it keeps its rank."""
        self._numbers += 1
        return Place(self, ticket, self._numbers)

    async def enter(self, place: "Place") -> None:
        """Wait for a turn."""
        if place.turn.done():  # a further try
            place.turn = asyncio.get_running_loop().create_future()
        turn = place.turn
        self._enqueue(place)
        self._let_through()
        if self.waiting:
            self._start_watch()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # let through and cancelled in one moment
                self.leave(place)
            else:
                self._dequeue(place)
                self._let_through()
                self._rest_if_idle()
            raise

    def leave(self, place: "Place") -> None:
        """A request is over, however it ended."""
        self._in_flight -= 1
        self._tokens -= place.ticket.tokens
        if place.ticket.role == "root":
            self._roots_in_flight -= 1
        else:
            share = self._shares[place.ticket.run]
            share.in_flight -= 1
            self._forget_if_idle(place.ticket.run, share)
        self._let_through()
        self._rest_if_idle()

    def answered(self) -> None:
        """The server gave a reply."""
        now_s = self._answered_at_s = asyncio.get_running_loop().time()
        self._pause.answered(now_s)
        self._window.answered(now_s, was_full=self.waiting > 0)

    def refused(self, retry_after_s: float | None, *, sent_s: float) -> None:
        """The server said that it is busy: fewer at once, and none for a while.

        Args:
            retry_after_s: what it asked for, if it did.
            sent_s: when the request was sent, by the event loop's clock.
        """
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        if not self._window.refused(now_s, sent_s=sent_s) and not retry_after_s:
            return  # of the same wave as one that has made a pause
        self._pause.refused(now_s, retry_after_s)
        self._end_pause()

    def silent_s(self, since_s: float) -> float:
        """Seconds without any reply of the server, counted from `since_s` at the earliest."""
        return asyncio.get_running_loop().time() - max(since_s, self._answered_at_s)

    def _enqueue(self, place: "Place") -> None:
        ticket = place.ticket
        if ticket.role == "root":
            self._roots.append(place)
            self._root_tokens.append(ticket.tokens)
            return
        share = self._shares.setdefault(ticket.run, Share())
        heappush(share.places, (ticket.depth, place.number, place))
        share.waiting += 1

    def _dequeue(self, place: "Place") -> None:
        if place.ticket.role == "root":
            self._roots.remove(place)
            return
        share = self._shares[place.ticket.run]
        share.waiting -= 1
        self._forget_if_idle(place.ticket.run, share)

    def _let_through(self) -> None:
        self._window.set_most(self._server.sequences, is_certain=self._server.is_certain)
        if self._pause.left_s(asyncio.get_running_loop().time()) > 0:
            return
        while (place := self._next()) is not None:
            self._in_flight += 1
            self._tokens += place.ticket.tokens
            place.turn.set_result(None)

    def _end_pause(self) -> None:
        loop = asyncio.get_running_loop()
        left_s = self._pause.left_s(loop.time())
        if left_s > 0:  # some loops round timers down, and a later pause may have come
            loop.call_later(left_s + _ROUNDED_S, self._end_pause)
        else:
            self._let_through()

    def _next(self) -> "Place | None":
        """Take the next one out, if the server has room for it."""
        root = next((place for place in self._roots if place.waits), None)
        if root is not None:
            if not self._has_room_for_root():
                return None
            self._roots.remove(root)
            self._roots_in_flight += 1
            return root
        shares = [share for share in self._shares.values() if share.someone_waits()]
        if not shares:
            return None
        share = min(shares, key=lambda it: (it.in_flight, it.served_at))
        if not self._has_room(share.places[0][2].ticket):
            return None
        self._numbers += 1
        share.waiting -= 1
        share.in_flight += 1
        share.served_at = self._numbers
        return heappop(share.places)[2]

    def _has_room_for_root(self) -> bool:
        # Where the server's own queue puts it first, and where its size is a guess, only the
        # server can hold it back.
        server = self._server
        if server.has_priorities or not server.is_certain:
            return True
        return self._in_flight < server.sequences

    def _has_room(self, ticket: Ticket) -> bool:
        if not self._in_flight:
            return True  # nothing smaller will ever come of it
        is_shared = self._runs > 1 and bool(self._root_tokens)
        if not self._has_sequence(is_shared=is_shared):
            return False
        pool = self._server.kv_tokens
        if pool is None:
            return True
        kept_tokens = min(max(self._root_tokens), pool // 2) if is_shared else 0
        return self._tokens + ticket.tokens <= pool - kept_tokens

    def _has_sequence(self, *, is_shared: bool) -> bool:
        """Whether one more sub-call may be in flight."""
        limit = self._window.limit
        if not is_shared:
            return self._in_flight < limit + self._ahead
        sub_calls = self._in_flight - self._roots_in_flight
        if self._roots_in_flight and sub_calls >= max(1, limit // _BESIDE_A_ROOT):
            return False
        kept = 0 if self._roots_in_flight else min(_ROOM_FOR_ROOTS, limit // 4)
        return self._in_flight < limit - kept

    @property
    def _ahead(self) -> int:
        """Requests that wait in the server's own queue, where root turns pass them.

        So no sequence is idle while the next request is on its way: replies of a batch end
        together.
        """
        server = self._server
        return self._window.limit if server.is_certain and server.has_priorities else 0

    def _forget_if_idle(self, run: str, share: Share) -> None:
        if not share.in_flight and not share.waiting:
            self._shares.pop(run, None)

    def _start_watch(self) -> None:
        if self._watch is None or self._watch.done():
            self._watch = asyncio.get_running_loop().create_task(self._look())

    def _rest_if_idle(self) -> None:
        if self._watch is not None and not self._in_flight and not self.waiting:
            self._watch.cancel()
            self._watch = None

    async def _look(self) -> None:
        """Look at the server's load while somebody waits for it."""
        in_vain = 0
        while in_vain < _LOOKS_IN_VAIN:  # a server that is busy may miss one
            await asyncio.sleep(LOOK_S)
            load = await self._server.load()
            in_vain = 0 if load else in_vain + 1
            if load is None:
                continue
            ours = max(0, self._in_flight - self._server.sequences)
            self._window.loaded(replace(load, waiting=max(0, load.waiting - ours)))
            self._let_through()


_queues: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, ServerQueue]]" = (
    weakref.WeakKeyDictionary()
)
"""By event loop and name of the server: all runs of a loop share a server's capacity."""


def queue_of(server: Server) -> ServerQueue:
    """The queue of a server on the running event loop."""
    queues = _queues.setdefault(asyncio.get_running_loop(), {})
    queue = queues.get(server.name)
    if queue is None:
        queue = queues[server.name] = ServerQueue(server)
    queue.use(server)
    return queue
