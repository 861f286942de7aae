"""What a model server takes at once, and what it says of its load. Values; asks nobody."""

from dataclasses import dataclass

__all__ = ["FixedServer", "ServerLoad"]


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """One look at a server, all its clients together."""

    running: int
    """Requests it works on."""
    waiting: int
    """Requests in its own queue."""
    preemptions: int = 0
    """Requests it put back because its KV cache was full, since it was started."""


@dataclass(frozen=True, slots=True)
class FixedServer:
    """A server known to take so many requests at once, and no more is known: one in this process.

    Implements `interfaces.Server`.
    """

    name: str
    sequences: int
    is_certain: bool = True
    has_priorities: bool = False
    kv_tokens: int | None = None

    async def load(self) -> ServerLoad | None:
        """It tells nothing."""
        return None
