"""Standard input as a stream whose reader can be called off.

A read that waits for a terminal or a pipe cannot be cancelled; this one also waits for its owner.
Reads no file and decodes nothing.
"""

import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from rlm_local.errors import UserError

__all__ = ["open_standard_input"]


@contextmanager
def open_standard_input() -> Iterator[BinaryIO]:
    """Standard input; when the block is left, a read under way in another thread ends.

    Raises:
        UserError: the process has none.
    """
    if sys.stdin is None:
        raise UserError("--context - reads standard input, and this process has none")
    wait_end, wake_end = os.pipe()
    try:
        yield io.BufferedReader(_CallableOff(sys.stdin.fileno(), wait_end))
    finally:
        os.close(wake_end)  # its reader sees the end; `wait_end` may still be waited for


class _CallableOff(io.RawIOBase):
    """Bytes of one descriptor, until they end or the other descriptor has something to say."""

    def __init__(self, fd: int, stop_fd: int) -> None:
        self._fd = fd
        self._stop_fd = stop_fd

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # narrower: bytes only
        ready, _, _ = select.select([self._fd, self._stop_fd], [], [])
        if self._stop_fd in ready:
            return 0
        data = os.read(self._fd, len(buffer))
        buffer[: len(data)] = data
        return len(data)
