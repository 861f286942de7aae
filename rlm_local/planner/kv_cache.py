"""How many bytes vLLM's KV cache takes: of a token, of a sequence, of a pool.

Pure arithmetic, and vLLM's own (0.32, `v1/kv_cache_interface.py`, `v1/core/kv_cache_utils.py`):
layers form groups of equal size, every group of a sequence takes whole blocks out of one pool, and
all blocks are equally large. Knows neither stacks nor hardware. All bytes are those of one card.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

from rlm_local.planner.model_shape import AttentionLayers, ModelShape
from rlm_local.registry import KvCacheDtype

__all__ = ["CacheSettings", "Group", "KvCache", "kv_cache_of", "plain_kv_cache"]

_MIXED_GROUPS = 1.5
"""Kinds of layers whose counts differ by less are put into groups as large as the larger one."""


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """How a server keeps its cache.

    Attributes:
        n_cards: the model is cut over so many.
        block_tokens: tokens of a block before recurrent layers enlarge it.
        in_flight_tokens: computed but not settled at most; windowed layers keep them as well.
        least_state_bytes: bytes of a number of a recurrent state at least (4 on a CPU).
    """

    n_cards: int = 1
    dtype: KvCacheDtype = "auto"
    block_tokens: int = 16
    in_flight_tokens: int = 4096
    least_state_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Layers of one kind that share block numbers; there are `count` such groups.

    Attributes:
        n_layers: in the model, of this kind; spread over the groups.
        page_bytes: of one block in one layer.
        block_tokens: tokens of a block; of a recurrent layer it holds a state instead.
    """

    kind: Literal["full", "window", "state"]
    n_layers: int
    count: int
    page_bytes: int
    block_tokens: int
    window_tokens: int = 0
    kept_states: int = 0

    def sequence_blocks(self, n_tokens: int, in_flight_tokens: int) -> int:
        """Blocks of one sequence in all groups of this kind."""
        if self.kind == "state":
            return self.count * self.kept_states
        if self.kind == "full":
            return self.count * math.ceil(n_tokens / self.block_tokens)
        kept = min(self.window_tokens - 1 + in_flight_tokens, n_tokens)
        # one more: a window may begin in the middle of a block
        return self.count * (math.ceil(kept / self.block_tokens) + 1)


@dataclass(frozen=True, slots=True)
class KvCache:
    """The cache of one model on one card.

    Attributes:
        block_bytes: of one block of the pool, in all layers of a group.
        costs: by how much a server was seen to need more than this arithmetic says.
    """

    groups: tuple[Group, ...]
    block_bytes: int
    in_flight_tokens: int = 0
    costs: float = 1.0

    @property
    def block_tokens(self) -> int:
        """Tokens that share a block: shared prefixes shorter than this are not found again."""
        return max(group.block_tokens for group in self.groups)

    @property
    def bytes_per_token(self) -> int:
        """Bytes that one more token of a long sequence takes."""
        growing = (group for group in self.groups if group.kind == "full")
        return sum(group.count * self.block_bytes // group.block_tokens for group in growing)

    def sequence_bytes(self, n_tokens: int) -> int:
        """Bytes of one sequence of that length."""
        return math.ceil(self._blocks(n_tokens) * self.block_bytes * self.costs)

    def least_bytes(self, window_tokens: int) -> int:
        """The smallest pool that vLLM starts with for that window; one block is never given out."""
        return self.sequence_bytes(window_tokens) + self.block_bytes

    def pool_tokens(self, pool_bytes: int, window_tokens: int) -> int:
        """Tokens vLLM says a pool holds: those of full windows side by side."""
        n_blocks = int(pool_bytes / self.costs) // self.block_bytes
        return int(n_blocks / self._blocks(window_tokens) * window_tokens)

    def longest_window(self, pool_bytes: int, at_most: int) -> int:
        """The longest window a pool can serve, `at_most` at most; 0 where not even one token."""
        low, high = 0, at_most
        while low < high:
            middle = (low + high + 1) // 2
            if self.least_bytes(middle) <= pool_bytes:
                low = middle
            else:
                high = middle - 1
        return low

    def _blocks(self, n_tokens: int) -> int:
        return sum(group.sequence_blocks(n_tokens, self.in_flight_tokens) for group in self.groups)


def plain_kv_cache(bytes_per_token: int, settings: CacheSettings, costs: float = 1.0) -> KvCache:
    """The cache of a model of which only the bytes of a token are known: full attention."""
    halved = 2 if settings.dtype == "fp8" else 1
    token_bytes = max(1, bytes_per_token // halved // settings.n_cards)
    page_bytes = token_bytes * settings.block_tokens
    group = Group("full", 1, 1, page_bytes, settings.block_tokens)
    return KvCache((group,), page_bytes, costs=costs)


def kv_cache_of(shape: ModelShape, settings: CacheSettings, costs: float = 1.0) -> KvCache:
    """The cache of a model.

    Args:
        shape: the model's layers.
        settings: how the server keeps it.
        costs: a correction from what a server reported earlier.
    """
    element_bytes = 1 if settings.dtype == "fp8" else shape.element_bytes
    state_page = _state_page(shape, settings)
    block_tokens = settings.block_tokens
    if shape.states and shape.attention:
        token_bytes = shape.attention[0].token_bytes(element_bytes, settings.n_cards)
        block_tokens *= max(1, math.ceil(state_page / (block_tokens * token_bytes)))
    groups = [
        _attention_group(layers, element_bytes, settings.n_cards, block_tokens)
        for layers in shape.attention
    ]
    if shape.states:
        states = shape.states
        groups.append(
            Group(
                kind="state",
                n_layers=states.n_layers,
                count=1,
                page_bytes=state_page,
                block_tokens=block_tokens,
                kept_states=states.kept_states,
            )
        )
    return _grouped(groups, settings.in_flight_tokens, costs)


def _state_page(shape: ModelShape, settings: CacheSettings) -> int:
    if shape.states is None:
        return 0
    state_bytes = shape.states.state_bytes or shape.element_bytes
    return shape.states.sequence_bytes(
        shape.element_bytes, max(state_bytes, settings.least_state_bytes), settings.n_cards
    )


def _attention_group(
    layers: AttentionLayers, element_bytes: int, n_cards: int, block_tokens: int
) -> Group:
    return Group(
        kind="window" if layers.window_tokens else "full",
        n_layers=layers.n_layers,
        count=1,
        page_bytes=layers.token_bytes(element_bytes, n_cards) * block_tokens,
        block_tokens=block_tokens,
        window_tokens=layers.window_tokens or 0,
    )


def _grouped(kinds: list[Group], in_flight_tokens: int, costs: float) -> KvCache:
    """Pages made equal, then groups made equal: each kind is split into groups of one size."""
    page_bytes = max(kind.page_bytes for kind in kinds)
    fewest = min(kind.n_layers for kind in kinds)
    most = max(kind.n_layers for kind in kinds)
    group_layers = most if most < _MIXED_GROUPS * fewest else fewest
    groups = tuple(
        replace(
            kind,
            count=math.ceil(kind.n_layers / group_layers),
            page_bytes=page_bytes,
            block_tokens=_block_tokens(kind, page_bytes),
        )
        for kind in kinds
    )
    return KvCache(groups, group_layers * page_bytes, in_flight_tokens, costs)


def _block_tokens(kind: Group, page_bytes: int) -> int:
    """A smaller page takes more tokens where that fills it exactly, else it is padded."""
    if kind.kind == "state" or page_bytes % kind.page_bytes:
        return kind.block_tokens
    return kind.block_tokens * (page_bytes // kind.page_bytes)
