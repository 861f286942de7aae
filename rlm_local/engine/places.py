"""What waits in a server's queue: a request's place, its ticket, one run's share of it."""

import asyncio
from dataclasses import dataclass, field
from heapq import heappop
from types import TracebackType
from typing import Literal, Protocol

__all__ = ["Desk", "Place", "Share", "Ticket"]


class Desk(Protocol):
    """Who gives turns. Implemented by `server_queue.ServerQueue`."""

    async def enter(self, place: "Place") -> None:
        """Wait for a turn."""
        ...

    def leave(self, place: "Place") -> None:
        """The turn is over."""
        ...

    def answered(self) -> None:
        """The server gave a reply."""
        ...

    def refused(self, retry_after_s: float | None, *, sent_s: float) -> None:
        """The server said that it is busy."""
        ...

    def silent_s(self, since_s: float) -> float:
        """Seconds without any reply of the server."""
        ...


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a request needs, and on whose behalf.

    Attributes:
        role: of whom the model plays it.
        run: id of the topmost run; runs share a server evenly.
        depth: of the run that asks; 0 is the topmost.
        tokens: the most it can hold of the KV cache, prompt and reply.
    """

    role: Literal["root", "worker"]
    run: str
    depth: int
    tokens: int


@dataclass(slots=True)
class Share:
    """One run's part of the queue."""

    places: "list[tuple[int, int, Place]]" = field(default_factory=list)
    """A heap; those whose owners left stay in it until their turn comes."""
    waiting: int = 0
    in_flight: int = 0
    served_at: int = 0
    """Number of the last request let through; the longest unserved goes first."""

    def someone_waits(self) -> bool:
        """Whether the first of `places` is one that waits; drops those that left."""
        while self.places and not self.places[0][2].waits:
            heappop(self.places)
        return bool(self.places)


class Place:
    """One request's place in a queue; `async with` it around each try.

    Attributes:
        turn: done when it is let through; cancelled when its owner left before.
    """

    __slots__ = ("number", "queue", "ticket", "turn")

    def __init__(self, queue: Desk, ticket: Ticket, number: int) -> None:
        self.queue = queue
        self.ticket = ticket
        self.number = number
        self.turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def waits(self) -> bool:
        """Whether its owner is still there, and not served yet."""
        return not self.turn.done()

    async def __aenter__(self) -> "Place":
        await self.queue.enter(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.queue.leave(self)
