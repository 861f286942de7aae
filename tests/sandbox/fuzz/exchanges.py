"""Whole cells against a worker that sends anything: the real exchange, a fake other end."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from rlm_local.cell_limits import CellLimits
from rlm_local.errors import SandboxError
from rlm_local.sandbox.cell_exchange import CellExchange, WorkerLost
from rlm_local.sandbox.child.wire import encode_frame
from rlm_local.sandbox.live_worker import LiveWorker
from rlm_local.sandbox.memory_watch import MemoryWatch
from rlm_local.sandbox.zygote_process import ForkedProcess
from tests.fakes.memory_context import EchoHost
from tests.sandbox.fuzz.reading import check_told

__all__ = ["Exchanges"]

_CELL = 1
_LIMIT_S, _SHORT_S = 30.0, 0.1
_IGNORES_INTERRUPTS = "import signal, time; signal.signal(2, signal.SIG_IGN); time.sleep(3600)"
_DONE = encode_frame(
    {"op": "done", "cell": _CELL, "texts": ["stdout"], "stdout_chars": 2, "vars": ["x"]}, ("ok",)
)


class Exchanges:
    """Runs cells, one after the other; counts in `ends` what became of them."""

    def __init__(self) -> None:
        self.ends: Counter[str] = Counter()
        # What a signal that should not be sent would reach.
        self._process = subprocess.Popen([sys.executable, "-I", "-S", "-c", _IGNORES_INTERRUPTS])

    def __enter__(self) -> "Exchanges":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()

    async def run(
        self, pieces: Sequence[bytes], *, n_early: int = 0, then_silent: bool = False
    ) -> None:
        """One cell whose worker sends this, then a proper result, then hangs up.

        The first `n_early` pieces are there before the cell begins. `then_silent`: it sends no
        result, does not hang up, and the cell has a fraction of a second.

        Raises:
            AssertionError: the cell did not end as cells may, or something was left open.
            Exception: so did it.
        """
        ours, theirs = socket.socketpair()
        output, their_output = os.pipe()
        loop = asyncio.get_running_loop()
        exited: asyncio.Future[int | None] = loop.create_future()
        exited.set_result(0)  # or each reason of death would be waited for
        pidfd = os.pidfd_open(self._process.pid)
        worker = LiveWorker(ForkedProcess(self._process.pid, pidfd, ours, output, exited))
        theirs.setblocking(False)
        for piece in pieces[:n_early]:
            theirs.send(piece)
        sending = loop.create_task(_send(theirs, pieces[n_early:], then_silent=then_silent))
        try:
            end = await asyncio.wait_for(
                _run_cell(worker, _SHORT_S if then_silent else _LIMIT_S), _LIMIT_S
            )
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await worker.kill()
            theirs.close()
            os.close(their_output)
        self.ends[end] += 1

    def check_nothing_is_left(self) -> None:
        """After all cells: no task of theirs runs on."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, f"left running: {others}"


async def _run_cell(worker: LiveWorker, timeout_s: float) -> str:
    exchange = CellExchange(
        worker,
        EchoHost(),
        cell=_CELL,
        timeout_s=timeout_s,
        cells=CellLimits(grace_s=_SHORT_S),
        watch=MemoryWatch(),
    )
    try:
        done = await exchange.run("1 + 1")
    except WorkerLost as lost:
        check_told(lost)
        return "ended as broken protocol" if "protocol" in str(lost) else "ended as lost"
    except SandboxError as error:
        check_told(error)
        return "ended as error"
    assert done.cell == _CELL
    return "ended as interrupted" if exchange.stopped_after else "ended as done"


async def _send(sock: socket.socket, pieces: Sequence[bytes], *, then_silent: bool) -> None:
    loop = asyncio.get_running_loop()
    reading = loop.create_task(_read_all(sock))
    try:
        with contextlib.suppress(OSError):
            for piece in pieces if then_silent else (*pieces, _DONE):
                await loop.sock_sendall(sock, piece)
                await asyncio.sleep(0)
            if not then_silent:
                sock.shutdown(socket.SHUT_WR)
            await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _read_all(sock: socket.socket) -> None:
    """Take the code and the replies, as a worker would."""
    while await asyncio.get_running_loop().sock_recv(sock, 1 << 16):
        pass
