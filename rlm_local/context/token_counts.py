"""How many tokens a text has: exactly, or from samples in milliseconds.

Reads the text in parts; never holds all of it.
"""

from collections.abc import Callable, Iterator

from rlm_local.interfaces import TokenCounter
from rlm_local.types import ContextSlice, TokenCount

__all__ = ["EXACT_CHARS", "count_tokens", "count_tokens_in_pieces"]

EXACT_CHARS = 200_000
"""Texts up to this long are counted when opened; longer ones are estimated."""

_N_SAMPLES = 64
_SAMPLE_CHARS = 1_000
_PIECE_CHARS = 256_000

ReadPart = Callable[[ContextSlice], str]


def count_tokens(read: ReadPart, n_chars: int, counter: TokenCounter) -> TokenCount:
    """Count a short text; estimate a long one from samples evenly spread over it."""
    if n_chars <= EXACT_CHARS:
        return TokenCount(counter.count(read(ContextSlice(0, n_chars))), exact=counter.exact)
    chars = tokens = 0
    step = (n_chars - _SAMPLE_CHARS) / (_N_SAMPLES - 1)
    for n in range(_N_SAMPLES):
        start = round(n * step)
        sample = _cut_to_words(read(ContextSlice(start, start + _SAMPLE_CHARS)))
        chars += len(sample)
        tokens += counter.count(sample)
    return TokenCount(round(tokens * n_chars / chars), exact=False)


def count_tokens_in_pieces(
    read: ReadPart,
    n_chars: int,
    counter: TokenCounter,
    *,
    progress: Callable[[int, int], None] | None,
) -> int:
    """Tokens of all of a text, counted in pieces that end at the ends of lines."""
    tokens = done = 0
    for piece in _pieces(read, n_chars):
        tokens += counter.count(piece)
        done += len(piece)
        if progress is not None:
            progress(done, n_chars)
    return tokens


def _pieces(read: ReadPart, n_chars: int) -> Iterator[str]:
    start = 0
    while start < n_chars:
        piece = read(ContextSlice(start, start + _PIECE_CHARS))
        if start + len(piece) < n_chars:
            piece = piece[: _find_cut(piece)]
        yield piece
        start += len(piece)


def _find_cut(piece: str) -> int:
    """After a line end that a plain character follows, else before a blank, else at the end.

    There tokenizers cut too: they take blanks with the word that follows them, and runs of
    line ends together.
    """
    end = len(piece) - 1
    while (end := piece.rfind("\n", 0, end)) > len(piece) // 2:
        if not piece[end + 1].isspace():
            return end + 1
    blank = piece.rfind(" ", 1)
    return blank if blank > 0 else len(piece)


def _cut_to_words(sample: str) -> str:
    """Drop the broken words at both ends, so that they are not counted as odd tokens."""
    words = sample[sample.find(" ") + 1 : sample.rfind(" ") + 1].rstrip(" ")
    return words if 2 * len(words) > len(sample) else sample
