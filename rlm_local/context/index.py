"""Full-text search over passages: BM25 by tantivy, built at first use.

The index holds words and offsets, no text: that is read from the context file. It is kept on
disk under the hash of the context, for the next question over the same text; small contexts,
and contexts whose index cannot be written, have it in memory.
"""

import asyncio
import os
import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from rlm_local.context.index_folder import IndexFolder
from rlm_local.context.passages import cut_passages
from rlm_local.context.search_terms import QueryTerms, character_pairs, split_query
from rlm_local.context.text_reader import TextReader
from rlm_local.errors import ContextError
from rlm_local.types import ContextSlice, DocumentSpan, Passage

if TYPE_CHECKING:
    import tantivy

__all__ = ["IN_MEMORY_CHARS", "MOST_HITS", "PassageIndex"]

IN_MEMORY_CHARS = 2_000_000
"""Indexes of texts up to this long are built in a moment and not kept on disk."""
MOST_HITS = 1000

_SCHEMA_VERSION = 2  # raise it when the fields, the analyzer or the cutting of passages change
_ANALYZER = "words"
_MOST_TOKEN_BYTES = 255
_READ_CHARS = 1 << 18
_WRITER_BYTES = 128_000_000
_MOST_WRITERS = 4
_PHRASE_BOOST = 4
_TITLE_BOOST = 1.5


class _Stopped(Exception):  # ends a build that nobody waits for; never shown
    pass


class PassageIndex:
    """Searches one text. Use from one event loop at a time.

    Callers that come while it is built wait for that build; when all of them are cancelled it
    goes on, for the next. `close` stops it.
    """

    def __init__(
        self, reader: TextReader, documents: Sequence[DocumentSpan], *, sha256: str, folder: Path
    ) -> None:
        self._reader = reader
        self._documents = documents
        self._starts = [span.start_char for span in documents]
        self._folder = IndexFolder(folder)
        self._key = f"{sha256}-{len(documents)}-v{_SCHEMA_VERSION}"
        self._index: tantivy.Index | None = None
        self._build: asyncio.Task[None] | None = None
        self._stop = threading.Event()
        self._is_closed = False
        self.n_builds = 0
        """Times an index was built here, not opened from disk."""

    async def search(self, query: str, k: int) -> tuple[Passage, ...]:
        """The `k` best passages, best first; none for a query without words.

        Raises:
            ContextError: closed, before or meanwhile.
        """
        if self._is_closed:
            raise ContextError("the context is closed")
        terms = split_query(query)
        if k <= 0 or not (terms.words or terms.pairs):
            return ()
        if self._index is None:
            await self._wait_for_build()
        return await asyncio.to_thread(self._find, terms, min(k, MOST_HITS))

    def close(self) -> None:
        """Stop a build under way and let go of the index. Safe to call twice."""
        self._is_closed = True
        self._stop.set()
        self._index = None

    async def _wait_for_build(self) -> None:
        if self._build is None or self._build.done():
            self._stop = threading.Event()
            self._build = asyncio.create_task(self._build_in_thread(self._stop))
        await asyncio.shield(self._build)

    async def _build_in_thread(self, stop: threading.Event) -> None:
        try:
            index = await asyncio.to_thread(self._open_or_build, stop)
        except asyncio.CancelledError:  # the event loop ends: so must the thread
            stop.set()
            raise
        except _Stopped as error:
            raise ContextError("the context was closed while its index was built") from error
        if not self._is_closed:
            self._index = index

    def _open_or_build(self, stop: threading.Event) -> "tantivy.Index":
        with closing(self._reader.duplicate()) as reader:  # outlives a close of the context
            if reader.n_chars <= IN_MEMORY_CHARS:
                return self._build_in(None, reader, stop)
            kept = self._open_kept()
            if kept is not None:
                return kept
            if self._folder.free_bytes() > reader.n_bytes:
                try:
                    return self._build_on_disk(reader, stop)
                except (OSError, ValueError):  # tantivy reports a full disk as a ValueError
                    pass
            return self._build_in(None, reader, stop)

    def _open_kept(self) -> "tantivy.Index | None":
        path = self._folder.find(self._key)
        if path is None:
            return None
        try:
            return _open_index(path)
        except (OSError, ValueError):
            self._folder.discard(self._key)
            return None

    def _build_on_disk(self, reader: TextReader, stop: threading.Event) -> "tantivy.Index":
        with self._folder.building() as path:
            self._build_in(path, reader, stop)
            return _open_index(self._folder.keep(path, self._key))

    def _build_in(
        self, path: Path | None, reader: TextReader, stop: threading.Event
    ) -> "tantivy.Index":
        self.n_builds += 1
        index = _new_index(path)
        is_long = reader.n_chars > 10 * IN_MEMORY_CHARS
        writer = index.writer(
            _WRITER_BYTES, min(_MOST_WRITERS, os.cpu_count() or 1) if is_long else 1
        )
        whole = DocumentSpan("", 0, reader.n_chars, 0, reader.n_bytes)
        for span in self._documents or (whole,):
            _add_document(writer, span, reader, stop)
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        return index

    def _find(self, terms: QueryTerms, k: int) -> tuple[Passage, ...]:
        index = self._index
        if index is None:
            raise ContextError("the context is closed")
        query, _ = index.parse_query_lenient(
            _write_query(terms), ["body", "title"], field_boosts={"title": _TITLE_BOOST}
        )
        searcher = index.searcher()
        hits = searcher.search(query, limit=k, count=False).hits
        return tuple(self._to_passage(searcher.doc(address), score) for score, address in hits)

    def _to_passage(self, hit: "tantivy.Document", score: float) -> Passage:
        start, end = hit["start"][0], hit["end"][0]
        name = self._documents[bisect_right(self._starts, start) - 1].name if self._starts else ""
        return Passage(name, start, end, self._reader.read(ContextSlice(start, end)), score)


