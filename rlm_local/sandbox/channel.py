"""The host's end of a REPL's socket: frames in, frames out, one wait at a time.

Reads only while somebody waits, so that a flood stays in the sender. Knows no operations.
"""

import asyncio
import socket

from rlm_local.sandbox.child.wire import Frame, FrameReader, encode_frame

__all__ = ["ChannelClosed", "FrameChannel"]

_RECEIVE_BYTES = 1 << 18
_READS_BETWEEN_YIELDS = 16
_FRAMES_BETWEEN_YIELDS = 256
"""A sender that never pauses must not keep the loop from its other work."""


class ChannelClosed(ConnectionError):
    """The other end is gone."""


class FrameChannel:
    """Frames over one connected stream socket; belongs to the running event loop."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._unsent = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._frames = 0

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait for the other end to read."""
        return len(self._unsent)

    def send(self, header: dict[str, object], texts: tuple[str, ...] = ()) -> None:
        """Send a frame now, or as soon as the other end takes it.

        Raises:
            FrameError: it is over a limit; nothing was sent.
        """
        data = encode_frame(header, texts)
        if self._unsent:
            self._unsent += data
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the other end is gone: whoever reads finds out
        if sent < len(data):
            self._unsent += data[sent:]
            self._loop.add_writer(self._socket, self._send_more)

    async def next_frame(self, timeout_s: float) -> Frame | None:
        """The next frame; None when the time is up or `wake` was called.

        Raises:
            ChannelClosed: the other end is gone, or this one was closed.
            FrameError: what came is no frame; the channel is of no use then.
        """
        deadline_s = self._loop.time() + timeout_s
        self._frames += 1
        if self._frames % _FRAMES_BETWEEN_YIELDS == 0:
            await asyncio.sleep(0)
        reads = 0
        while True:
            frame = self._reader.next_frame()
            if frame is not None:
                return frame
            if self._receive():
                reads += 1
                if reads % _READS_BETWEEN_YIELDS == 0:
                    await asyncio.sleep(0)
                continue
            if not await self._readable(deadline_s):
                return None

    def wake(self) -> None:
        """Have a wait that is under way return None."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
        self.wake()

    def _receive(self) -> bool:
        """Whether bytes were there."""
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return False
        except OSError as error:
            raise ChannelClosed(str(error)) from None
        if not data:
            raise ChannelClosed("end of file")
        self._reader.feed(data)
        return True

    async def _readable(self, deadline_s: float) -> bool:
        """Wait for bytes; False on time-out and `wake`."""
        self._waiter = self._loop.create_future()
        came = False

        def on_bytes() -> None:
            nonlocal came
            came = True
            self.wake()

        self._loop.add_reader(self._socket, on_bytes)
        timer = self._loop.call_at(deadline_s, self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None
            if self._socket.fileno() >= 0:
                self._loop.remove_reader(self._socket)
        return came

    def _send_more(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._unsent)
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._socket)
