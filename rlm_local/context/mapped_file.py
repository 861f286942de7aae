"""The context of a run: one UTF-8 file on disk, described, readable in parts, searchable.

The host never holds the whole text: it reads parts by offset. The REPL process decodes the file
once (see `sandbox`). The file has no name, so that nothing is left when the process dies.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from rlm_local.context.assembly import Assembly, assemble
from rlm_local.context.index import PassageIndex
from rlm_local.context.scratch_file import CharWidth, ScratchFile, WrittenText
from rlm_local.context.sources import ContextInput, Converted, ReadOptions, Skipped
from rlm_local.context.text_reader import TextReader
from rlm_local.context.token_counts import count_tokens, count_tokens_in_pieces
from rlm_local.interfaces import TokenCounter
from rlm_local.types import ContextFacts, ContextSlice, DocumentSpan, Passage, TokenCount

__all__ = ["MappedContext", "count_tokens_exactly", "open_context"]


class MappedContext:
    """A text on disk; implements `interfaces.Context`. Made by `open_context`."""

    def __init__(
        self, text: WrittenText, assembly: Assembly, *, counter: TokenCounter, index_folder: Path
    ) -> None:
        self._reader = TextReader(text)
        self._documents = tuple(assembly.documents)
        self._facts = ContextFacts(
            chars=text.n_chars,
            bytes=text.n_bytes,
            lines=text.n_lines,
            tokens=count_tokens(self._reader.read, text.n_chars, counter),
            documents=max(1, len(self._documents)),
            sha256=text.sha256,
        )
        self._char_width = text.char_width
        self._skipped = tuple(assembly.skipped)
        self._converted = tuple(assembly.converted)
        self._n_ignored = assembly.n_ignored
        self._index = PassageIndex(
            self._reader, self._documents, sha256=text.sha256, folder=index_folder
        )

    @property
    def facts(self) -> ContextFacts:
        """Sizes, token count and hash. One text without documents counts as one document."""
        return self._facts

    @property
    def documents(self) -> tuple[DocumentSpan, ...]:
        """The documents in order; empty when the context is one text."""
        return self._documents

    @property
    def char_width(self) -> CharWidth:
        """Bytes a character of the whole text takes as one Python `str`: 1, 2 or 4."""
        return self._char_width

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Files that were met and hold no text we can read, and why."""
        return self._skipped

    @property
    def converted(self) -> tuple[Converted, ...]:
        """Files that were not UTF-8, and the encodings they were converted from."""
        return self._converted

    @property
    def n_ignored(self) -> int:
        """Entries that `.gitignore` files or patterns left out; a folder counts once."""
        return self._n_ignored

    def recount(self, counter: TokenCounter) -> None:
        """Count or estimate again, with the counter of another model; costs milliseconds."""
        self.know_tokens(count_tokens(self._reader.read, self._facts.chars, counter))

    def know_tokens(self, tokens: TokenCount) -> None:
        """Replace the estimate in `facts`."""
        self._facts = dataclasses.replace(self._facts, tokens=tokens)

    def fileno(self) -> int:
        """A read-only descriptor of the UTF-8 file; for pread or mmap, never seek.

        Raises:
            ContextError: the context is closed.
        """
        return self._reader.fileno()

    def head(self, n_chars: int) -> str:
        """The first characters, at most `n_chars`."""
        return self.read(ContextSlice(0, n_chars))

    def tail(self, n_chars: int) -> str:
        """The last characters, at most `n_chars`."""
        n_all = self._facts.chars
        return self.read(ContextSlice(max(0, n_all - max(0, n_chars)), n_all))

    def read(self, part: ContextSlice) -> str:
        """The text of one slice, cut to what there is.

        Raises:
            ContextError: the context is closed.
        """
        return self._reader.read(part)

    async def search(self, query: str, k: int) -> tuple[Passage, ...]:
        """BM25 over passages, best first; any text is a query. See `context.index`.

        Raises:
            ContextError: the context is closed, before or meanwhile.
        """
        return await self._index.search(query, k)

    def close(self) -> None:
        """Let go of the file, which removes it, and stop indexing. Safe to call twice."""
        self._index.close()
        self._reader.close()


def open_context(
    inputs: Sequence[ContextInput],
    options: ReadOptions,
    *,
    counter: TokenCounter,
    scratch: Path,
    index_folder: Path,
) -> MappedContext:
    """Read the inputs into one file and describe it. Blocks; a second for 500 MB.

    One file, stream or text alone is the context as it is. Several, and the files of a folder,
    each stand under a header line, `===== name =====`; `documents` says where.

    Args:
        inputs: files, folders, streams and texts, in the order they are to stand.
        options: which files of folders to read.
        counter: counts or estimates the tokens.
        scratch: folder for the file; needs as much room as the text takes.
        index_folder: where search indexes are kept between runs.

    Raises:
        ContextError: an input is missing, unreadable, binary or of an encoding that cannot be
            told; there is no text at all; the scratch folder is full or cannot be written.
    """
    file = ScratchFile(scratch)
    try:
        assembly = assemble(inputs, options, scratch=file, folder=scratch)
        text = file.finish()
    finally:
        file.abandon()
    return MappedContext(text, assembly, counter=counter, index_folder=index_folder)


def count_tokens_exactly(
    context: MappedContext,
    counter: TokenCounter,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Count all tokens into the context's facts: one or two seconds for each million characters.

    The text is counted in pieces cut after line ends, where tokenizers cut as well; the sum can
    differ from one pass over the whole by a few tokens a million.

    Args:
        context: what to count.
        counter: the tokenizer.
        progress: called with characters done and characters of all, after each piece.
    """
    n_tokens = count_tokens_in_pieces(context.read, context.facts.chars, counter, progress=progress)
    context.know_tokens(TokenCount(n_tokens, exact=counter.exact))
    return n_tokens
