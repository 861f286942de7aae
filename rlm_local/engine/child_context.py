"""What a child run reads: a slice of its parent's context, or a text a cell made.

A slice stays in the mapped file and is searched through the whole file's index, or by itself where
that has too little of it; a text of a cell's own is held in memory and searched by itself, by the
same BM25 rule over pieces of whole lines. Starts no process.
"""

import asyncio
import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from rlm_local.engine.child_calls import ChildCall
from rlm_local.engine.observations import cut_middle
from rlm_local.engine.ranking import Ranking
from rlm_local.interfaces import Context, TokenCounter
from rlm_local.types import ContextFacts, ContextSlice, DocumentSpan, Passage, TokenCount

__all__ = ["ChildScope", "SliceContext", "TextContext", "child_scope", "open_slice", "open_text"]

_SHORT_QUESTION_CHARS = 2000
"""A longer prompt without a context of its own brings its text along, as in the paper."""

_PIECE_CHARS = 1 << 20
_COUNTED_CHARS = 40_000
"""Texts up to this size are counted, larger ones estimated from their first characters."""
_WIDER = 8
"""How many more hits are asked of the whole file's index than of the slice."""
_RANKED_CHARS = 4_000_000
"""Slices up to this long are ranked by themselves where the index has too few hits in them: it
names the best thousand of the whole file. Of longer ones, the file is not much more."""


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
        return await asyncio.to_thread(lambda: self._ranking.best(query, k))

    def close(self) -> None:
        """Nothing to release."""

    @cached_property
    def _ranking(self) -> Ranking:
        return Ranking(self.text)


class SliceContext:
    """A part of a mapped file. Offsets stay those of the whole file, as the REPL tells them."""

    def __init__(self, whole: Context, part: ContextSlice, facts: ContextFacts) -> None:
        self.part = part
        self.whole = whole
        self._documents = _documents_in(whole, part)
        self._facts = dataclasses.replace(facts, documents=max(1, len(self._documents)))

    @property
    def facts(self) -> ContextFacts:
        """Sizes, token count and hash of the part."""
        return self._facts

    @property
    def documents(self) -> Sequence[DocumentSpan]:
        """Those that the part has something of, in whole; empty where the file is one text."""
        return self._documents

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
        """The best passages of the part, best first; none reaches beyond it."""
        start, end = self.part.start_char, self.part.end_char
        hits = await self.whole.search(query, k * _WIDER)
        inside = [hit for hit in hits if hit.start_char >= start and hit.end_char <= end]
        if len(inside) >= k or end - start > _RANKED_CHARS:
            return tuple(inside[:k])
        return await asyncio.to_thread(self._best_of_its_own, query, k)

    def close(self) -> None:
        """Nothing of its own to release."""

    def _best_of_its_own(self, query: str, k: int) -> tuple[Passage, ...]:
        start = self.part.start_char
        return tuple(
            dataclasses.replace(
                hit,
                document=self._name_at(start + hit.start_char),
                start_char=start + hit.start_char,
                end_char=start + hit.end_char,
            )
            for hit in self._ranking.best(query, k)
        )

    def _name_at(self, offset: int) -> str:
        """The document a character belongs to (a header line: the next one's)."""
        after = (span.name for span in self._documents if offset < span.end_char)
        return next(after, self._documents[-1].name if self._documents else "")

    @cached_property
    def _ranking(self) -> Ranking:
        return Ranking(self.whole.read(self.part))


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


def _documents_in(whole: Context, part: ContextSlice) -> tuple[DocumentSpan, ...]:
    return tuple(
        span
        for span in whole.documents
        if span.start_char < part.end_char and span.end_char > part.start_char
    )


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
