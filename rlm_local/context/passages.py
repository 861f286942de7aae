"""Cuts text into passages for search: pure, and nothing is lost between the passages.

A passage ends, where it can, at the end of a paragraph, else of a line, a sentence, a word; and
always where a heading such as `Document 12:` or `Title: ...` opens a piece of its own, for two
short pieces in one passage hide each other from a ranking.
"""

import re
from collections.abc import Iterable, Iterator

__all__ = ["LEAST_CHARS", "MOST_CHARS", "cut_passages"]

LEAST_CHARS, MOST_CHARS = 600, 900
"""Passages have this many characters, the last one of a text or before a heading fewer."""

_LEAST_ROW_CHARS = 300  # JSON lines: as many rows a passage as it takes
_HEADING = re.compile(
    r"\n(?=(?:Document|Passage|Article|Paragraph|Text|Story|Review|Email|Message)"
    r" {0,2}[#\[(]?\d{1,9}[\])]?(?:[:.(\n]| {0,2}[(:])"
    r"|(?:Title|Subject): {0,2}\S)"
)
_ROW = re.compile(r'\n(?=\{ {0,2}")')
_HEADING_CHARS = 40
"""No heading needs more of the text to be told."""

_SENTENCE_END = re.compile(r"[.!?][\"'”’)\]]*\s|[。！？]")


def cut_passages(pieces: Iterable[str]) -> Iterator[str]:
    """Cut a text that comes in pieces; where the pieces were cut makes no difference.

    Joined, the passages are the text. None is empty; none is longer than `MOST_CHARS`.
    """
    rest = ""
    for piece in pieces:
        rest += piece
        start = 0
        while len(rest) - start > MOST_CHARS + _HEADING_CHARS:
            end = _find_end(rest, start)
            yield rest[start:end]
            start = end
        rest = rest[start:]
    start = 0
    while start < len(rest):
        end = _find_end(rest, start)
        yield rest[start:end]
        start = end


def _find_end(text: str, start: int) -> int:
    """The best end of the passage that starts at `start`."""
    least, most = start + LEAST_CHARS, start + MOST_CHARS
    # The text before `most` decides, and what a heading needs beyond it: whatever comes later.
    heading = _HEADING.search(text, start, most + _HEADING_CHARS)
    heading = heading or _ROW.search(text, start + _LEAST_ROW_CHARS, most + _HEADING_CHARS)
    if heading and start < heading.end() <= most:
        return heading.end()
    if len(text) <= most:
        return len(text)
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
