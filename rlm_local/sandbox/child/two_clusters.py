"""Cuts one-sided judgements where they fall apart by themselves: one dimension, two clusters.

A small model that leans to one of two labels leans for every item alike, so the log-odds of its
replies still form two heaps; the border between the heaps is a better border than zero. Pure.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

__all__ = ["Split", "best_split", "clear_border"]

FEWEST_VALUES = 20
FEWEST_IN_A_CLUSTER = 3
LEAST_EXPLAINED = 0.82
"""Share of the variance that lies between the clusters. The best split of a bell explains 0.64 and
of an even spread 0.75. Measured on a 1.5B's judgements of 30 text messages of one label: 0.62 to
0.81, and as much in mixes that it told apart badly. There a cut does more harm than good, so only
clearer heaps are cut."""


class Split(NamedTuple):
    """The best border between two clusters.

    Attributes:
        border: half way between the values on both sides of it.
        n_low: how many values lie below.
        n_high: how many lie above.
        explained: share of the variance that lies between the clusters, 0 to 1.
    """

    border: float
    n_low: int
    n_high: int
    explained: float


def best_split(values: Sequence[float]) -> Split | None:
    """The split in two that leaves the least variance within; None where all values are one.

    Exact: in one dimension each cluster is a run of the sorted values.
    """
    ordered = sorted(values)
    n, total = len(ordered), sum(ordered)
    mean = total / n if n else 0.0
    spread = sum((value - mean) ** 2 for value in ordered)
    if not spread:
        return None
    best: Split | None = None
    sums = accumulate(ordered)
    for n_low, (low_sum, (low, high)) in enumerate(zip(sums, pairwise(ordered), strict=False), 1):
        if low == high:
            continue
        n_high = n - n_low
        gap = low_sum / n_low - (total - low_sum) / n_high
        explained = n_low * n_high / n * gap**2 / spread
        if best is None or explained > best.explained:
            best = Split((low + high) / 2, n_low, n_high, explained)
    return best


def clear_border(log_odds: Sequence[float]) -> float | None:
    """Where to cut log-odds instead of at zero; None where they do not fall in two heaps."""
    if len(log_odds) < FEWEST_VALUES:
        return None
    split = best_split(log_odds)
    if split is None or split.explained < LEAST_EXPLAINED:
        return None
    return split.border if min(split.n_low, split.n_high) >= FEWEST_IN_A_CLUSTER else None
