"""The REPL's end of the socket to the host: calls from any thread, replies matched by id.

One thread at a time reads for all (the leader); the others wait on a queue each. So a cell may
call the worker model from a thread pool. Knows nothing of what the frames mean.
"""

import os
import select
import socket
import threading
from queue import SimpleQueue

from rlm_local.sandbox.child.interrupts import Interrupts
from rlm_local.sandbox.child.lookout import Lookout
from rlm_local.sandbox.child.wire import Frame, FrameReader, encode_frame

__all__ = ["HostLink"]

_COMMANDS = 0
_RECEIVE_BYTES = 1 << 16
_LOOK_FOR_S = 0.0001  # a cell, where one follows on the heels of another


class HostLink:
    """Frames to and from the host. If the host is gone the process ends."""

    def __init__(self, sock: socket.socket, interrupts: Interrupts) -> None:
        self._socket = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._lookout = Lookout(self._poll.poll, _LOOK_FOR_S)
        self._interrupts = interrupts
        self._reader = FrameReader()
        self._received = memoryview(bytearray(_RECEIVE_BYTES))  # one for all: asked for each time,
        # a block of this size costs more than the frame in it
        self._write_lock = threading.Lock()
        self._state_lock = threading.Lock()
        self._commands: SimpleQueue[Frame | None] = SimpleQueue()
        self._waiting: dict[int, SimpleQueue[Frame | None]] = {}
        self._leader: int | None = None
        self._last_id = _COMMANDS

    def send(self, header: dict[str, object], texts: tuple[str, ...] = ()) -> None:
        """Write one frame whole.

        Raises:
            FrameError: it is over a limit; nothing was written.
        """
        data = encode_frame(header, texts)
        with self._interrupts, self._write_lock:
            self._socket.sendall(data)

    def request(self, header: dict[str, object], texts: tuple[str, ...]) -> Frame:
        """Send a frame with a fresh `id` and wait for the reply that carries it.

        Raises:
            FrameError: it is over a limit; nothing was written.
        """
        with self._interrupts:
            inbox: SimpleQueue[Frame | None] = SimpleQueue()
            number = self._send_numbered(header, texts, inbox)
            try:
                return self._receive(number, inbox)
            finally:
                self._leave(number)

    def next_command(self) -> Frame:
        """The next frame that is no reply; for the main thread, between cells."""
        with self._interrupts:
            with self._state_lock:
                self._waiting[_COMMANDS] = self._commands
            try:
                return self._receive(_COMMANDS, self._commands)
            finally:
                self._leave(_COMMANDS)

    def _send_numbered(
        self,
        header: dict[str, object],
        texts: tuple[str, ...],
        inbox: "SimpleQueue[Frame | None]",
    ) -> int:
        with self._write_lock:  # the host wants ids in rising order
            number = self._last_id + 1
            data = encode_frame({**header, "id": number}, texts)
            self._last_id = number
            with self._state_lock:
                self._waiting[number] = inbox
            self._socket.sendall(data)
        return number

    def _receive(self, number: int, inbox: "SimpleQueue[Frame | None]") -> Frame:
        while True:
            with self._state_lock:
                if self._leader is None:
                    self._leader = number
                leads = self._leader == number
            if leads and inbox.empty():
                return self._read_for_all(number)
            frame = self._interrupts.wait(inbox.get)
            if frame is not None:  # None only says: look again whether you lead
                return frame

    def _read_for_all(self, leader: int) -> Frame:
        """Hand out frames until one comes that is the leader's own."""
        while True:
            frame = self._reader.next_frame()
            while frame is None:
                if self._interrupts.may_raise:  # in a wait that has taken nothing yet
                    self._interrupts.wait(self._poll.poll)
                elif leader == _COMMANDS:
                    self._lookout.sees()
                n_bytes = self._socket.recv_into(self._received)
                if not n_bytes:
                    os._exit(0)
                self._reader.feed(self._received[:n_bytes])
                frame = self._reader.next_frame()
            number = frame.header.get("id", _COMMANDS)
            if number == leader:
                return frame
            with self._state_lock:
                to_commands = number == _COMMANDS
                inbox = self._commands if to_commands else self._waiting.get(_as_int(number))
            if inbox is not None:  # else nobody waits any more: the cell was interrupted
                inbox.put(frame)

    def _leave(self, number: int) -> None:
        with self._state_lock:
            self._waiting.pop(number, None)
            if self._leader == number:
                self._leader = next(iter(self._waiting), None)
                if self._leader is not None:
                    self._waiting[self._leader].put(None)


def _as_int(number: object) -> int:
    return number if isinstance(number, int) else -1
