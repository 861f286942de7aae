"""The outcome of planning: which server runs where, with how much memory. Values only."""

from dataclasses import dataclass
from typing import Literal

from rlm_local.planner.hardware import Gpu
from rlm_local.registry import KvCacheDtype

__all__ = ["PlacedRole", "Placement", "Refusal", "ServerPlacement"]

PlacedRole = Literal["root", "worker"]


@dataclass(frozen=True, slots=True)
class ServerPlacement:
    """One model server. Bytes are those of its device; of each card, where it has several.

    Attributes:
        roles: what it serves; both, when one model plays root and worker.
        gpus: the cards it runs on; empty on the CPU.
        gpu_memory_utilization: its share of the card, rounded down. With explicit KV bytes it
            sizes nothing, but vLLM still refuses to start when less than this share is free.
        cpu_cores: logical cores its threads are bound to; empty leaves the choice to vLLM.
        tensor_parallel_size: cards the model is cut over.
        data_parallel_size: copies of it, on cards of their own.
        block_size: tokens of a block to ask for; `None` leaves it to vLLM.
        max_num_batched_tokens: tokens of one step; `None` leaves it to vLLM.
        vllm_args: flags its entry adds, those that spread it over machines included.
        own_address: of this machine, where others of the same server reach it; `None`: there are
            none.
        kv_bytes_per_token: what one more token of a long sequence takes.
        kv_cache_tokens: what vLLM should say the pool holds.
        block_tokens: tokens that share a block of the pool.
        worker_call_tokens: prompt and reply of the sub-call that `worker_concurrency` is for.
        worker_concurrency: sub-calls worth having in flight; 0 where no worker is served.
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
    tensor_parallel_size: int = 1
    data_parallel_size: int = 1
    kv_cache_dtype: KvCacheDtype = "auto"
    block_size: int | None = None
    max_num_batched_tokens: int | None = None
    vllm_args: tuple[str, ...] = ()
    own_address: str | None = None
    kv_bytes_per_token: int = 0
    kv_cache_tokens: int = 0
    block_tokens: int = 0
    worker_call_tokens: int = 0
    worker_concurrency: int = 0

    @property
    def needed_bytes(self) -> int:
        """Memory of its device it takes in all."""
        return self.weight_bytes + self.kv_cache_bytes + self.overhead_bytes

    @property
    def device_name(self) -> str:
        """The card's name, or `cpu`."""
        return self.gpus[0].name if self.gpus else "cpu"


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
        """Memory all its servers take, on all devices together."""
        return sum(server.needed_bytes * max(1, len(server.gpus)) for server in self.servers)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a stack cannot be placed, what it would need at least, and how much of that is missing.

    `short_bytes` is 0 where more memory would not help.
    """

    reason: str
    needed_bytes: int
    short_bytes: int = 0
