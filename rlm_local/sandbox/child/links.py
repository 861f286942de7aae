"""Which pieces of a context answer a question together: those found, and those they mention.

A question that takes two steps names one piece of the text only; the other is mentioned in there.
So pairs are ranked, by the question words that the two hold together. Asks no model.
"""

import math
from collections import Counter
from collections.abc import Sequence

from rlm_local.sandbox.child.question_words import key_words, stems
from rlm_local.sandbox.child.titles import Piece, TitledPieces

__all__ = ["WordWeights", "ranked_pieces"]

_HITS_FOLLOWED = 20
_MOST_MENTIONS = 60
_MOST_PIECES = 12
# Found over 400 questions, and flat around these values.
_RANK_COST = 0.02
_LENGTH_COST = 0.05
_USUAL_WORDS = 60
_READ_CHARS = 6_000

_SAMPLE_CHARS = 1_500_000
_SLICES = 300
_PIECE_CHARS = 500


class WordWeights:
    """How rare words are in a text: from a sample of it, taken evenly, at first use."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._seen: Counter[str] | None = None
        self._n_pieces = 1

    def __call__(self, word: str) -> float:
        """The weight of a stem; the rarer, the higher."""
        if self._seen is None:
            self._seen = self._count()
        return math.log((self._n_pieces + 1) / (self._seen[word] + 0.5))

    def _count(self) -> Counter[str]:
        text, seen, n_pieces = self._text, Counter[str](), 0
        n_slices = _SLICES if len(text) > _SAMPLE_CHARS else 1
        width = min(len(text), _SAMPLE_CHARS) // n_slices
        step = len(text) // n_slices
        for first in range(0, n_slices * step, max(step, 1)):
            for start in range(first, first + width, _PIECE_CHARS):
                seen.update(set(stems(text[start : start + _PIECE_CHARS])))
                n_pieces += 1
        self._n_pieces = max(n_pieces, 1)
        return seen


class _Pairs:
    """Pairs of pieces with how well they fit, the best of each."""

    def __init__(self, question: str, pieces: TitledPieces, weight: WordWeights) -> None:
        self._pieces = pieces
        self._wanted = {word: weight(word) for word in key_words(question)}
        self._total = sum(self._wanted.values()) or 1.0
        self._words: dict[Piece, frozenset[str]] = {}
        self._best: dict[tuple[Piece, Piece], float] = {}

    def add(self, one: Piece, other: Piece, rank: int) -> None:
        words = self._words_of(one) | self._words_of(other)
        held = sum(weight for word, weight in self._wanted.items() if word in words)
        fits = held / self._total - _RANK_COST * math.log(1 + rank)
        fits -= _LENGTH_COST * math.log(max(len(words), 1) / _USUAL_WORDS)
        key = (other, one) if (other, one) in self._best else (one, other)
        self._best[key] = max(self._best.get(key, -math.inf), fits)

    def best_first(self) -> list[tuple[Piece, Piece]]:
        return sorted(self._best, key=lambda pair: -self._best[pair])

    def _words_of(self, piece: Piece) -> frozenset[str]:
        known = self._words.get(piece)
        if known is None:
            text = self._pieces.text(piece)[:_READ_CHARS]
            known = self._words[piece] = frozenset(stems(text))
        return known


def ranked_pieces(
    question: str, found: Sequence[Piece], pieces: TitledPieces, weight: WordWeights
) -> list[Piece]:
    """The pieces to read for a question, best first: at least all of `found`.

    Args:
        question: what is asked.
        found: what a search for it gave, best first.
        pieces: the titled pieces of the text.
        weight: how rare a word is in the text.
    """
    named = pieces.mentioned_in(question)
    ranks = {piece: rank for rank, piece in enumerate(found)}
    pairs = _Pairs(question, pieces, weight)
    for piece in dict.fromkeys([*named, *found[:_HITS_FOLLOWED]]):
        rank = 0 if piece in named else ranks[piece]
        mentioned = pieces.mentioned_in(pieces.text(piece))
        for other in mentioned[:_MOST_MENTIONS]:
            if other != piece:
                pairs.add(piece, other, rank)
    for number, piece in enumerate(named):
        for other in named[number + 1 :]:
            pairs.add(piece, other, 0)
    best = pairs.best_first()
    if not best:
        return list(dict.fromkeys([*named, *found]))
    return list(dict.fromkeys([*_interleaved(best, found), *named]))


def _interleaved(pairs: Sequence[tuple[Piece, Piece]], found: Sequence[Piece]) -> list[Piece]:
    """Pairs, after every second one a piece that was found by itself; then all of these."""
    ranked: dict[Piece, None] = {}
    for number, pair in enumerate(pairs):
        ranked.update(dict.fromkeys(pair))
        if number % 2 and number // 2 < len(found):
            ranked.setdefault(found[number // 2])
        if len(ranked) > _MOST_PIECES:
            break
    return [*ranked, *(piece for piece in found if piece not in ranked)]
