"""Frames between the host and the REPL process, as values: no sockets, no waiting.

A frame is a small JSON header and any number of texts::

    u32 total | u32 header_len | u32 n_texts | n_texts x u32 text_len | header | text 0 | text 1 ...

Integers are big-endian; `total` counts what follows it. Long texts (code, prompts, output,
answers) are never in the header. The reader takes every length as hostile: it is checked before
anything is allocated for it. A header is strict JSON: no NaN or infinity, no key twice, no number
of thousands of digits, no half of a surrogate pair. Does not know which operations there are;
both sides use it.
"""

import json
import math
import re
import struct

__all__ = [
    "MAX_FRAME_BYTES",
    "MAX_HEADER_BYTES",
    "MAX_TEXTS",
    "Frame",
    "FrameError",
    "FrameReader",
    "encode_frame",
]

MAX_FRAME_BYTES = 64 << 20
MAX_HEADER_BYTES = 1 << 20
MAX_TEXTS = 1 << 16

_FIXED = struct.Struct(">III")
_WORD_BYTES = 4
# Bound now: a cell that replaces json.dumps must not change what this process sends.
_dumps = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode
_MAX_DIGITS = 4300  # of a number; what CPython's own default is, which a user can turn off
_ESCAPED_SURROGATE = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


class FrameError(ValueError):
    """Bytes that are no frame, or a frame over a limit; the message says which rule broke."""


class Frame:
    """One message: `header` is a JSON object, `texts` are the long strings that go with it."""

    __slots__ = ("header", "texts")

    def __init__(self, header: dict[str, object], texts: tuple[str, ...] = ()) -> None:
        self.header = header
        self.texts = texts

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frame):
            return NotImplemented
        return self.header == other.header and self.texts == other.texts

    def __hash__(self) -> int:
        return hash(self.texts)

    def __repr__(self) -> str:
        return f"Frame({self.header!r}, {len(self.texts)} texts)"


def encode_frame(header: dict[str, object], texts: tuple[str, ...] = ()) -> bytes:
    """The bytes of a frame. Lone surrogates become `?`.

    Raises:
        FrameError: it would be over a limit; nothing was sent.
    """
    head = _dumps(header).encode("ascii")
    # Not text.encode: a cell's own kind of str may have replaced that.
    blobs = [str.encode(text, "utf-8", "replace") for text in texts]
    total = 2 * _WORD_BYTES + _WORD_BYTES * len(blobs) + len(head) + sum(map(len, blobs))
    _check(total, len(head), len(blobs))
    lengths = struct.pack(f">{len(blobs)}I", *map(len, blobs))
    return b"".join((_FIXED.pack(total, len(head), len(blobs)), lengths, head, *blobs))


class FrameReader:
    """Turns bytes, however they are cut, into frames."""

    def __init__(self, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._buffer = bytearray()
        self._max_frame_bytes = max_frame_bytes

    @property
    def is_mid_frame(self) -> bool:
        """Whether bytes have come that are no whole frame yet, once `next_frame` gave None."""
        return bool(self._buffer)

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes as they came."""
        self._buffer += data

    def next_frame(self) -> Frame | None:
        """The next whole frame, or None while bytes are missing.

        Raises:
            FrameError: what came is no frame or is over a limit. The reader is of no use then.
        """
        if len(self._buffer) < _FIXED.size:
            return None
        total, header_bytes, n_texts = self._sizes()
        end = _WORD_BYTES + total
        if len(self._buffer) < end:
            return None
        table_end = _FIXED.size + _WORD_BYTES * n_texts
        lengths = struct.unpack_from(f">{n_texts}I", self._buffer, _FIXED.size)
        if table_end + header_bytes + sum(lengths) != end:
            raise FrameError("the lengths of a frame's texts do not add up to its own")
        with memoryview(self._buffer) as view:
            header = _parse_header(bytes(view[table_end : table_end + header_bytes]))
            texts = _cut_texts(view, table_end + header_bytes, lengths)
        del self._buffer[:end]
        return Frame(header, texts)

    def _sizes(self) -> tuple[int, int, int]:
        total, header_bytes, n_texts = _FIXED.unpack_from(self._buffer)
        _check(total, header_bytes, n_texts, max_frame_bytes=self._max_frame_bytes)
        if 2 * _WORD_BYTES + _WORD_BYTES * n_texts + header_bytes > total:
            raise FrameError("a frame's header is longer than the frame")
        return total, header_bytes, n_texts


def _check(
    total: int, header_bytes: int, n_texts: int, *, max_frame_bytes: int = MAX_FRAME_BYTES
) -> None:
    if total > max_frame_bytes:
        raise FrameError(f"a frame of {total} bytes; at most {max_frame_bytes}")
    if header_bytes > MAX_HEADER_BYTES:
        raise FrameError(f"a frame header of {header_bytes} bytes; at most {MAX_HEADER_BYTES}")
    if n_texts > MAX_TEXTS:
        raise FrameError(f"a frame with {n_texts} texts; at most {MAX_TEXTS}")


def _parse_header(data: bytes) -> dict[str, object]:
    try:
        text = data.decode("utf-8")
        if "\\ud" in text or "\\uD" in text:
            text = _ESCAPED_SURROGATE.sub(_without_half_pair, text)
        header = _loads(text)
    except (ValueError, RecursionError) as error:
        # ValueError also covers bad UTF-8 and integers of too many digits.
        raise FrameError(f"a frame header that is not JSON ({type(error).__name__})") from None
    if not isinstance(header, dict):
        raise FrameError("a frame header that is not a JSON object")
    return header


def _without_half_pair(match: re.Match[str]) -> str:
    """A lone surrogate becomes `?`, as it does in texts; whole pairs stay."""
    return "?" if match.group(1) else match.group()


def _unique_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name twice in one object")
    return fields


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError("a number of too many digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number out of range")
    return number


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


_loads = json.JSONDecoder(
    object_pairs_hook=_unique_names,
    parse_int=_integer,
    parse_float=_finite,
    parse_constant=_refuse,
).decode


def _cut_texts(view: memoryview, start: int, lengths: tuple[int, ...]) -> tuple[str, ...]:
    texts = []
    for length in lengths:
        texts.append(str(view[start : start + length], "utf-8", "replace"))
        start += length
    return tuple(texts)
