"""Turns one text, file or stream into a stretch of UTF-8 at the end of a scratch file.

Small files are judged whole; long ones stream through in pieces, and what was written of them
is taken back when they turn out to be something else half-way. Knows nothing of folders,
documents or headers.
"""

import codecs
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rlm_local.context.encodings import (
    SAMPLE_BYTES,
    NotText,
    decode_strictly,
    find_signature,
    recognise,
    tell_binary,
    telling_lines,
)
from rlm_local.context.scratch_file import (
    PIECE_BYTES,
    InvalidUtf8,
    ScratchFile,
    whole_chars_end,
    write_failure,
)
from rlm_local.errors import ContextError

__all__ = ["SmallText", "append_file", "append_string", "read_small", "spool"]

_HEAD_BYTES = 8192
_N_PROBES = 16
_PROBE_BYTES = 64 << 10
_STRING_CHARS = 1 << 20
_MARKED_BUT_NOT = "encoding: marked as UTF-8, but it is not"


@dataclass(frozen=True, slots=True)
class SmallText:
    """A whole file, checked: UTF-8 bytes, and the encoding it was converted from, if any."""

    utf8: bytes
    encoding: str | None


def read_small(fd: int) -> SmallText | None:
    """Read a file to its end and convert it; None when it is too long for one piece.

    Raises:
        NotText: it is a binary, or its encoding cannot be told.
        OSError: it cannot be read.
    """
    size = os.fstat(fd).st_size
    if size > PIECE_BYTES:
        return None
    if size > _PROBE_BYTES:  # do not read megabytes to see that they are no text
        _refuse_binary_head(os.pread(fd, _HEAD_BYTES, 0))
    data = os.read(fd, size + 1)
    while len(data) > size:  # it grew, or is of a kind that reports no size
        more = os.read(fd, PIECE_BYTES)
        if not more:
            break
        data += more
        if len(data) > PIECE_BYTES:
            return None
    return _convert(data)


def append_file(fd: int, scratch: ScratchFile) -> str | None:
    """Stream a file of any length, from its start; give the encoding it was converted from.

    On an error the pieces already appended stay: the caller rewinds.

    Raises:
        NotText: it is a binary, or its encoding cannot be told.
        OSError: it cannot be read.
        ContextError: no room to write.
    """
    head = os.pread(fd, _HEAD_BYTES, 0)
    signature = find_signature(head)
    if signature is not None and signature.encoding != "utf-8":
        encoding, skip = signature.encoding, signature.mark_bytes
    else:
        _refuse_binary(fd, head)
        mark = scratch.mark()
        try:
            _append_utf8(fd, scratch, skip=signature.mark_bytes if signature else 0)
        except InvalidUtf8:
            scratch.rewind(mark)
            if signature is not None:
                raise NotText(_MARKED_BUT_NOT) from None
        else:
            return None
        encoding, skip = recognise(_sample_widely(fd), head=head), 0
    _append_decoded(fd, scratch, encoding=encoding, skip=skip)
    return encoding


def append_string(text: str, scratch: ScratchFile) -> None:
    """Append a text in memory, a stretch at a time.

    Raises:
        NotText: it holds a lone surrogate, which no encoding can write.
    """
    for start in range(0, len(text), _STRING_CHARS):
        try:
            scratch.append(text[start : start + _STRING_CHARS].encode("utf-8"))
        except UnicodeEncodeError as error:
            place = start + error.start
            raise NotText(
                f"encoding: lone surrogate U+{ord(text[place]):04X} at character {place}; "
                "it was decoded wrongly where it came from"
            ) from error


