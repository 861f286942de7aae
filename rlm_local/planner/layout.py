"""One stack on one machine: which devices, how many bytes, what lengths, or why not.

Pure: starts nothing and reads nothing. A model stays on one card where it fits; where it does not,
it is cut over as few as hold it (tensor parallel).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rlm_local.planner.cpu_threads import thread_shares
from rlm_local.planner.fit import LEAST_WINDOW_TOKENS, Ask, Fit, Room, fit, gib
from rlm_local.planner.hardware import Gpu, Hardware
from rlm_local.planner.knowledge import Knowledge
from rlm_local.planner.overheads import kept_of_card, kept_of_ram
from rlm_local.planner.server_placement import PlacedRole, Placement, Refusal, ServerPlacement
from rlm_local.planner.wishes import Wish, wishes_of
from rlm_local.registry import Registry, StackSpec

__all__ = ["PlacedRole", "Placement", "Refusal", "ServerPlacement", "place"]

_ROOT_SEQUENCES = 2
"""Of a server that plays both roles, so many sequences are kept free for root turns."""
_USUAL_PROMPT_TOKENS = 4096
"""Of a sub-call over one piece of a text."""


@dataclass(frozen=True, slots=True)
class _Site:
    """A place for one server: the cards it is cut over, or memory."""

    room: Room
    cards: tuple[Gpu, ...] = ()


_Layout = tuple[_Site, ...]


def place(
    registry: Registry, stack_name: str, hardware: Hardware, knowledge: Knowledge | None = None
) -> Placement | Refusal:
    """Place a stack, or say why it cannot be.

    Of several layouts the first that cuts nothing wins, else the first that fits.

    Raises:
        ConfigError: no stack of that name.
    """
    stack = registry.stack(stack_name)
    wishes = wishes_of(registry, stack, knowledge or Knowledge())
    layouts = list(_layouts(wishes, hardware))
    refused = _unusable(stack_name, stack, hardware)
    if refused or not layouts:
        least = sum(wish.ask(()).least_bytes for wish in wishes)
        return Refusal(refused or _no_such_cards(stack_name, wishes, hardware), least)
    placements = [
        Placement(
            stack=stack_name,
            backend=stack.backend,
            device=stack.device,
            servers=_servers(stack, wishes, layout, fits, hardware),
            cuts=_cuts(wishes, layout, fits),
        )
        for layout in layouts
        if (fits := _fit_layout(_asks(wishes, layout), layout))
    ]
    if not placements:
        return _too_big(stack_name, wishes, layouts)
    return min(placements, key=lambda found: bool(found.cuts))


def _unusable(name: str, stack: StackSpec, hardware: Hardware) -> str | None:
    if stack.device == "cuda" and not hardware.gpus:
        return f"stack {name} needs an NVIDIA GPU and none was found"
    if stack.device == "cpu" and stack.backend == "vllm" and hardware.cpu_level == "none":
        return f"stack {name} needs a CPU with AVX2 (or Arm NEON) for vLLM and this one has neither"
    return None


def _no_such_cards(name: str, wishes: Sequence[Wish], hardware: Hardware) -> str:
    asked = [
        f"{wish.model} on {wish.card_counts()[0]}"
        + (f" of GPU {', '.join(map(str, wish.gpus))}" if wish.gpus else "")
        for wish in wishes
        if wish.card_counts()
    ]
    return (
        f"stack {name} cannot be laid out as it asks ({'; '.join(asked)}): "
        f"there are {len(hardware.gpus)} usable cards"
    )


def _layouts(wishes: Sequence[Wish], hardware: Hardware) -> Iterator[_Layout]:
    """Ways to put the servers somewhere, best first: few cards, and of so many, one each."""
    if wishes[0].stack.device == "cpu":
        room = Room("memory", hardware.ram_available_bytes, kept_of_ram(), is_ours_alone=False)
        yield (_Site(room),) * len(wishes)
        return
    roomiest = sorted(hardware.gpus, key=lambda gpu: gpu.free_bytes, reverse=True)
    root, *others = wishes
    for n_cards in root.card_counts():
        if not others:
            yield from _one_server(root, roomiest, n_cards)
        else:
            yield from _two_servers(root, others[0], roomiest, n_cards)


def _one_server(wish: Wish, roomiest: Sequence[Gpu], n_cards: int) -> Iterator[_Layout]:
    if cards := _take(wish, roomiest, n_cards):
        yield (_site(cards),)


def _two_servers(
    root: Wish, worker: Wish, roomiest: Sequence[Gpu], n_cards: int
) -> Iterator[_Layout]:
    """Apart, with the worker on as few cards as the root or fewer; then on the same cards."""
    cards = _take(root, roomiest, n_cards)
    if not cards:
        return
    left = [gpu for gpu in roomiest if gpu not in cards]
    for n_worker_cards in worker.card_counts():
        worker_cards = _take(worker, left, n_worker_cards)
        if worker_cards and (n_worker_cards <= n_cards or worker.tensor_parallel):
            yield _site(cards), _site(worker_cards)
    shared = n_cards in worker.card_counts() and _take(worker, cards, n_cards)
    if shared:
        yield (_site(cards),) * 2


def _take(wish: Wish, roomiest: Sequence[Gpu], n_cards: int) -> tuple[Gpu, ...]:
    """The roomiest cards the wish allows, or none where they are too few."""
    allowed = [gpu for gpu in roomiest if not wish.gpus or gpu.index in wish.gpus]
    return tuple(allowed[:n_cards]) if len(allowed) >= n_cards else ()


def _site(cards: tuple[Gpu, ...]) -> _Site:
    tightest = min(cards, key=lambda gpu: gpu.free_bytes - kept_of_card(gpu))
    name = f"GPU {tightest.index} ({tightest.name})"
    room = Room(name, tightest.free_bytes, kept_of_card(tightest), is_ours_alone=True)
    return _Site(room, cards)


def _asks(wishes: Sequence[Wish], layout: _Layout) -> tuple[Ask, ...]:
    return tuple(wish.ask(site.cards) for wish, site in zip(wishes, layout, strict=True))


def _fit_layout(asks: Sequence[Ask], layout: _Layout) -> tuple[Fit, ...] | None:
    if len(set(layout)) == 1:
        return fit(asks, layout[0].room)
    fits = [fit([ask], site.room) for ask, site in zip(asks, layout, strict=True)]
    whole = tuple(found[0] for found in fits if found is not None)
    return whole if len(whole) == len(asks) else None


def _cuts(wishes: Sequence[Wish], layout: _Layout, fits: Sequence[Fit]) -> tuple[str, ...]:
    of_type = [wish.dtype_cut(site.cards) for wish, site in zip(wishes, layout, strict=True)]
    return (*filter(None, of_type), *(cut for found in fits for cut in found.cuts))


def _too_big(name: str, wishes: Sequence[Wish], layouts: Sequence[_Layout]) -> Refusal:
    """Compares the least it needs with what there is, where the least is missing."""
    tight = min((_shortage(wishes, layout) for layout in layouts), key=lambda one: one.short_bytes)
    parts = ", ".join(
        f"{ask.model}: weights {gib(ask.weight_bytes)}, overhead {gib(ask.overhead_bytes)}, "
        f"KV cache of {ask.least_window_tokens:,} tokens {gib(ask.least_bytes - ask.fixed_bytes)}"
        for ask in tight.asks
    )
    room, least = tight.room, sum(ask.least_bytes for ask in tight.asks)
    over = f" on each of {tight.n_cards} cards" if tight.n_cards > 1 else ""
    reason = (
        f"stack {name} needs at least {gib(least)}{over} ({parts}); {room.name} has "
        f"{gib(room.usable_bytes)} to give ({gib(room.free_bytes)} free, {gib(room.kept_bytes)} "
        f"kept back), {gib(tight.short_bytes)} too little"
    )
    return Refusal(reason, least, tight.short_bytes)


@dataclass(frozen=True, slots=True)
class _Shortage:
    asks: tuple[Ask, ...]
    room: Room
    n_cards: int

    @property
    def short_bytes(self) -> int:
        return max(1, sum(ask.least_bytes for ask in self.asks) - self.room.usable_bytes)


def _shortage(wishes: Sequence[Wish], layout: _Layout) -> _Shortage:
    """Where a layout is short: of servers apart, the one that misses most."""
    asks = _asks(wishes, layout)
    if len(set(layout)) == 1:
        return _Shortage(asks, layout[0].room, len(layout[0].cards))
    alone = (
        _Shortage((ask,), site.room, len(site.cards))
        for ask, site in zip(asks, layout, strict=True)
    )
    return max(alone, key=lambda one: one.short_bytes)


def _servers(
    stack: StackSpec,
    wishes: Sequence[Wish],
    layout: _Layout,
    fits: Sequence[Fit],
    hardware: Hardware,
) -> tuple[ServerPlacement, ...]:
    threads = thread_shares(hardware.cores, hardware.cpu_quota, len(wishes))
    return tuple(
        _server(stack, wish, site, found, () if site.cards else cores)
        for wish, site, found, cores in zip(wishes, layout, fits, threads, strict=True)
    )


def _server(
    stack: StackSpec, wish: Wish, site: _Site, found: Fit, cores: tuple[int, ...]
) -> ServerPlacement:
    ask = wish.ask(site.cards)
    call_tokens = min(found.window_tokens, _USUAL_PROMPT_TOKENS + wish.spec.worker.max_tokens)
    return ServerPlacement(
        model=ask.model,
        roles=wish.roles,
        device=stack.device,
        weight_bytes=ask.weight_bytes,
        kv_cache_bytes=found.kv_cache_bytes,
        overhead_bytes=ask.overhead_bytes,
        max_model_len=found.window_tokens,
        max_num_seqs=stack.max_num_seqs,
        gpus=site.cards,
        gpu_memory_utilization=_utilization(ask, found, site.cards) if site.cards else None,
        cpu_cores=cores,
        tensor_parallel_size=wish.tensor_parallel_size(site.cards),
        data_parallel_size=wish.distributed.data_parallel,
        vllm_args=wish.vllm_args,
        own_address=wish.distributed.address,
        kv_cache_dtype=wish.dtype_on(site.cards),
        max_num_batched_tokens=stack.max_num_batched_tokens,
        kv_bytes_per_token=ask.cache.bytes_per_token // wish.distributed.pipeline_parallel,
        kv_cache_tokens=ask.cache.pool_tokens(found.kv_cache_bytes, found.window_tokens),
        block_tokens=ask.cache.block_tokens,
        worker_call_tokens=call_tokens if "worker" in wish.roles else 0,
        worker_concurrency=_worker_concurrency(wish, ask, found, call_tokens),
    )


def _worker_concurrency(wish: Wish, ask: Ask, found: Fit, call_tokens: int) -> int:
    """Sub-calls that wait neither for a sequence nor for cache, beside a short root turn."""
    if "worker" not in wish.roles:
        return 0
    sequences, pool_bytes = wish.stack.max_num_seqs, found.kv_cache_bytes
    if "root" in wish.roles:
        sequences -= _ROOT_SEQUENCES
        pool_bytes -= ask.cache.sequence_bytes(min(found.window_tokens, LEAST_WINDOW_TOKENS))
    of_one_copy = max(1, min(sequences, pool_bytes // ask.cache.sequence_bytes(call_tokens)))
    return of_one_copy * wish.distributed.data_parallel


def _utilization(ask: Ask, found: Fit, cards: Sequence[Gpu]) -> float:
    share = (ask.fixed_bytes + found.kv_cache_bytes) / max(card.total_bytes for card in cards)
    return math.floor(share * 100) / 100
