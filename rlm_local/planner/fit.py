"""The arithmetic of memory: do these models fit in this room, and with how much KV cache?

Pure; knows neither stacks nor hardware. The formula is vLLM's own: what is free, less weights and
overhead, is KV cache, and one sequence of the full window must fit in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rlm_local.planner.kv_cache import KvCache

__all__ = ["LEAST_WINDOW_TOKENS", "Ask", "Fit", "Room", "fit", "gib"]

LEAST_WINDOW_TOKENS = 8192
"""A root needs its system prompt, examples and a few turns; below this a run makes no sense."""

_SEQUENCES_WANTED = 4
"""Full windows worth of KV cache a server is given where nothing says otherwise and RAM is shared
with everything else, or with a second server on the card."""
_WINDOW_STEP_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Ask:
    """What one server wants of a card. `kv_cache_bytes` is `None` where it is left to us."""

    model: str
    weight_bytes: int
    overhead_bytes: int
    cache: KvCache
    window_tokens: int
    kv_cache_bytes: int | None

    @property
    def least_window_tokens(self) -> int:
        """The shortest window that is still worth serving."""
        return min(LEAST_WINDOW_TOKENS, self.window_tokens)

    @property
    def fixed_bytes(self) -> int:
        """What it takes before the first token."""
        return self.weight_bytes + self.overhead_bytes

    @property
    def least_bytes(self) -> int:
        """What it takes at the very least."""
        return self.fixed_bytes + self.cache.least_bytes(self.least_window_tokens)

    @property
    def window_bytes(self) -> int:
        """KV cache of one full window."""
        return self.cache.least_bytes(self.window_tokens)

    @property
    def usual_kv_bytes(self) -> int:
        """The KV cache the entry names, or a few full windows."""
        windows = _SEQUENCES_WANTED * self.cache.sequence_bytes(self.window_tokens)
        return self.kv_cache_bytes or windows + self.cache.block_bytes


@dataclass(frozen=True, slots=True)
class Room:
    """Memory servers can be put in. `kept_bytes` of what is free is not given away."""

    name: str
    free_bytes: int
    kept_bytes: int
    is_ours_alone: bool
    """A card's memory is good for nothing else; RAM is needed by contexts and other programs."""

    @property
    def usable_bytes(self) -> int:
        """What servers may take."""
        return max(0, self.free_bytes - self.kept_bytes)


@dataclass(frozen=True, slots=True)
class Fit:
    """How one ask fits: its KV cache and window, and what had to be cut, in words."""

    kv_cache_bytes: int
    window_tokens: int
    cuts: tuple[str, ...]


def fit(asks: Sequence[Ask], room: Room) -> tuple[Fit, ...] | None:
    """KV cache and window of each ask, or `None` when the room cannot hold them at all."""
    pool = room.usable_bytes - sum(ask.fixed_bytes for ask in asks)
    if pool <= 0:
        return None
    fits = [
        _fit_one(ask, kv_cache_bytes, room)
        for ask, kv_cache_bytes in zip(asks, _shares(asks, pool, room), strict=True)
    ]
    whole = tuple(found for found in fits if found is not None)
    return whole if len(whole) == len(fits) else None


def _shares(asks: Sequence[Ask], pool: int, room: Room) -> list[int]:
    shares = []
    for position, ask in enumerate(asks):
        others = asks[position + 1 :]
        takes_all = not others and room.is_ours_alone and ask.kv_cache_bytes is None
        most = _most(ask, others, pool) if others else pool
        share = most if takes_all else min(most, ask.usual_kv_bytes)
        shares.append(share)
        pool -= share
    return shares


def _most(ask: Ask, others: Sequence[Ask], pool: int) -> int:
    """A full window for each comes first; beyond it the root leaves a second server its half."""
    fair = max(pool // 2, pool - sum(other.usual_kv_bytes for other in others))
    beside_full_windows = pool - sum(other.window_bytes for other in others)
    if ask.window_bytes > beside_full_windows:
        return fair
    return max(ask.window_bytes, min(beside_full_windows, fair))


def _fit_one(ask: Ask, kv_cache_bytes: int, room: Room) -> Fit | None:
    window = ask.window_tokens
    cuts = []
    if ask.kv_cache_bytes is not None and kv_cache_bytes < ask.kv_cache_bytes:
        wanted, given = gib(ask.kv_cache_bytes), gib(kv_cache_bytes)
        cuts.append(
            f"KV cache of {ask.model} cut from {wanted} to {given}: {room.name} has no more"
        )
    if kv_cache_bytes < ask.window_bytes:
        longest = ask.cache.longest_window(kv_cache_bytes, window)
        window = longest // _WINDOW_STEP_TOKENS * _WINDOW_STEP_TOKENS
        cuts.append(
            f"window of {ask.model} cut from {ask.window_tokens:,} to {window:,} tokens: "
            f"its KV cache of {gib(kv_cache_bytes)} holds {longest:,}"
        )
    if window < ask.least_window_tokens:
        return None
    return Fit(kv_cache_bytes, window, tuple(cuts))


def gib(n_bytes: int) -> str:
    """Bytes for a person."""
    return f"{n_bytes / (1 << 30):.1f} GiB"
