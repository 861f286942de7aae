"""Finding and cutting: grep, search, chunks and peek over a text in memory.

Pure functions; `search` here is for texts the host has no index of.
"""

import re
from collections.abc import Iterator

from rlm_local.sandbox.child.documents import Documents
from rlm_local.sandbox.child.hits import Hit, Hits
from rlm_local.sandbox.child.output import PlainText

__all__ = [
    "cut_chunks", "find_lines", "find_literally", "head_middle_tail", "literal_spans",
    "rank_passages",
]  # fmt: skip

_META_CHARACTERS = frozenset(".^$*+?{}[]\\|()")
_WINDOW_CHARS = 1 << 22
_PASSAGE_CHARS = 800
_COUNTED_LINES = 100_000

_Span = tuple[int, int]


def find_lines(
    text: str,
    documents: Documents,
    pattern: str,
    *,
    ignore_case: bool,
    max_hits: int,
    context_chars: int,
) -> Hits:
    """The lines that match, one hit a line; a pattern that is no regex is looked for as it is."""
    spans, remark = _spans(text, pattern, ignore_case)
    hits, n_lines = _lines_at(text, documents, spans, max_hits, context_chars)
    more = f", the first {len(hits)} shown; max_hits=... shows more" if n_lines > len(hits) else ""
    count = f"{n_lines:,}" if n_lines <= _COUNTED_LINES else f"more than {_COUNTED_LINES:,}"
    return Hits(hits, f"{count} matching lines for {pattern!r}{more}{remark}")


def find_literally(
    text: str, documents: Documents, needle: str, *, max_hits: int, context_chars: int
) -> list[Hit]:
    """The first lines that hold `needle` as it is, upper and lower case alike."""
    spans = literal_spans(text, needle, ignore_case=True)
    return _lines_at(text, documents, spans, max_hits, context_chars, count_all=False)[0]


def cut_chunks(text: str, size: int, overlap: int) -> list[str]:
    """Pieces of at most `size` characters that end on line ends where there are any."""
    if size < 1 or not 0 <= overlap < size:
        raise ValueError(f"chunks needs size >= 1 and 0 <= overlap < size, not {size}, {overlap}")
    pieces = []
    start = 0
    while start < len(text):
        end = min(start + size, len(text))
        if end < len(text):
            line_end = text.rfind("\n", start + size // 2, end)
            end = line_end + 1 if line_end >= 0 else end
        pieces.append(text[start:end])
        if end == len(text):
            break
        start = max(end - overlap, start + 1)
    return pieces


def head_middle_tail(text: str, n_chars: int) -> PlainText:
    """The first, middle and last `n_chars`, each under a line that says where it stands."""
    if len(text) <= 3 * n_chars:
        return PlainText(text)
    middle = (len(text) - n_chars) // 2
    parts = []
    for start in (0, middle, len(text) - n_chars):
        parts.append(f"--- characters {start:,} to {start + n_chars:,} of {len(text):,} ---")
        parts.append(text[start : start + n_chars])
    return PlainText("\n".join(parts))


def rank_passages(text: str, documents: Documents, query: str, k: int) -> Hits:
    """The passages that hold most of the query's words, rarer words counting more."""
    words = set(re.findall(r"\w+", query.lower()))
    pieces = cut_chunks(text, _PASSAGE_CHARS, 0)
    found = [words.intersection(re.findall(r"\w+", piece.lower())) for piece in pieces]
    frequency = {word: sum(word in each for each in found) for word in words}
    scores = [sum(1.0 / frequency[word] for word in each) for each in found]
    starts = [0]
    for piece in pieces:
        starts.append(starts[-1] + len(piece))
    best = sorted(range(len(pieces)), key=lambda i: (-scores[i], i))[:k]
    hits = [
        Hit(pieces[i], document=documents.name_at(starts[i]), start=starts[i], score=scores[i])
        for i in best
        if scores[i]
    ]
    return Hits(hits, f"{len(hits)} passages for {query!r}, best first")


def _lines_at(
    text: str,
    documents: Documents,
    spans: Iterator[_Span],
    max_hits: int,
    context_chars: int,
    *,
    count_all: bool = True,
) -> tuple[list[Hit], int]:
    hits: list[Hit] = []
    n_lines, line_number, counted_to, line_end = 0, 1, 0, -1
    for start, end in spans:
        if start <= line_end:
            continue
        n_lines += 1
        if n_lines > _COUNTED_LINES:
            break
        line_end = text.find("\n", max(start, end - 1))
        line_end = len(text) if line_end < 0 else line_end
        if len(hits) >= max_hits:
            if count_all:
                continue
            break
        document = documents.at(start)
        if counted_to < document.start:
            line_number, counted_to = 1, min(document.start, start)
        line_number += text.count("\n", counted_to, start)
        counted_to = start
        line_start = text.rfind("\n", 0, start) + 1
        shown = _cut_around(text, (line_start, line_end), (start, end), context_chars)
        hits.append(Hit(shown, document=document.name, start=start, line=line_number))
    return hits, n_lines


def _spans(text: str, pattern: str, ignore_case: bool) -> tuple[Iterator[_Span], str]:
    if pattern and not _META_CHARACTERS.intersection(pattern):
        return literal_spans(text, pattern, ignore_case), ""
    flags = re.MULTILINE | (re.IGNORECASE if ignore_case else 0)
    try:
        compiled = re.compile(pattern, flags)
    except re.error as error:
        remark = f"; searched literally, as it is no regular expression: {error}"
        return literal_spans(text, pattern, ignore_case), remark
    return (match.span() for match in compiled.finditer(text)), ""


def literal_spans(text: str, needle: str, ignore_case: bool) -> Iterator[_Span]:
    """By `str.find`, which is many times faster than the regex engine; lower-cased in windows."""
    step = _WINDOW_CHARS if ignore_case else len(text) + 1
    wanted = needle.lower() if ignore_case else needle
    for window_start in range(0, len(text), step):
        window = text[window_start : window_start + step + len(needle) - 1]
        lowered = window.lower() if ignore_case else window
        if len(lowered) != len(window) or len(wanted) != len(needle):
            # A character changed its length with its case, so offsets would not fit.
            for match in re.finditer(re.escape(needle), window, re.IGNORECASE):
                if match.start() < step:
                    yield window_start + match.start(), window_start + match.end()
            continue
        at = lowered.find(wanted)
        while 0 <= at < step:
            yield window_start + at, window_start + at + len(needle)
            at = lowered.find(wanted, at + 1)


def _cut_around(text: str, line: _Span, match: _Span, cap_chars: int) -> str:
    start, end = line
    if end - start <= cap_chars:
        return text[start:end].rstrip("\r")
    start = max(start, min(match[0] - cap_chars // 3, end - cap_chars))
    stop = min(end, start + cap_chars)
    before = "..." if start > line[0] else ""
    return f"{before}{text[start:stop]}{'...' if stop < end else ''}"
