"""One unlinked file that text is poured into, measured on the way.

Counts characters, lines and bytes, hashes, and keeps a sparse table from characters to bytes,
all in one pass. Knows nothing of documents or encodings: what it takes is UTF-8 already.
"""

import errno
import hashlib
import os
import tempfile
from array import array
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rlm_local.config import HOME_VARIABLE
from rlm_local.errors import ContextError

__all__ = [
    "PIECE_BYTES",
    "BlockTable",
    "CharWidth",
    "InvalidUtf8",
    "Mark",
    "ScratchFile",
    "WrittenText",
    "whole_chars_end",
    "write_failure",
]

PIECE_BYTES = 4 << 20
"""Text is read, checked and written in pieces of this size."""

_BLOCK_BYTES = 64 << 10
_ASTRAL_LEADS = tuple(bytes([byte]) for byte in range(0xF0, 0xF5))
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

CharWidth = Literal[1, 2, 4]


class InvalidUtf8(Exception):  # caught one floor up, never shown
    """The piece is not UTF-8; `offset` is that of the first bad byte in it."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"not UTF-8 at byte {offset}")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class BlockTable:
    """Where each block of text starts, in characters and in bytes.

    A block either is ASCII throughout, of any length, or has at most 128 KiB.
    """

    start_chars: "array[int]"
    start_bytes: "array[int]"


@dataclass(frozen=True, slots=True)
class WrittenText:
    """What is known once all text is in. `fd` is open for reading and has no name on disk."""

    fd: int
    n_chars: int
    n_bytes: int
    n_lines: int
    sha256: str
    char_width: CharWidth
    """Bytes a character of the whole text takes as a Python `str`: 1, 2 or 4 (PEP 393)."""
    blocks: BlockTable


@dataclass(frozen=True, slots=True)
class Mark:
    """A state of a `ScratchFile` that it can go back to."""

    n_chars: int
    n_bytes: int
    n_newlines: int
    char_width: CharWidth
    n_blocks: int
    block_bytes: int
    block_is_ascii: bool
    digest: "hashlib._Hash"
    ends_line: bool


class ScratchFile:
    """Takes UTF-8 in pieces; `finish` gives the measured text, `abandon` throws it away.

    Hashing runs beside the rest in a thread of its own. Everything that is written is an
    unnamed file: when the process dies, by whatever signal, nothing is left on disk.
    """

    def __init__(self, folder: Path) -> None:
        """Open it.

        Raises:
            ContextError: no file can be made in `folder`.
        """
        self.n_chars = 0
        self.n_bytes = 0
        self._folder = folder
        self._fd = _open_unnamed(folder)
        self._n_newlines = 0
        self._ends_line = True
        self._char_width: CharWidth = 1
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._start_chars = array("Q", [0])
        self._start_bytes = array("Q", [0])
        self._block_bytes = 0
        self._block_is_ascii = True
        self._digest = hashlib.sha256()
        self._hasher: ThreadPoolExecutor | None = None
        self._hashing: deque[Future[None]] = deque()

    def append(self, piece: bytes) -> None:
        """Take UTF-8 that ends at the end of a character.

        Raises:
            InvalidUtf8: it is not; the state is then undefined until `rewind`.
            ContextError: there is no room on the disk.
        """
        if piece.isascii():
            self._advance(len(piece), len(piece), is_ascii=True)
        else:
            self._measure_blocks(piece)
        self._pending.append(piece)
        self._pending_bytes += len(piece)
        if self._pending_bytes >= PIECE_BYTES:
            self._flush()

    def mark(self) -> Mark:
        """The state now. Costs a flush, so it is for long texts only."""
        self._flush()
        self._drain()
        return Mark(
            n_chars=self.n_chars,
            n_bytes=self.n_bytes,
            n_newlines=self._n_newlines,
            char_width=self._char_width,
            n_blocks=len(self._start_chars),
            block_bytes=self._block_bytes,
            block_is_ascii=self._block_is_ascii,
            digest=self._digest.copy(),
            ends_line=self._ends_line,
        )

    def rewind(self, mark: Mark) -> None:
        """Forget everything appended since `mark` was taken. A mark can be used again."""
        self._drain()
        self._pending.clear()
        self._pending_bytes = 0
        self.n_chars, self.n_bytes = mark.n_chars, mark.n_bytes
        self._n_newlines, self._ends_line = mark.n_newlines, mark.ends_line
        self._char_width = mark.char_width
        del self._start_chars[mark.n_blocks :]
        del self._start_bytes[mark.n_blocks :]
        self._block_bytes, self._block_is_ascii = mark.block_bytes, mark.block_is_ascii
        self._digest = mark.digest.copy()
        os.ftruncate(self._fd, mark.n_bytes)
        os.lseek(self._fd, mark.n_bytes, os.SEEK_SET)

    def finish(self) -> WrittenText:
        """Write what is pending and give the text, its descriptor reopened for reading only."""
        self._flush()
        self._drain()
        fd = _reopen_for_reading(self._fd)
        self._fd = -1
        self._stop_hasher()
        return WrittenText(
            fd=fd,
            n_chars=self.n_chars,
            n_bytes=self.n_bytes,
            n_lines=self._n_newlines + (not self._ends_line),
            sha256=self._digest.hexdigest(),
            char_width=self._char_width,
            blocks=BlockTable(self._start_chars, self._start_bytes),
        )

    def abandon(self) -> None:
        """Release everything; does nothing after `finish`."""
        self._stop_hasher()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _measure_blocks(self, piece: bytes) -> None:
        start = 0
        while start < len(piece):
            end = whole_chars_end(piece, start, start + _BLOCK_BYTES)
            block = piece[start:end]
            try:
                text = block.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InvalidUtf8(start + error.start) from error
            self._advance(len(text), len(block), is_ascii=len(text) == len(block))
            if self._char_width < 4:
                self._char_width = max(self._char_width, _char_width(block, text))
            start = end

    def _advance(self, n_chars: int, n_bytes: int, *, is_ascii: bool) -> None:
        stays_ascii = is_ascii and self._block_is_ascii
        if self._block_bytes + n_bytes > 2 * _BLOCK_BYTES and self._block_bytes and not stays_ascii:
            self._start_chars.append(self.n_chars)
            self._start_bytes.append(self.n_bytes)
            self._block_bytes, self._block_is_ascii = 0, True
        self._block_is_ascii &= is_ascii
        self._block_bytes += n_bytes
        self.n_chars += n_chars
        self.n_bytes += n_bytes

    def _flush(self) -> None:
        if not self._pending:
            return
        piece = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        self._pending.clear()
        self._pending_bytes = 0
        if not piece:
            return
        self._hash(piece)
        self._n_newlines += piece.count(b"\n")
        self._ends_line = piece.endswith(b"\n")
        self._write(piece)

    def _hash(self, piece: bytes) -> None:
        if self._hasher is None:
            if len(piece) < PIECE_BYTES:  # all there is, most likely: not worth a thread
                self._digest.update(piece)
                return
            self._hasher = ThreadPoolExecutor(1, thread_name_prefix="context-hash")
        self._hashing.append(self._hasher.submit(self._digest.update, piece))
        while len(self._hashing) > 3:  # bounds the pieces held in memory
            self._hashing.popleft().result()

    def _drain(self) -> None:
        while self._hashing:
            self._hashing.popleft().result()

    def _stop_hasher(self) -> None:
        self._drain()
        if self._hasher is not None:
            self._hasher.shutdown()
            self._hasher = None

    def _write(self, piece: bytes) -> None:
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            raise write_failure(self._folder, error) from error


def whole_chars_end(data: bytes, start: int, end: int) -> int:
    """The last offset up to `end` that does not cut a UTF-8 character in two.

    Where the bytes there are no UTF-8, `end` itself (at most the length of `data`).
    """
    end = min(end, len(data))
    for back in range(1, min(4, end - start) + 1):
        byte = data[end - back]
        if byte >= 0xC0:  # the lead byte of a character of 2, 3 or 4 bytes
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return end - back if back < needed and end - back > start else end
        if byte < 0x80:
            return end
    return end


def _char_width(block: bytes, text: str) -> CharWidth:
    if any(lead in block for lead in _ASTRAL_LEADS):
        return 4
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return 2
    return 1


def _open_unnamed(folder: Path) -> int:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError:  # a file system that knows no unnamed files
            fd, name = tempfile.mkstemp(dir=folder)
            os.unlink(name)  # noqa: PTH108  # a name that lives for one line
            return fd
    except OSError as error:
        raise write_failure(folder, error) from error


def _reopen_for_reading(fd: int) -> int:
    """A descriptor that cannot write; the same one where /proc is not there to ask."""
    try:
        reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return fd
    os.close(fd)
    return reader


def write_failure(folder: Path, error: OSError) -> ContextError:
    """What to tell a user about a write that failed: where, why, and what to change."""
    advice = (
        f"free some space there, or set {HOME_VARIABLE} to a folder on a larger disk"
        if error.errno in _NO_ROOM
        else f"set {HOME_VARIABLE} to a folder you can write to"
    )
    return ContextError(
        f"cannot write the context to {folder}: {error.strerror or error}; {advice}"
    )
