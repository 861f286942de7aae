"""A plan against what the started server said: how far off, and what the next plan should know.

`reconcile` is pure; `remember` writes the corrections file. Reads no logs: `serving` does.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from rlm_local.planner.corrections import (
    Correction,
    read_corrections,
    release_of,
    write_correction,
)
from rlm_local.planner.fit import gib
from rlm_local.planner.server_placement import ServerPlacement

__all__ = ["Difference", "Reconciliation", "Reported", "reconcile", "remember"]

_CLOSE_PERCENT = 10.0
_ROUNDING = 0.01
"""Reported sizes are rounded to a hundredth of a GiB, and pools to whole blocks."""
_LEAST_COSTS, _MOST_COSTS = 0.5, 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What a vLLM server said of itself, per card; `None` where it did not.

    Attributes:
        kv_cache_tokens: as in "GPU KV cache size: N tokens".
        kv_cache_bytes: as in "Available KV cache memory".
        weight_bytes: as in "Model loading took X GiB".
        graph_bytes: as in "Graph capturing finished".
        used_bytes: what its processes hold of each card once it is ready.
    """

    vllm_version: str
    kv_cache_tokens: int | None = None
    kv_cache_bytes: int | None = None
    weight_bytes: int | None = None
    graph_bytes: int | None = None
    used_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure, planned and reported: tokens, or bytes of a card."""

    what: str
    planned: int
    reported: int

    @property
    def percent(self) -> float:
        """By how much the reported is more than the planned."""
        return 100.0 * (self.reported - self.planned) / max(1, self.planned)

    def __str__(self) -> str:
        return (
            f"{self.what}: planned {self._shown(self.planned)}, reported "
            f"{self._shown(self.reported)} ({self.percent:+.1f} %)"
        )

    def _shown(self, value: int) -> str:
        return f"{value:,}" if self.what.endswith("tokens") else gib(value)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """All figures that can be compared, and what the next plan should reckon with."""

    differences: tuple[Difference, ...]
    correction: Correction

    @property
    def is_close(self) -> bool:
        """Whether the plan was right within 10 %."""
        return all(abs(difference.percent) <= _CLOSE_PERCENT for difference in self.differences)


def reconcile(placed: ServerPlacement, reported: Reported) -> Reconciliation:
    """Compare a placement with what its server said.

    Args:
        placed: as it was started.
        reported: as it was read from log or metrics.
    """
    pairs = (
        ("KV cache tokens", placed.kv_cache_tokens, reported.kv_cache_tokens),
        ("KV cache", placed.kv_cache_bytes, reported.kv_cache_bytes),
        ("weights", placed.weight_bytes, reported.weight_bytes),
        ("overhead", placed.overhead_bytes, _overhead(placed, reported)),
    )
    differences = tuple(
        Difference(what, planned, said)
        for what, planned, said in pairs
        if planned > 0 and said is not None and said > 0
    )
    return Reconciliation(differences, _correction(placed, reported))


def remember(path: Path, placed: ServerPlacement, reported: Reported) -> Reconciliation:
    """Reconcile, and keep what was learned for the next plan of that model on that card.

    Args:
        path: the corrections file. One that cannot be written costs only the memory.
        placed: as it was started; its own corrections are already in it.
        reported: as it was read from log or metrics.
    """
    found = reconcile(placed, reported)
    key = (placed.model, placed.device_name, release_of(reported.vllm_version))
    before = read_corrections(path).of(*key, placed.tensor_parallel_size) or Correction()
    # the plan was made with what was known before, so what is new comes on top of it
    costs = before.cache_costs * found.correction.cache_costs
    merged = Correction(
        weight_bytes=found.correction.weight_bytes or before.weight_bytes,
        overhead_bytes=found.correction.overhead_bytes or before.overhead_bytes,
        cache_costs=min(_MOST_COSTS, max(_LEAST_COSTS, costs)),
        n_cards=placed.tensor_parallel_size,
    )
    if merged != before:
        with contextlib.suppress(OSError):
            write_correction(path, key, merged)
    return found


def _overhead(placed: ServerPlacement, reported: Reported) -> int | None:
    """What a server holds beyond weights and cache."""
    if reported.used_bytes is None:
        return None
    weight_bytes = reported.weight_bytes or placed.weight_bytes
    kv_cache_bytes = reported.kv_cache_bytes or placed.kv_cache_bytes
    return reported.used_bytes - weight_bytes - kv_cache_bytes


def _correction(placed: ServerPlacement, reported: Reported) -> Correction:
    overhead = _overhead(placed, reported)
    costs = 1.0
    if placed.kv_cache_tokens and reported.kv_cache_tokens:
        pool = (reported.kv_cache_bytes or placed.kv_cache_bytes) / placed.kv_cache_bytes
        costs = pool * placed.kv_cache_tokens / reported.kv_cache_tokens
        costs = costs if abs(costs - 1.0) > _ROUNDING else 1.0
    return Correction(
        weight_bytes=reported.weight_bytes or None,
        overhead_bytes=overhead if overhead is not None and overhead > 0 else None,
        cache_costs=min(_MOST_COSTS, max(_LEAST_COSTS, costs)),
        n_cards=placed.tensor_parallel_size,
    )
