"""Ranks pieces of one text by BM25, for texts without an index. Pure; keeps what it has read."""

import math
import re
from collections import Counter

from rlm_local.types import Passage

__all__ = ["Ranking"]

_PASSAGE_CHARS = 1000
_K1, _B = 1.2, 0.75  # as tantivy and Lucene have them


class Ranking:
    """A text in pieces of whole lines, ready to be asked."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._spans = _passages(text)
        self._bags = [Counter(_words(text[start:end])) for start, end in self._spans]
        self._lengths = [sum(bag.values()) for bag in self._bags]

    def best(self, query: str, k: int) -> tuple[Passage, ...]:
        """The `k` pieces that fit best, best first; fewer where fewer hold a word of the query."""
        mean = (sum(self._lengths) / len(self._lengths) if self._lengths else 0.0) or 1.0
        scores = [0.0] * len(self._spans)
        for word in set(_words(query)):
            holding = sum(word in bag for bag in self._bags)
            rarity = math.log(1 + (len(self._bags) - holding + 0.5) / (holding + 0.5))
            for at, bag in enumerate(self._bags):
                if n := bag[word]:
                    norm = _K1 * (1 - _B + _B * self._lengths[at] / mean)
                    scores[at] += rarity * n * (_K1 + 1) / (n + norm)
        found = sorted(
            (at for at in range(len(scores)) if scores[at] > 0), key=lambda i: -scores[i]
        )
        return tuple(self._passage(at, scores[at]) for at in found[:k])

    def _passage(self, at: int, score: float) -> Passage:
        start, end = self._spans[at]
        return Passage("", start, end, self._text[start:end], score)


def _passages(text: str) -> list[tuple[int, int]]:
    """Pieces of whole lines, about `_PASSAGE_CHARS` long."""
    spans, start = [], 0
    while start < len(text):
        end = min(len(text), start + _PASSAGE_CHARS)
        if end < len(text) and (line_end := text.rfind("\n", start + 1, end)) > 0:
            end = line_end + 1
        spans.append((start, end))
        start = end
    return spans


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
