"""Reads parts of a written text by characters, from the file, at the cost of the part.

Holds no text itself. Safe to use from several threads: reads are `pread` only.
"""

import os
from bisect import bisect_right

from rlm_local.context.scratch_file import WrittenText
from rlm_local.errors import ContextError
from rlm_local.types import ContextSlice

__all__ = ["TextReader"]


class TextReader:
    """Character-addressed reading of a `WrittenText`. Owns its descriptor from then on."""

    def __init__(self, text: WrittenText) -> None:
        self.n_chars = text.n_chars
        self.n_bytes = text.n_bytes
        self._fd = text.fd
        self._blocks = text.blocks

    def fileno(self) -> int:
        """The descriptor.

        Raises:
            ContextError: the text is closed.
        """
        if self._fd < 0:
            raise ContextError("the context is closed")
        return self._fd

    def read(self, part: ContextSlice) -> str:
        """The text of the part; ends beyond the text are moved to its ends."""
        start_char = min(max(part.start_char, 0), self.n_chars)
        end_char = min(max(part.end_char, start_char), self.n_chars)
        if start_char == end_char:
            return ""
        start_byte = self._to_byte(start_char)
        return self._read_bytes(start_byte, self._to_byte(end_char)).decode("utf-8")

    def duplicate(self) -> "TextReader":
        """A reader of the same text with a descriptor of its own, to be closed by itself."""
        copy = object.__new__(TextReader)
        copy.n_chars, copy.n_bytes, copy._blocks = self.n_chars, self.n_bytes, self._blocks
        copy._fd = os.dup(self.fileno())
        return copy

    def close(self) -> None:
        """Close the descriptor, and with it the file. Safe to call twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _to_byte(self, char: int) -> int:
        start_chars, start_bytes = self._blocks.start_chars, self._blocks.start_bytes
        block = bisect_right(start_chars, char) - 1
        is_last = block + 1 == len(start_chars)
        end_char = self.n_chars if is_last else start_chars[block + 1]
        end_byte = self.n_bytes if is_last else start_bytes[block + 1]
        start_char, start_byte = start_chars[block], start_bytes[block]
        offset = char - start_char
        if end_char - start_char == end_byte - start_byte:  # ASCII throughout
            return start_byte + offset
        text = self._read_bytes(start_byte, end_byte).decode("utf-8")
        return start_byte + len(text[:offset].encode("utf-8"))

    def _read_bytes(self, start: int, end: int) -> bytes:
        fd = self.fileno()
        data = os.pread(fd, end - start, start)
        while len(data) < end - start:  # one pread gives at most 2 GiB
            more = os.pread(fd, end - start - len(data), start + len(data))
            if not more:
                raise ContextError("the context file was cut short while in use")
            data += more
        return data
