"""What one model server takes at once, and how it is doing; asked of its `/metrics` page.

Implements `interfaces.Server`. Decides nothing: that is the engine's queue.
"""

from dataclasses import dataclass, field, replace

from rlm_local.capacity import ServerLoad
from rlm_local.serving.endpoint import Endpoint
from rlm_local.serving.server_metrics import read_metrics

__all__ = ["ServedCapacity", "measured"]

UNKNOWN_SEQUENCES = 256
"""The most to try at a server whose capacity is unknown: vLLM's own default on a GPU."""


@dataclass(slots=True)
class ServedCapacity:
    """The capacity of a server behind an endpoint."""

    endpoint: Endpoint = field(repr=False)
    sequences: int = UNKNOWN_SEQUENCES
    is_certain: bool = False
    has_priorities: bool = False
    kv_tokens: int | None = None
    tells_load: bool = True
    """Whether its metrics are worth asking for."""

    @property
    def name(self) -> str:
        """Where it is."""
        return str(self.endpoint.uds or self.endpoint.shown_url)

    async def load(self) -> ServerLoad | None:
        """What it is doing now."""
        if not self.tells_load:
            return None
        now = await read_metrics(self.endpoint)
        if now is None or now.running is None or now.waiting is None:
            return None
        self.kv_tokens = now.kv_cache_tokens  # it may have been down before, or started anew
        return ServerLoad(now.running, now.waiting, int(now.preemptions or 0))


async def measured(endpoint: Endpoint, *, sequences: int | None = None) -> ServedCapacity:
    """Ask a vLLM server what it has.

    `sequences`: what a server of ours was started with; such a server goes by priorities too.
    A server without metrics (a router in front of several, another make) is one of unknown size.
    One that does not answer is asked again while it is used.
    """
    now = await read_metrics(endpoint)
    tells_load = now is None or now.waiting is not None
    capacity = ServedCapacity(endpoint, tells_load=tells_load)
    capacity.kv_tokens = now.kv_cache_tokens if now is not None else None
    if sequences is None:
        return capacity
    return replace(capacity, sequences=sequences, is_certain=True, has_priorities=True)
