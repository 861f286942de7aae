"""A REPL process that sends what a test wants: the host's end is real, the other is the test's."""

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess

from rlm_local.cell_limits import CellLimits
from rlm_local.interfaces import CellHost
from rlm_local.sandbox.cell_exchange import CellExchange
from rlm_local.sandbox.child.wire import Frame, FrameReader, encode_frame
from rlm_local.sandbox.live_worker import LiveWorker
from rlm_local.sandbox.memory_watch import MemoryWatch
from rlm_local.sandbox.messages import Done
from rlm_local.sandbox.zygote_process import ForkedProcess
from tests.fakes.memory_context import EchoHost

__all__ = ["HostileWorker", "call", "done", "raw"]


def done(cell: object = 1, **fields: object) -> bytes:
    """A `done` frame of one text."""
    header: dict[str, object] = {
        "op": "done", "cell": cell, "texts": ["stdout"], "stdout_chars": 2, "error_type": None,
        "interrupted": False, "vars": ["x"],
    }  # fmt: skip
    return encode_frame({**header, **fields}, ("hi",))


def call(number: int = 1, cell: int = 1, text: str = "p", **fields: object) -> bytes:
    """A `call` frame: one prompt."""
    header: dict[str, object] = {
        "op": "call", "id": number, "cell": cell, "fn": "llm_query", "args": {},
    }  # fmt: skip
    return encode_frame({**header, **fields}, (text,))


def raw(header: object) -> bytes:
    """A frame with this header, whatever it is, and no texts."""
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack(">III", 8 + len(data), len(data), 0) + data


class HostileWorker:
    """A process that sleeps, behind a socket that the test writes to."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(["/bin/sleep", "600"])
        ours, self.socket = socket.socketpair()
        output, self._their_output = os.pipe()
        loop = asyncio.get_running_loop()
        exited: asyncio.Future[int | None] = loop.create_future()
        pidfd = os.pidfd_open(self._process.pid)
        self._watched_fd = os.dup(pidfd)
        loop.add_reader(self._watched_fd, self._on_exit, exited)
        self.worker = LiveWorker(ForkedProcess(self._process.pid, pidfd, ours, output, exited))
        self._reader = FrameReader()
        self.before_cell: list[Frame] = []
        """What the host sent between two cells."""

    async def run(
        self,
        *sent: bytes,
        host: CellHost | None = None,
        cell: int = 1,
        timeout_s: float = 20.0,
        cells: CellLimits | None = None,
        watch: MemoryWatch | None = None,
    ) -> Done:
        """Run a cell on it; `sent` goes out once the cell has arrived."""
        exchange = CellExchange(
            self.worker,
            host or EchoHost(),
            cell=cell,
            timeout_s=timeout_s,
            cells=cells or CellLimits(grace_s=0.2),
            watch=watch or MemoryWatch(),
        )
        running = asyncio.ensure_future(exchange.run("the code"))
        sending = asyncio.ensure_future(self._play(sent))
        try:
            return await running
        finally:
            for task in (running, sending):
                task.cancel()
            await asyncio.gather(running, sending, return_exceptions=True)

    async def _play(self, sent: tuple[bytes, ...]) -> None:
        while (frame := await self.received()).header["op"] != "exec":
            self.before_cell.append(frame)
        for data in sent:
            await self.send(data)

    async def send(self, data: bytes) -> None:
        """Send to the host, as fast as it reads."""
        self.socket.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def received(self) -> Frame:
        """The next frame the host sent."""
        self.socket.setblocking(False)
        loop = asyncio.get_running_loop()
        while (frame := self._reader.next_frame()) is None:
            data = await loop.sock_recv(self.socket, 1 << 16)
            assert data, "the host hung up"
            self._reader.feed(data)
        return frame

    async def aclose(self) -> None:
        """Kill the process, close what is open."""
        await self.worker.kill()
        self.socket.close()
        os.close(self._their_output)

    def _on_exit(self, exited: "asyncio.Future[int | None]") -> None:
        asyncio.get_running_loop().remove_reader(self._watched_fd)
        os.close(self._watched_fd)
        self._process.wait()
        exited.set_result(signal.SIGKILL)
