"""The host's end of a REPL's socket: frames in, frames out, one wait at a time.

Reads only while somebody waits, so that a flood stays in the sender. Knows no operations.
"""

import asyncio
import select
import socket
import time

from rlm_local.sandbox.child.lookout import Lookout
from rlm_local.sandbox.child.wire import Frame, FrameReader, encode_frame

__all__ = ["ChannelClosed", "FrameChannel"]

_RECEIVE_BYTES = 1 << 17
_WAITING_READS = 64
_LOOK_FOR_S = 0.0002
_AT_ONCE_MS = 1
_HELD_BETWEEN_YIELDS_S = 0.0005
_FRAMES_BETWEEN_YIELDS = 256
"""A sender that never pauses must not keep the loop from its other work."""


class ChannelClosed(ConnectionError):
    """The other end is gone."""


class FrameChannel:
    """Frames over one connected stream socket; belongs to the running event loop."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._fd = sock.fileno()
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        self._lookout = Lookout(self._poll.poll, _LOOK_FOR_S)
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._received = memoryview(bytearray(_RECEIVE_BYTES))
        self._unsent = bytearray()
        self._waiter: asyncio.Future[bool] | None = None
        self._is_watched = False
        self._frames = 0
        self._held_s = 0.0  # since others had their turn

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait for the other end to read."""
        return len(self._unsent)

    @property
    def is_mid_frame(self) -> bool:
        """Whether the other end has begun a frame that is not whole; ask after `waiting_frame`."""
        return self._reader.is_mid_frame

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
            self._loop.add_writer(self._fd, self._send_more)

    def waiting_frame(self) -> Frame | None:
        """A frame that is there already, without a wait.

        Reads no more than a socket holds, so that a sender that goes on cannot keep the caller.

        Raises:
            ChannelClosed, FrameError: as `next_frame`.
        """
        for _ in range(_WAITING_READS):
            frame = self._reader.next_frame()
            if frame is not None or not self._poll.poll(0) or not self._receive():
                return frame
        return None

    async def next_frame(self, timeout_s: float, *, at_once: bool = False) -> Frame | None:
        """The next frame; None when the time is up or `wake` was called.

        `at_once`: it is likely to come within a millisecond, so for that long the loop is held:
        its own way of waiting takes longer than most cells. Of use where nothing else is under way;
        what else there is has its turn after each half millisecond of this.

        Raises:
            ChannelClosed: the other end is gone, or this one was closed.
            FrameError: what came is no frame; the channel is of no use then.
        """
        self._frames += 1
        if self._frames % _FRAMES_BETWEEN_YIELDS == 0 or self._held_s > _HELD_BETWEEN_YIELDS_S:
            self._held_s = 0.0
            await asyncio.sleep(0)
        frame = self._reader.next_frame()
        if frame is not None:
            return frame
        if at_once and self._comes_at_once() and self._receive():
            frame = self._reader.next_frame()
            if frame is not None:
                return frame
        deadline_s = self._loop.time() + timeout_s
        while await self._more(deadline_s):
            frame = self._reader.next_frame()
            if frame is not None:
                return frame
        return None

    def wake(self) -> None:
        """Have a wait that is under way return None."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(False)

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        if self._socket.fileno() >= 0:
            self._unwatch()
            self._loop.remove_writer(self._fd)
            self._socket.close()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ChannelClosed("closed"))

    def _comes_at_once(self) -> bool:
        began_s = time.perf_counter()
        came = self._lookout.sees() or bool(self._poll.poll(_AT_ONCE_MS))
        self._held_s += time.perf_counter() - began_s
        return came

    async def _more(self, deadline_s: float) -> bool:
        """Wait for bytes and take them; False on time-out and `wake`."""
        if self._socket.fileno() < 0:
            raise ChannelClosed("closed")
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiter = waiter
        if not self._is_watched:
            self._loop.add_reader(self._fd, self._on_bytes)
            self._is_watched = True
        timer = self._loop.call_at(deadline_s, self.wake)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _on_bytes(self) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            # Nobody waits, so what comes has to stay there. Not after each wait: most often
            # the next one begins before anything comes.
            self._unwatch()
            return
        try:
            if self._receive():
                waiter.set_result(True)
        except ChannelClosed as closed:
            self._unwatch()
            waiter.set_exception(closed)

    def _unwatch(self) -> None:
        if self._is_watched:
            self._loop.remove_reader(self._fd)
            self._is_watched = False

    def _receive(self) -> bool:
        """Whether bytes were there."""
        try:
            n_bytes = self._socket.recv_into(self._received)
        except BlockingIOError:
            return False
        except OSError as error:
            raise ChannelClosed(str(error)) from None
        if not n_bytes:
            raise ChannelClosed("end of file")
        self._reader.feed(self._received[:n_bytes])
        return True

    def _send_more(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._unsent)
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._fd)
