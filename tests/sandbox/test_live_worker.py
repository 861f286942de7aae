"""The host believes nothing: a process that only says that it is confined is refused."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rlm_local.errors import SandboxError, SandboxUnavailable
from rlm_local.sandbox.child.wire import encode_frame
from rlm_local.sandbox.live_worker import start_worker
from rlm_local.sandbox.zygote_process import ForkedProcess

READY = encode_frame({"op": "ready", "report": {"seccomp": "active"}})


class Impostor:
    """A process of ours that is not confined, behind the socket of a REPL."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(["/bin/sleep", "600"])
        ours, self.theirs = socket.socketpair()
        output, self.their_output = os.pipe()
        self.exited: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        pidfd = os.pidfd_open(self.process.pid)
        self.forked = ForkedProcess(self.process.pid, pidfd, ours, output, self.exited)
        asyncio.get_running_loop().add_reader(pidfd, self._on_exit, pidfd)

    def _on_exit(self, pidfd: int) -> None:
        asyncio.get_running_loop().remove_reader(pidfd)
        self.process.wait()
        self.exited.set_result(signal.SIGKILL)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.theirs.close()
        os.close(self.their_output)


@pytest.fixture
async def impostor() -> AsyncIterator[Impostor]:
    made = Impostor()
    yield made
    made.close()


async def test_a_process_that_lies_about_its_confinement_is_killed(impostor: Impostor) -> None:
    impostor.theirs.sendall(READY)
    with pytest.raises(SandboxUnavailable, match="not confined as it has to be: Seccomp is 0"):
        await start_worker(impostor.forked, checked=True, text=None)
    assert impostor.exited.done()


async def test_what_a_process_refuses_is_told(impostor: Impostor) -> None:
    impostor.theirs.sendall(encode_frame({"op": "refused"}, ("the probe failed",)))
    with pytest.raises(SandboxUnavailable, match="the probe failed"):
        await start_worker(impostor.forked, checked=True, text=None)


@pytest.mark.parametrize("greeting", [b"garbage!" * 3, encode_frame({"op": "done"})])
async def test_a_first_frame_that_is_not_ready_is_refused(
    impostor: Impostor, greeting: bytes
) -> None:
    impostor.theirs.sendall(greeting)
    with pytest.raises(SandboxError, match="did not start"):
        await start_worker(impostor.forked, checked=True, text=None)


async def test_a_process_that_ends_at_once_is_told(impostor: Impostor) -> None:
    impostor.process.kill()
    impostor.theirs.close()
    with pytest.raises(SandboxError, match="the system killed it"):
        await start_worker(impostor.forked, checked=True, text=None)


def _state(pid: int) -> str:
    """As the kernel has it: S sleeps, T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]


async def test_a_process_is_stopped_after_its_last_cell_and_in_none(impostor: Impostor) -> None:
    impostor.theirs.sendall(READY)
    worker = await start_worker(impostor.forked, checked=False, text=None)
    for _ in range(3):  # cells too brief to be followed by a stop
        worker.resume()
        worker.pause()
    worker.resume()  # and one that runs when the stop is due
    await asyncio.sleep(0.05)
    assert _state(worker.pid) != "T"
    for _ in range(2):
        worker.pause()
        for _ in range(1000):
            await asyncio.sleep(0.01)
            if _state(worker.pid) == "T":
                break
        assert _state(worker.pid) == "T"
        worker.resume()
        await asyncio.sleep(0.05)
        assert _state(worker.pid) != "T"
    await worker.kill()


async def test_a_kill_that_nobody_waits_for_any_more_leaves_nothing_open(
    impostor: Impostor,
) -> None:
    impostor.theirs.sendall(READY)
    worker = await start_worker(impostor.forked, checked=False, text=None)
    asyncio.get_running_loop().remove_reader(impostor.forked.pidfd)  # its end is not told
    killing = asyncio.create_task(worker.kill())
    await asyncio.sleep(0)
    killing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killing
    assert impostor.process.wait() == -signal.SIGKILL
    assert worker.is_dead
    assert impostor.forked.sock.fileno() == -1
    await worker.kill()
