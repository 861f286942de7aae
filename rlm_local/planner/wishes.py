"""A stack's entry as what its servers want: one wish a server, and its bytes on given cards.

Pure. Knows registry, shapes and overheads; where the servers go is `layout`'s business.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rlm_local.distributed import Distributed
from rlm_local.planner.corrections import Correction
from rlm_local.planner.fit import Ask
from rlm_local.planner.hardware import Gpu
from rlm_local.planner.knowledge import Knowledge
from rlm_local.planner.kv_cache import CacheSettings, KvCache, kv_cache_of, plain_kv_cache
from rlm_local.planner.model_shape import ModelShape
from rlm_local.planner.overheads import (
    batched_tokens,
    cpu_overhead_bytes,
    cuda_overhead_bytes,
    in_process_overhead_bytes,
)
from rlm_local.planner.server_placement import PlacedRole
from rlm_local.registry import KvCacheDtype, ModelSpec, Registry, StackSpec

__all__ = ["Wish", "wishes_of"]

_GIB = 1 << 30
_CARD_COUNTS = (1, 2, 4, 8)
_FP8_CAPABILITY = (8, 9)
_CUDA_BLOCK_TOKENS = 16
_CUDA_LATENT_BLOCK_TOKENS = 64
_CPU_BLOCK_TOKENS = 32  # what serving asks for: vLLM's own 128 hides shorter shared prefixes
_CPU_LATENT_BLOCK_TOKENS = 16
_CUDA_STEPS_AT_ONCE = 2
_CPU_STATE_BYTES = 4


@dataclass(frozen=True, slots=True)
class Wish:
    """One server of a stack, before it is put anywhere."""

    model: str
    spec: ModelSpec
    stack: StackSpec
    knowledge: Knowledge
    roles: tuple[PlacedRole, ...]
    window_tokens: int
    kv_cache_gib: float | None
    kv_cache_dtype: KvCacheDtype
    tensor_parallel: int | None
    gpus: tuple[int, ...]
    distributed: Distributed
    vllm_args: tuple[str, ...]

    @property
    def shape(self) -> ModelShape | None:
        """The model's shape, where it is known."""
        return self.knowledge.shape(self.model, self.spec)

    def card_counts(self) -> tuple[int, ...]:
        """How many cards of this machine it may take, fewest first."""
        spread = [self.distributed.cards_here(count) for count in self._tensor_parallel_counts()]
        return tuple(count for count in spread if count is not None)

    def _tensor_parallel_counts(self) -> tuple[int, ...]:
        if self.tensor_parallel is not None:
            return (self.tensor_parallel,)
        shape = self.shape
        if shape is None:
            return (1,)
        return tuple(count for count in _CARD_COUNTS if shape.divides_over(count))

    def tensor_parallel_size(self, cards: Sequence[Gpu]) -> int:
        """Over how many cards each part of its layers is cut."""
        return self.distributed.cut_over(len(cards)) // self.distributed.pipeline_parallel

    def dtype_on(self, cards: Sequence[Gpu]) -> KvCacheDtype:
        """The KV cache's type there: cards before Ada have no fp8 kernels for it."""
        too_old = any(card.compute_capability < _FP8_CAPABILITY for card in cards)
        return "auto" if too_old else self.kv_cache_dtype

    def dtype_cut(self, cards: Sequence[Gpu]) -> str | None:
        """Says so where an fp8 cache was asked for and cannot be had."""
        if self.dtype_on(cards) == self.kv_cache_dtype:
            return None
        oldest = min(card.compute_capability for card in cards)
        return (
            f"KV cache of {self.model} is not fp8: that needs compute capability 8.9, and "
            f"the card has {oldest[0]}.{oldest[1]}"
        )

    def ask(self, cards: Sequence[Gpu]) -> Ask:
        """Its bytes on each of these cards; none: in memory."""
        correction = self._correction(cards)
        n_cards = self.distributed.cut_over(len(cards))
        weight_bytes = -(-self.knowledge.weight_bytes(self.model, self.spec) // n_cards)
        overhead_bytes = self._overhead_bytes(cards, weight_bytes)
        return Ask(
            model=self.model,
            weight_bytes=correction.weight_bytes or weight_bytes,
            overhead_bytes=correction.overhead_bytes or overhead_bytes,
            cache=self._cache(cards, correction.cache_costs),
            window_tokens=min(self.window_tokens, self.spec.context_tokens),
            kv_cache_bytes=None if self.kv_cache_gib is None else int(self.kv_cache_gib * _GIB),
        )

    def _correction(self, cards: Sequence[Gpu]) -> Correction:
        device = cards[0].name if cards else "cpu"
        n_cards = self.distributed.cut_over(len(cards))
        found = self.knowledge.correction(self.model, device, n_cards)
        return found or Correction()

    def _step_tokens(self, cards: Sequence[Gpu]) -> int:
        smallest = min((card.total_bytes for card in cards), default=0)
        return self.stack.max_num_batched_tokens or batched_tokens(self.stack.device, smallest)

    def _overhead_bytes(self, cards: Sequence[Gpu], weight_bytes: int) -> int:
        if self.stack.backend == "transformers":
            return in_process_overhead_bytes()
        if self.stack.device == "cpu":
            return cpu_overhead_bytes(weight_bytes)
        return cuda_overhead_bytes(
            self.shape,
            step_tokens=self._step_tokens(cards),
            max_num_seqs=self.stack.max_num_seqs,
            n_cards=self.distributed.cut_over(len(cards)),
        )

    def _cache(self, cards: Sequence[Gpu], costs: float) -> KvCache:
        shape = self.shape
        latent = shape is not None and any(layers.is_latent for layers in shape.attention)
        on_cpu = self.stack.device == "cpu"
        if on_cpu:
            block_tokens = _CPU_LATENT_BLOCK_TOKENS if latent else _CPU_BLOCK_TOKENS
        else:
            block_tokens = _CUDA_LATENT_BLOCK_TOKENS if latent else _CUDA_BLOCK_TOKENS
        settings = CacheSettings(
            n_cards=self.tensor_parallel_size(cards),
            dtype=self.dtype_on(cards),
            block_tokens=block_tokens,
            in_flight_tokens=self._step_tokens(cards) * (1 if on_cpu else _CUDA_STEPS_AT_ONCE),
            least_state_bytes=_CPU_STATE_BYTES if on_cpu else 0,
        )
        costs /= self.distributed.pipeline_parallel  # each part keeps the cache of its layers
        if shape is None:
            return plain_kv_cache(self.spec.kv_bytes_per_token, settings, costs)
        return kv_cache_of(shape, settings, costs)


def wishes_of(registry: Registry, stack: StackSpec, knowledge: Knowledge) -> tuple[Wish, ...]:
    """The servers of a stack: one for both roles where they share a model, else root, worker."""
    worker = registry.worker_of(stack)
    root_wish = Wish(
        model=stack.root,
        spec=registry.model(stack.root),
        stack=stack,
        knowledge=knowledge,
        roles=("root", "worker") if worker == stack.root else ("root",),
        window_tokens=stack.max_model_len,
        kv_cache_gib=stack.kv_cache_gib,
        kv_cache_dtype=stack.kv_cache_dtype,
        tensor_parallel=stack.tensor_parallel,
        gpus=stack.gpus,
        distributed=stack.distributed,
        vllm_args=(*stack.distributed.flags(), *stack.vllm_args),
    )
    if worker == stack.root:
        return (root_wish,)
    worker_wish = Wish(
        model=worker,
        spec=registry.model(worker),
        stack=stack,
        knowledge=knowledge,
        roles=("worker",),
        window_tokens=stack.worker_max_model_len,
        kv_cache_gib=stack.worker_kv_cache_gib,
        kv_cache_dtype=stack.worker_kv_cache_dtype,
        tensor_parallel=stack.worker_tensor_parallel,
        gpus=stack.worker_gpus,
        distributed=stack.worker_distributed,
        vllm_args=(*stack.worker_distributed.flags(), *stack.worker_vllm_args),
    )
    return root_wish, worker_wish
