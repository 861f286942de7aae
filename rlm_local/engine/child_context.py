"""What a child run reads: a slice of its parent's context, or a text a cell made.

A slice stays in the mapped file and is searched through the parent's index; a text of a cell's own
is held in memory and searched by the same BM25 rule over its paragraphs. Starts no process.
"""

import asyncio
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rlm_local.engine.child_calls import ChildCall
from rlm_local.engine.observations import cut_middle
from rlm_local.interfaces import Context, TokenCounter
from rlm_local.types import ContextFacts, ContextSlice, DocumentSpan, Passage, TokenCount

__all__ = ["ChildScope", "SliceContext", "TextContext", "child_scope", "open_slice", "open_text"]

_SHORT_QUESTION_CHARS = 2000
"""A longer prompt without a context of its own brings its text along, as in the paper."""

_PIECE_CHARS = 1 << 20
_COUNTED_CHARS = 40_000
"""Texts up to this size are counted, larger ones estimated from their first characters."""
_PASSAGE_CHARS = 1000
_WIDER = 8
"""How many more hits are asked of the parent's index than of the slice."""
_K1, _B = 1.2, 0.75  # as tantivy and Lucene have them


class TextContext:
    """A text in memory."""

    def __init__(self, text: str, facts: ContextFacts) -> None:
        self.text = text
        self._facts = facts

    @property
    def facts(self) -> ContextFacts:
        """Sizes, token count and hash."""
        return self._facts

    @property
    def documents(self) -> Sequence[DocumentSpan]:
        """None: it is one text."""
        return ()

    def fileno(self) -> int:
        """There is no file.

        Raises:
            OSError: always.
        """
        raise OSError("a text in memory has no file")

    def head(self, n_chars: int) -> str:
        """The first characters."""
        return self.text[:n_chars]

    def tail(self, n_chars: int) -> str:
        """The last characters."""
        return self.text[max(0, len(self.text) - n_chars) :]

    def read(self, part: ContextSlice) -> str:
        """The text of one slice."""
        return self.text[part.start_char : part.end_char]

    async def search(self, query: str, k: int) -> tuple[Passage, ...]:
        """BM25 over passages, best first."""
        return await asyncio.to_thread(_rank, self.text, query, k)

    def close(self) -> None:
        """Nothing to release."""


class SliceContext:
    """A part of a mapped file. Offsets stay those of the whole file, as the REPL tells them."""

    def __init__(self, whole: Context, part: ContextSlice, facts: ContextFacts) -> None:
        self.part = part
        self.whole = whole
        self._facts = facts

    @property
    def facts(self) -> ContextFacts:
        """Sizes, token count and hash of the part."""
        return self._facts

    @property
    def documents(self) -> Sequence[DocumentSpan]:
        """None: a slice is one text."""
        return ()

    def fileno(self) -> int:
        """The whole file's descriptor."""
        return self.whole.fileno()

    def head(self, n_chars: int) -> str:
        """The first characters of the part."""
        start = self.part.start_char
        return self.read(ContextSlice(start, start + n_chars))

    def tail(self, n_chars: int) -> str:
        """The last characters of the part."""
        end = self.part.end_char
        return self.read(ContextSlice(max(0, end - n_chars), end))

    def read(self, part: ContextSlice) -> str:
        """The text of a slice of the file, as far as it lies in the part."""
        return self.whole.read(_inside(self.part, part))

    async def search(self, query: str, k: int) -> tuple[Passage, ...]:
        """The whole context's hits that lie in the part, best first."""
        start, end = self.part.start_char, self.part.end_char
        hits = await self.whole.search(query, k * _WIDER)
        inside = [hit for hit in hits if hit.start_char >= start and hit.end_char <= end]
        return tuple(inside[:k])

    def close(self) -> None:
        """Nothing of its own to release."""


@dataclass(frozen=True, slots=True)
class ChildScope:
    """What a child run is asked, and over what."""

    question: str
    context: Context


