"""What a vLLM server counts of itself, read from `/metrics`.

Names are vLLM 0.32's, with and without the `_total` that Prometheus adds; what is absent is None.
"""

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace as replaced

from rlm_local.errors import ModelError
from rlm_local.serving.endpoint import Endpoint, Transport

__all__ = ["Rates", "ServerMetrics", "metrics_of", "rates_between", "read_metrics"]

TIMEOUT_S = 5.0
_LINE = re.compile(
    r"^vllm:(?P<name>\w+?)(?:_total)?(?:\{[^}]*\})? (?P<value>[-+\w.]+)$", re.MULTILINE
)
_CACHE_CONFIG = re.compile(r"^vllm:cache_config_info\{([^}]*)\}", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class ServerMetrics:
    """One reading. Tokens and requests since the server's start, unless it says now."""

    at_s: float
    """Of a monotonic clock."""
    running: int | None
    """Requests being worked on now."""
    waiting: int | None
    """Requests in its queue now."""
    kv_cache_use: float | None
    """Part of the KV cache that holds running requests now, 0 to 1."""
    prompt_tokens: float | None
    generation_tokens: float | None
    prefix_queries: float | None
    """Prompt tokens looked up in the prefix cache."""
    prefix_hits: float | None
    """Those found there."""
    preemptions: float | None
    kv_cache_tokens: int | None = None
    """What the KV cache holds, as far as blocks tell (for hybrid models they tell too little)."""

    @property
    def prefix_hit_rate(self) -> float | None:
        """Part of the prompt tokens found in the prefix cache; None before the first prompt."""
        if not self.prefix_queries or self.prefix_hits is None:
            return None
        return self.prefix_hits / self.prefix_queries


@dataclass(frozen=True, slots=True)
class Rates:
    """Tokens a second between two readings."""

    prompt_tokens_per_s: float
    generation_tokens_per_s: float


def metrics_of(text: str) -> ServerMetrics:
    """Read the Prometheus text; values of several engines are added up."""
    found: dict[str, float] = {}
    engines: dict[str, int] = {}
    for match in _LINE.finditer(text):
        name = match["name"]
        value = _number(match["value"])
        if value is None:
            continue
        found[name] = found.get(name, 0.0) + value
        engines[name] = engines.get(name, 0) + 1
    use = found.get("kv_cache_usage_perc")
    return ServerMetrics(
        at_s=time.monotonic(),
        running=_whole(found, "num_requests_running"),
        waiting=_whole(found, "num_requests_waiting"),
        kv_cache_use=None if use is None else use / engines["kv_cache_usage_perc"],
        prompt_tokens=found.get("prompt_tokens"),
        generation_tokens=found.get("generation_tokens"),
        prefix_queries=found.get("prefix_cache_queries"),
        prefix_hits=found.get("prefix_cache_hits"),
        preemptions=found.get("num_preemptions"),
        kv_cache_tokens=_kv_cache_tokens(text),
    )


async def read_metrics(endpoint: Endpoint) -> ServerMetrics | None:
    """Ask a server; None when it does not answer or has no such page."""
    origin = replaced(endpoint, base_url=endpoint.base_url.rstrip("/").removesuffix("/v1"))
    transport = Transport(origin, max_connections=1, timeout_s=TIMEOUT_S)
    try:
        return metrics_of(await transport.text("metrics"))
    except ModelError:
        return None
    finally:
        await transport.aclose()


def rates_between(before: ServerMetrics, now: ServerMetrics) -> Rates | None:
    """Tokens a second from one reading to the next; None where it does not count them."""
    counted = (
        before.prompt_tokens, before.generation_tokens, now.prompt_tokens, now.generation_tokens
    )  # fmt: skip
    if None in counted or now.at_s <= before.at_s:
        return None
    span_s = now.at_s - before.at_s
    prompt = (now.prompt_tokens or 0.0) - (before.prompt_tokens or 0.0)
    generation = (now.generation_tokens or 0.0) - (before.generation_tokens or 0.0)
    return Rates(max(0.0, prompt / span_s), max(0.0, generation / span_s))  # a restart counts anew


def _kv_cache_tokens(text: str) -> int | None:
    tokens = 0
    for labels in _CACHE_CONFIG.findall(text):  # one an engine
        told = dict(_LABEL.findall(labels))
        blocks, size = told.get("num_gpu_blocks", ""), told.get("block_size", "")
        if blocks.isdecimal() and size.isdecimal():
            tokens += int(blocks) * int(size)
    return tokens or None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _whole(found: Mapping[str, float], name: str) -> int | None:
    value = found.get(name)
    return None if value is None else round(value)
