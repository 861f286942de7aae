"""Two labels on which a worker's log-odds and the words of the texts agree.

A small model leans to one of two labels for every text alike, so its log-odds are cut best far from
zero. Where? A border that means something leaves two kinds of texts whose words differ, so that
words alone predict on which side a text lies; across any other border they predict less. What the
words say is then added to what the worker says: it errs text by text, and what it said of many
texts together is better than what it said of each. Pure; asks nobody.

Measured in docs/decisions/0017.
"""

import math
from collections.abc import Sequence
from statistics import median

from rlm_local.sandbox.child.label_words import Words, odds_of_words

__all__ = ["FEWEST", "are_first"]

FEWEST = 40
"""Fewer texts teach too little about words."""
_FEWEST_OF_A_SIDE = 5
_SHARES = (0.06, 0.08, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225, 0.25, 0.3, 0.35, 0.4, 0.45)
_CANDIDATES = (*_SHARES, 0.5, *(1 - share for share in reversed(_SHARES)))
_MOST_TRIED = 2000
"""Texts on which borders are tried; their time grows with the number."""
_FARTHEST = 5.0
"""A lean is a few nats; a worker that is surer than that is not contradicted."""
_LEAST_GAIN = 5.0
"""Nats by which words must predict the sides of a border better than those of zero."""
_SURE_ENOUGH = 0.8
"""Words have a say where they are about as sure as the worker, half the texts looked at. Measured:
1.1 to 1.8 of what the worker has where it hardly tells two labels apart, at most 0.6 where it
does (96 groupings of WordNet's classes into two)."""
_STEPS = 30
_RIDGE = 1e-3
_LARGEST = 30.0


def are_first(texts: Sequence[Words], log_odds: Sequence[float]) -> list[bool]:
    """Whether each text has the first of two labels.

    Args:
        texts: the words of each.
        log_odds: what the worker says of each: above zero for the first label.
    """
    by_worker = [odds > 0 for odds in log_odds]
    if len(texts) < FEWEST:
        return by_worker
    border = _border(texts, log_odds)
    sides = [odds > border for odds in log_odds]
    if min(sum(sides), len(sides) - sum(sides)) < _FEWEST_OF_A_SIDE:
        return by_worker
    by_words = _calibrated(_word_odds(texts, sides), sides)
    if median(map(abs, by_words)) < _SURE_ENOUGH * median(abs(odds - border) for odds in log_odds):
        return by_worker
    return [odds - border + more > 0 for odds, more in zip(log_odds, by_words, strict=True)]


def _border(texts: Sequence[Words], log_odds: Sequence[float]) -> float:
    """Where words predict the sides best; zero unless that is much better than there."""
    step = -(-len(texts) // _MOST_TRIED)
    texts, log_odds = texts[::step], log_odds[::step]
    ordered, n = sorted(log_odds), len(log_odds)
    places = [max(1, min(n - 1, round(n * share))) for share in _CANDIDATES]
    borders = [(ordered[at - 1] + ordered[at]) / 2 for at in places]
    told = [_told_by_words(texts, [odds > border for odds in log_odds]) for border in borders]
    smooth = [_mean(told[max(0, at - 1) : at + 2]) for at in range(len(told))]
    allowed = [at for at, border in enumerate(borders) if abs(border) <= _FARTHEST]
    if not allowed:
        return 0.0
    best = max(allowed, key=lambda at: smooth[at])
    at_zero = _at_zero(log_odds, smooth)
    return borders[best] if n * (smooth[best] - at_zero) > _LEAST_GAIN else 0.0


def _at_zero(log_odds: Sequence[float], smooth: Sequence[float]) -> float:
    below = sum(odds <= 0 for odds in log_odds) / len(log_odds)
    if not _CANDIDATES[0] / 2 < below < 1 - _CANDIDATES[0] / 2:
        return 0.0
    return min(zip(_CANDIDATES, smooth, strict=True), key=lambda one: abs(one[0] - below))[1]


def _told_by_words(texts: Sequence[Words], sides: Sequence[bool]) -> float:
    """Nats a text that words tell about its side: mutual information of the two."""
    n, n_first = len(sides), sum(sides)
    if min(n_first, n - n_first) < _FEWEST_OF_A_SIDE:
        return 0.0
    odds = _word_odds(texts, sides)
    cut = sorted(odds, reverse=True)[n_first - 1]
    said = [one >= cut for one in odds]
    both = sum(one and other for one, other in zip(sides, said, strict=True)) / n
    first, told = n_first / n, sum(said) / n
    joint = (both, first - both, told - both, 1 - first - told + both)
    return _entropy(first, 1 - first) + _entropy(told, 1 - told) - _entropy(*joint)


def _word_odds(texts: Sequence[Words], sides: Sequence[bool]) -> list[float]:
    labels = [0 if side else 1 for side in sides]
    return [first - second for first, second in odds_of_words(texts, labels, 2)]


def _calibrated(odds: Sequence[float], sides: Sequence[bool]) -> list[float]:
    """Log-odds as sure as they are right about `sides`: naive Bayes is far too sure of itself.

    A logistic regression in one dimension, by Newton's method with a little ridge.
    """
    mean = _mean(odds)
    spread = math.sqrt(_mean([(one - mean) ** 2 for one in odds])) or 1.0
    scaled = [(one - mean) / spread for one in odds]
    slope = shift = 0.0
    for _ in range(_STEPS):
        errors, weights = [], []
        for one, side in zip(scaled, sides, strict=True):
            sure = max(-_LARGEST, min(_LARGEST, slope * one + shift))
            share = 1 / (1 + math.exp(-sure))
            errors.append(side - share)
            weights.append(share * (1 - share) + 1e-6)
        ridge = _RIDGE * len(scaled)
        to_shift = sum(errors)
        to_slope = _dot(errors, scaled) - ridge * slope
        a, b = sum(weights), _dot(weights, scaled)
        c = _dot(weights, [one * one for one in scaled]) + ridge
        determinant = a * c - b * b
        shift += (c * to_shift - b * to_slope) / determinant
        slope += (a * to_slope - b * to_shift) / determinant
    return [slope * one + shift for one in scaled]


def _entropy(*shares: float) -> float:
    return -sum(share * math.log(share) for share in shares if share > 1e-12)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(one * other for one, other in zip(left, right, strict=True))