async def child_scope(parent: Context, call: ChildCall, counter: TokenCounter) -> ChildScope:
    """What a child run reads.

    A slice or a text where the call names one. Without either, a long prompt carries its text
    within itself and becomes the context; a short one is asked over the parent's context.
    """
    text = call.text
    if call.part is not None:
        if not isinstance(parent, TextContext):
            return ChildScope(call.question, await open_slice(parent, call.part, counter))
        text = parent.read(call.part)
    if text is None and len(call.question) <= _SHORT_QUESTION_CHARS:
        return ChildScope(call.question, parent)
    if text is None:
        asked = cut_middle(call.question, _SHORT_QUESTION_CHARS // 2)
        question = f"{asked}\n(`context` holds this request in full.)"
        return ChildScope(question, await open_text(call.question, counter))
    return ChildScope(call.question, await open_text(text, counter))


async def open_slice(parent: Context, part: ContextSlice, counter: TokenCounter) -> SliceContext:
    """A part of a context as a context of its own; reads it once, in pieces, in a thread."""
    whole, outer = parent, ContextSlice(0, parent.facts.chars)
    if isinstance(parent, SliceContext):
        whole, outer = parent.whole, parent.part
    inner = _inside(outer, part)
    facts = await asyncio.to_thread(_slice_facts, whole, inner, counter)
    return SliceContext(whole, inner, facts)


async def open_text(text: str, counter: TokenCounter) -> TextContext:
    """A text of a cell's own as a context."""
    return TextContext(text, await asyncio.to_thread(_facts, [text], text, counter))


def _inside(outer: ContextSlice, inner: ContextSlice) -> ContextSlice:
    start = min(max(outer.start_char, inner.start_char), outer.end_char)
    return ContextSlice(start, max(start, min(outer.end_char, inner.end_char)))


def _slice_facts(whole: Context, part: ContextSlice, counter: TokenCounter) -> ContextFacts:
    pieces = (
        whole.read(ContextSlice(at, min(at + _PIECE_CHARS, part.end_char)))
        for at in range(part.start_char, part.end_char, _PIECE_CHARS)
    )
    end = min(part.end_char, part.start_char + _COUNTED_CHARS)
    sample = whole.read(ContextSlice(part.start_char, end))
    return _facts(pieces, sample, counter)


def _facts(pieces: Iterable[str], sample: str, counter: TokenCounter) -> ContextFacts:
    digest, chars, n_bytes, lines, last = hashlib.sha256(), 0, 0, 0, "\n"
    for piece in pieces:
        data = piece.encode("utf-8", "replace")
        digest.update(data)
        chars, n_bytes, lines = chars + len(piece), n_bytes + len(data), lines + piece.count("\n")
        last = piece[-1:] or last
    sample = sample[:_COUNTED_CHARS]
    tokens = counter.count(sample)
    is_whole = chars <= len(sample)
    if not is_whole:
        tokens = round(tokens * chars / len(sample))
    return ContextFacts(
        chars=chars,
        bytes=n_bytes,
        lines=lines + (last != "\n"),
        tokens=TokenCount(tokens, exact=is_whole and counter.exact),
        documents=1,
        sha256=digest.hexdigest(),
    )


def _rank(text: str, query: str, k: int) -> tuple[Passage, ...]:
    spans = _passages(text)
    bags = [Counter(_words(text[start:end])) for start, end in spans]
    lengths = [sum(bag.values()) for bag in bags]
    mean = (sum(lengths) / len(lengths) if lengths else 0.0) or 1.0
    scores = [0.0] * len(spans)
    for word in set(_words(query)):
        holding = sum(word in bag for bag in bags)
        rarity = math.log(1 + (len(bags) - holding + 0.5) / (holding + 0.5))
        for at, bag in enumerate(bags):
            if n := bag[word]:
                norm = _K1 * (1 - _B + _B * lengths[at] / mean)
                scores[at] += rarity * n * (_K1 + 1) / (n + norm)
    best = sorted((at for at in range(len(spans)) if scores[at] > 0), key=lambda at: -scores[at])
    return tuple(
        Passage("", spans[at][0], spans[at][1], text[slice(*spans[at])], scores[at])
        for at in best[:k]
    )


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