def _add_document(
    writer: "tantivy.IndexWriter",
    span: DocumentSpan,
    reader: TextReader,
    stop: threading.Event,
) -> None:
    import tantivy

    start = span.start_char
    for text in cut_passages(_read_pieces(reader, span)):
        if stop.is_set():
            raise _Stopped
        end = start + len(text)
        passage = tantivy.Document(title=span.name, body=text)
        pairs = character_pairs(text)
        if pairs:
            passage.add_text("pairs", " ".join(pairs))
        passage.add_unsigned("start", start)
        passage.add_unsigned("end", end)
        writer.add_document(passage)
        start = end


def _read_pieces(reader: TextReader, span: DocumentSpan) -> Iterator[str]:
    for start in range(span.start_char, span.end_char, _READ_CHARS):
        yield reader.read(ContextSlice(start, min(start + _READ_CHARS, span.end_char)))


def _write_query(terms: QueryTerms) -> str:
    """The query in tantivy's language, every term in quotes: a disjunction."""
    words = (f'"{word}"' for word in terms.words)
    phrases = (f'"{" ".join(phrase)}"^{_PHRASE_BOOST}' for phrase in terms.phrases)
    pairs = (f'pairs:"{pair}"' for pair in terms.pairs)
    return " ".join((*words, *phrases, *pairs))


def _new_index(path: Path | None) -> "tantivy.Index":
    import tantivy

    schema = (
        tantivy.SchemaBuilder()
        .add_text_field("title", tokenizer_name=_ANALYZER)
        .add_text_field("body", tokenizer_name=_ANALYZER)
        .add_text_field("pairs", tokenizer_name="whitespace", index_option="freq")
        .add_unsigned_field("start", stored=True)
        .add_unsigned_field("end", stored=True)
        .build()
    )
    return _prepare(tantivy.Index(schema, path=None if path is None else str(path)))


def _open_index(path: Path) -> "tantivy.Index":
    import tantivy

    return _prepare(tantivy.Index.open(str(path)))


def _prepare(index: "tantivy.Index") -> "tantivy.Index":
    """Register the analyzer, and load once only: a kept index never changes."""
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    words = (
        TextAnalyzerBuilder(Tokenizer.simple())
        .filter(Filter.remove_long(_MOST_TOKEN_BYTES))
        .filter(Filter.lowercase())
        .filter(Filter.ascii_fold())
        .filter(Filter.stemmer("english"))
    )
    index.register_tokenizer(_ANALYZER, words.build())
    index.config_reader(reload_policy="manual")
    index.reload()
    return index
