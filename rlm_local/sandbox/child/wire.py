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
from _json import make_encoder
from typing import cast

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
_FIXED_BYTES = _FIXED.size
_pack, _unpack_from = struct.pack, struct.unpack_from
_WORD_BYTES = 4


def _refuse_value(value: object) -> object:
    raise TypeError(f"a {type(value).__name__} is no JSON")


# Bound now: a cell that replaces json.dumps must not change what this process sends. Made once:
# `JSONEncoder.encode` makes its encoder anew for each value, which costs more than a header does.
_dumps = make_encoder(
    None,  # a header in a circle is a RecursionError
    _refuse_value,
    json.encoder.encode_basestring_ascii,
    None,
    ":",
    ",",
    False,  # sort_keys
    False,  # skipkeys
    False,  # allow_nan
)
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
    head = "".join(_dumps(header, 0)).encode("ascii")
    # Not text.encode: a cell's own kind of str may have replaced that.
    blobs = [str.encode(text, "utf-8", "replace") for text in texts]
    lengths = [len(blob) for blob in blobs]
    n_texts = len(lengths)
    total = 2 * _WORD_BYTES + _WORD_BYTES * n_texts + len(head) + sum(lengths)
    _check(total, len(head), n_texts, MAX_FRAME_BYTES)
    sizes = _pack(f">{3 + n_texts}I", total, len(head), n_texts, *lengths)
    return b"".join((sizes, head, *blobs))


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
        buffer = self._buffer
        if len(buffer) < _FIXED_BYTES:
            return None
        total, header_bytes, n_texts = _FIXED.unpack_from(buffer)
        _check(total, header_bytes, n_texts, self._max_frame_bytes)
        header_start = _FIXED_BYTES + _WORD_BYTES * n_texts
        texts_start, end = header_start + header_bytes, _WORD_BYTES + total
        if texts_start > end:
            raise FrameError("a frame's header is longer than the frame")
        if len(buffer) < end:
            return None
        lengths = _unpack_from(f">{n_texts}I", buffer, _FIXED_BYTES)
        if texts_start + sum(lengths) != end:
            raise FrameError("the lengths of a frame's texts do not add up to its own")
        header = _parse_header(buffer[header_start:texts_start])
        texts = _cut_texts(buffer, texts_start, lengths)
        del buffer[:end]
        return Frame(header, texts)


def _check(total: int, header_bytes: int, n_texts: int, max_frame_bytes: int) -> None:
    if total > max_frame_bytes:
        raise FrameError(f"a frame of {total} bytes; at most {max_frame_bytes}")
    if header_bytes > MAX_HEADER_BYTES:
        raise FrameError(f"a frame header of {header_bytes} bytes; at most {MAX_HEADER_BYTES}")
    if n_texts > MAX_TEXTS:
        raise FrameError(f"a frame with {n_texts} texts; at most {MAX_TEXTS}")


def _parse_header(data: bytearray) -> dict[str, object]:
    try:
        text = data.decode("utf-8")
        if "\\u" in text:
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


_decode = json.JSONDecoder(
    object_pairs_hook=_unique_names,
    parse_int=_integer,
    parse_float=_finite,
    parse_constant=_refuse,
).decode
_decode_short = json.JSONDecoder(  # of what has no room for a number of too many digits
    object_pairs_hook=_unique_names,
    parse_float=_finite,
    parse_constant=_refuse,
).raw_decode


def _loads(text: str) -> object:
    if len(text) <= _MAX_DIGITS and text.startswith("{"):
        header, end = _decode_short(text)
        if end == len(text):
            return cast("object", header)
    return _decode(text)  # takes blanks around it, and says what else there is


def _cut_texts(buffer: bytearray, start: int, lengths: tuple[int, ...]) -> tuple[str, ...]:
    texts = []
    with memoryview(buffer) as view:
        for length in lengths:
            texts.append(str(view[start : start + length], "utf-8", "replace"))
            start += length
    return tuple(texts)
