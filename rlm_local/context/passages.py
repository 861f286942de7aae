"""Cuts text into passages for search: pure, and nothing is lost between the passages.

A passage ends, where it can, at the end of a paragraph, else of a line, a sentence, a word.
"""

import re
from collections.abc import Iterable, Iterator

__all__ = ["LEAST_CHARS", "MOST_CHARS", "cut_passages"]

LEAST_CHARS, MOST_CHARS = 600, 900
"""Passages have this many characters, the last one of a text fewer."""

_SENTENCE_END = re.compile(r"[.!?][\"'”’)\]]*\s|[。！？]")


def cut_passages(pieces: Iterable[str]) -> Iterator[str]:
    """Cut a text that comes in pieces; where the pieces were cut makes no difference.

    Joined, the passages are the text. None is empty; none is longer than `MOST_CHARS`.
    """
    rest = ""
    for piece in pieces:
        rest += piece
        start = 0
        while len(rest) - start > MOST_CHARS:
            end = _find_end(rest, start)
            yield rest[start:end]
            start = end
        rest = rest[start:]
    if rest:
        yield rest


def _find_end(text: str, start: int) -> int:
    """The best end of the passage that starts at `start`; there is more text than it takes."""
    least, most = start + LEAST_CHARS, start + MOST_CHARS
    for mark in ("\n\n", "\n"):
        found = text.rfind(mark, least - len(mark), most)
        if found >= 0:
            return found + len(mark)
    sentence_end = 0
    for match in _SENTENCE_END.finditer(text, least, most):
        sentence_end = match.end()
    if sentence_end:
        return sentence_end
    blank = text.rfind(" ", least, most)
    return blank + 1 if blank >= 0 else most
