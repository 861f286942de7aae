"""What a server that has just started says in its log of its memory.

The texts are vLLM 0.32's and move between versions; what is not found is None.
"""

import re
from dataclasses import dataclass

__all__ = ["StartReport", "read_report"]

_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class StartReport:
    """Figures of the last start in a log; bytes are per card."""

    vllm_version: str | None
    kv_cache_tokens: int | None
    kv_cache_bytes: int | None
    weight_bytes: int | None
    graph_bytes: int | None


def read_report(log: str) -> StartReport:
    """Read a log, the last figure of a kind counting."""
    tokens = _last(log, r"KV cache size: ([\d,]+) tokens")
    return StartReport(
        vllm_version=_last(log, r"\bvLLM (?:API server )?version v?(\d[\w.+]*)")
        or _last(log, r"\bLLM engine \(v?(\d[\w.+]*)\)"),
        kv_cache_tokens=int(tokens.replace(",", "")) if tokens else None,
        kv_cache_bytes=_gib(_last(log, r"Available KV cache memory: ([\d.]+) GiB")),
        weight_bytes=_gib(_last(log, r"Model loading took ([\d.]+) Gi?B")),
        graph_bytes=_gib(_last(log, r"Graph capturing finished[^\n]*took ([\d.]+) GiB")),
    )


def _last(log: str, pattern: str) -> str | None:
    found = re.findall(pattern, log)
    return found[-1] if found else None


def _gib(text: str | None) -> int | None:
    return round(float(text) * _GIB) if text else None