@contextmanager
def spool(stream: BinaryIO, folder: Path) -> Iterator[int]:
    """A descriptor of an unnamed copy of the stream, which can be read more than once.

    Raises:
        ContextError: no room for the copy, or the stream cannot be read.
    """
    with _open_copy(folder) as copy:
        while True:
            try:
                piece = stream.read(PIECE_BYTES)
            except OSError as error:
                raise ContextError(
                    f"cannot read the input stream: {error.strerror or error}"
                ) from error
            if not piece:
                break
            try:
                copy.write(piece)
                copy.flush()
            except OSError as error:
                raise write_failure(folder, error) from error
        copy.seek(0)
        yield copy.fileno()


def _open_copy(folder: Path) -> BinaryIO:
    try:
        return tempfile.TemporaryFile(dir=folder, buffering=0)
    except OSError as error:
        raise write_failure(folder, error) from error


def _convert(data: bytes) -> SmallText:
    head = data[:_HEAD_BYTES]
    signature = find_signature(head)
    if signature is not None and signature.encoding != "utf-8":
        return _decode_whole(data[signature.mark_bytes :], signature.encoding)
    reason = tell_binary(head)
    if reason is not None:
        raise NotText(reason)
    if signature is not None:
        data = data[signature.mark_bytes :]
    if data.isascii():
        return SmallText(data, None)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        if signature is not None:
            raise NotText(_MARKED_BUT_NOT) from None
        return _decode_whole(data, recognise(telling_lines(data), head=head))
    return SmallText(data, None)


def _decode_whole(data: bytes, encoding: str) -> SmallText:
    return SmallText(decode_strictly(data, encoding).encode("utf-8"), encoding)


def _append_utf8(fd: int, scratch: ScratchFile, *, skip: int) -> None:
    carried = b""
    for piece in _pieces(fd, skip):
        whole = carried + piece if carried else piece
        end = whole_chars_end(whole, 0, len(whole))
        scratch.append(whole[:end] if end < len(whole) else whole)
        carried = whole[end:]
    if carried:
        raise InvalidUtf8(0)  # the file ends within a character


def _append_decoded(fd: int, scratch: ScratchFile, *, encoding: str, skip: int) -> None:
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    n_read = skip
    try:
        for piece in _pieces(fd, skip):
            scratch.append(decoder.decode(piece).encode("utf-8"))
            n_read += len(piece)
        scratch.append(decoder.decode(b"", final=True).encode("utf-8"))
    except UnicodeDecodeError as error:
        raise NotText(
            f"encoding: looks like {encoding}, but a byte near {n_read + error.start} does not fit"
        ) from error


def _pieces(fd: int, start: int) -> Iterator[bytes]:
    os.lseek(fd, start, os.SEEK_SET)
    while piece := os.read(fd, PIECE_BYTES):
        yield piece


def _refuse_binary_head(head: bytes) -> None:
    reason = tell_binary(head)
    if reason is not None and find_signature(head) is None:
        raise NotText(reason)


def _refuse_binary(fd: int, head: bytes) -> None:
    reason = tell_binary(head)
    if reason is None and any(b"\0" in probe for probe in _probes(fd)):
        reason = "binary: NUL bytes"
    if reason is not None:
        raise NotText(reason)


def _sample_widely(fd: int) -> bytes:
    """Telling lines from all over a long file; lines that a probe cuts are left out."""
    lines = b"".join(
        telling_lines(
            probe[probe.find(b"\n") + 1 : probe.rfind(b"\n") + 1],
            most_bytes=2 * SAMPLE_BYTES // _N_PROBES,
        )
        for probe in _probes(fd)
    )
    return lines or _first_telling_lines(fd)


def _first_telling_lines(fd: int) -> bytes:
    return next((found for piece in _pieces(fd, 0) if (found := telling_lines(piece))), b"")


def _probes(fd: int) -> Iterator[bytes]:
    """Parts from the file's start to its very end, evenly spread."""
    last = max(0, os.fstat(fd).st_size - _PROBE_BYTES)
    for n in range(_N_PROBES):
        yield os.pread(fd, _PROBE_BYTES, last * n // (_N_PROBES - 1))
