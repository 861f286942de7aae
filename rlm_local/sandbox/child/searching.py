"""What `search` shows: lines that hold a rare word of the query exactly, then passages that fit.

Small models ask with a name or an identifier more often than with a topic, and a ranking of
passages alone can bury the one line that has it. Pure; asks nobody.
"""

import re
from collections.abc import Sequence

from rlm_local.sandbox.child.documents import Documents
from rlm_local.sandbox.child.finding import find_literally
from rlm_local.sandbox.child.hits import Hit, Hits

__all__ = ["exact_lines", "excerpt", "merged", "rare_words"]

EXCERPT_CHARS = 240
_LINES_RANKED = 200
_INNER_MARK = re.compile(r"\w[-_./@:#]\w|\d|[a-z][A-Z]|[A-Z]{2}")
_DEFINES = r"\b(?:def|class|function|func|fn|struct|enum|interface|type|const|let|var|define)\s+"


def rare_words(query: str) -> list[str]:
    """Words of a query that look like names or codes; the whole query, when it is one word."""
    words = [word.strip("\"'`.,;:?!()[]{}<>") for word in query.split()]
    words = [word for word in words if word]
    return words if len(words) == 1 else [word for word in words if _INNER_MARK.search(word)]


def exact_lines(text: str, documents: Documents, words: Sequence[str], k: int) -> list[Hit]:
    """Lines that hold the words: most words first, then lines that define one; at most `k`."""
    lines: dict[tuple[str, int], Hit] = {}
    weight: dict[tuple[str, int], int] = {}
    for word in words:
        defines = re.compile(f"{_DEFINES}{re.escape(word)}\\b|^\\s*{re.escape(word)}\\s*[:=]", re.I)
        for hit in find_literally(
            text, documents, word, max_hits=_LINES_RANKED, context_chars=EXCERPT_CHARS
        ):
            place = (hit.document, hit.line)
            lines.setdefault(place, hit)
            weight[place] = weight.get(place, 0) + (3 if defines.search(hit.text) else 2)
    ranked = sorted(lines, key=lambda place: -weight[place])  # stable: else as they stand
    return [lines[place] for place in ranked[:k]]


def merged(exact: list[Hit], passages: Sequence[Hit], query: str, k: int) -> Hits:
    """Exact lines, then the passages that do not repeat them, `k` in all."""
    words = re.findall(r"\w+", query)
    others = [
        hit.shown_as(excerpt(hit.text, words))
        for hit in passages
        if not any(hit.start <= line.start < hit.start + len(hit) for line in exact)
    ]
    hits = (exact + others)[:k]
    return Hits(hits, f"{len(hits)} places for {query!r}, best first")


def excerpt(text: str, words: Sequence[str], n_chars: int = EXCERPT_CHARS) -> str:
    """The part of a passage that holds most of the words, cut on word ends, on one line."""
    if len(text) <= n_chars:
        return " ".join(text.split())
    lowered = text.lower()
    places = sorted(
        (match.start(), word)
        for word in {word.lower() for word in words}
        for match in re.finditer(rf"\b{re.escape(word)}", lowered)
    )
    best, most = 0, 0.0
    for start, _ in places:
        inside = {word for at, word in places if start <= at < start + n_chars * 3 // 4}
        weight = sum(map(len, inside))  # longer words are rarer
        if weight > most:
            best, most = start, weight
    return _cut_on_words(text, best, n_chars)


def _cut_on_words(text: str, first: int, n_chars: int) -> str:
    start = max(0, min(first - n_chars // 8, len(text) - n_chars))
    stop = min(len(text), start + n_chars)
    if start:
        start = text.find(" ", start, first) + 1 or start
    if stop < len(text):
        stop = text.find(" ", stop, stop + 40) if text.find(" ", stop, stop + 40) > 0 else stop
    shown = " ".join(text[start:stop].split())
    return f"{'...' if start else ''}{shown}{'...' if stop < len(text) else ''}"
