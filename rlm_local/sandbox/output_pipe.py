"""What a REPL process writes to its descriptors 1 and 2, past Python: drained and capped."""

import asyncio
import os
import select

__all__ = ["OutputPipe"]

_CAP_BYTES = 64 << 10
_READ_BYTES = 1 << 16


class OutputPipe:
    """The reading end of the pipe; keeps the first bytes since `clear`."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._kept = bytearray()
        self._total = 0
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._drain)

    def clear(self) -> None:
        """Forget what came; a new cell starts."""
        self._kept.clear()
        self._total = 0

    def text(self, max_bytes: int = _CAP_BYTES) -> str:
        """The first of what came since `clear`, at most 64 KiB of it, with the rest told."""
        if self._fd >= 0 and self._poll.poll(0):
            self._drain()
        if not self._total:
            return ""
        text = self._kept[:max_bytes].decode("utf-8", "replace")
        left_out = self._total - min(max_bytes, len(self._kept))
        return f"{text}\n... [{left_out:,} bytes left out]" if left_out else text

    def close(self) -> None:
        """Stop reading; safe to call twice."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _drain(self) -> None:
        if self._fd < 0:
            return
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self.close()
            return
        self._total += len(data)
        self._kept += data[: _CAP_BYTES - len(self._kept)]
