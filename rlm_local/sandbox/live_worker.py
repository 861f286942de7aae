"""One living REPL process: its socket, its pidfd, its output, its death.

Checks from outside that the process is as confined as it says. Runs no cells.
"""

import asyncio
import contextlib
import os
import signal

from rlm_local.errors import SandboxError, SandboxUnavailable
from rlm_local.sandbox.channel import ChannelClosed, FrameChannel
from rlm_local.sandbox.child.wire import FrameError
from rlm_local.sandbox.messages import parse_ready
from rlm_local.sandbox.output_pipe import OutputPipe
from rlm_local.sandbox.outside_check import check_from_outside
from rlm_local.sandbox.zygote_process import ForkedProcess

__all__ = ["LiveWorker", "start_worker"]

_READY_TIMEOUT_S = 60.0
_DEATH_TIMEOUT_S = 10.0
_STATUS_TIMEOUT_S = 5.0
_PAUSE_AFTER_S = 0.01
_TEXT_PART_CHARS = 4 << 20
_SIGNAL_MEANINGS: dict[int, str] = {
    signal.SIGSEGV: "it crashed (SIGSEGV: deep recursion, or C code that broke)",
    signal.SIGSYS: "it made a forbidden 32-bit system call (SIGSYS)",
    signal.SIGKILL: "the system killed it (SIGKILL), most likely for want of memory",
    signal.SIGXCPU: "it used up its processor time (SIGXCPU)",
}


class LiveWorker:
    """A REPL process that has said `ready`."""

    def __init__(self, forked: ForkedProcess) -> None:
        self.channel = FrameChannel(forked.sock)
        self.output = OutputPipe(forked.output_fd)
        self.report: dict[str, str] = {}
        self._pid = forked.pid
        self._pidfd = forked.pidfd
        self._exited = forked.exited
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._is_running = True
        self._idle_since_s = 0.0
        self._is_stopped = False

    @property
    def pid(self) -> int:
        """Of the process, as the host sees it."""
        return self._pid

    @property
    def is_dead(self) -> bool:
        """Whether the process is known to have ended."""
        return self._exited.done() or self._pidfd < 0

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the running cell, if it lets it."""
        self._signal(signal.SIGINT)

    def pause(self) -> None:
        """Stop every thread of it in a moment: between cells nothing is to run.

        Not at once: signals cost as much as a small cell, and one may follow on the heels.
        """
        self._is_running = False
        self._idle_since_s = self._loop.time()
        if self._pause is None:  # one timer for many brief cells, which looks when it is due
            self._pause = self._loop.call_later(_PAUSE_AFTER_S, self._stop_if_idle)

    def resume(self) -> None:
        """Undo `pause`."""
        self._is_running = True
        if self._is_stopped:
            self._is_stopped = False
            self._signal(signal.SIGCONT)

    async def kill(self) -> None:
        """Kill the process and wait for its end. Safe to call twice."""
        try:
            if self._pidfd >= 0:
                self._signal(signal.SIGKILL)
                await asyncio.wait([self._exited], timeout=_DEATH_TIMEOUT_S)
        finally:  # also where whoever waits is cancelled
            self._release()

    async def reason_of_death(self) -> str:
        """Why the process ended by itself, for the root to read."""
        await asyncio.wait([self._exited], timeout=_STATUS_TIMEOUT_S)
        status = self._exited.result() if self._exited.done() else None
        if status is None:
            return "its process is gone"
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            return _SIGNAL_MEANINGS.get(number, f"it died of signal {number}")
        last_words = self.output.text().strip()[-200:]
        if "MemoryError" in last_words:
            return "it ran out of memory"
        told = f": {last_words}" if last_words else ""
        return f"its process ended itself with exit status {os.WEXITSTATUS(status)}{told}"

    def _stop_if_idle(self) -> None:
        self._pause = None
        if self._is_running:
            return  # `pause` comes again
        due_s = self._idle_since_s + _PAUSE_AFTER_S
        if due_s > self._loop.time():
            self._pause = self._loop.call_at(due_s, self._stop_if_idle)
            return
        self._is_stopped = True
        self._signal(signal.SIGSTOP)

    def _signal(self, number: int) -> None:
        if self._pidfd < 0 or self._exited.done():
            return
        # When it ended by itself, the next read tells.
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def _release(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self.channel.close()
        self.output.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


async def start_worker(forked: ForkedProcess, *, checked: bool, text: str | None) -> LiveWorker:
    """Wait until a forked process is ready, check it from outside, send it its own text if any.

    Raises:
        SandboxUnavailable: it could not confine itself, or says so and is not.
        SandboxError: it ended, said something else, or nothing in time.
    """
    worker = LiveWorker(forked)
    is_ready = False
    try:
        worker.report = await _greeting(worker)
        if checked:
            check_from_outside(forked.pid, worker.report)
        if text is not None:
            _send_text(worker, text)
        is_ready = True
        return worker
    finally:
        if not is_ready:
            await worker.kill()


async def _greeting(worker: LiveWorker) -> dict[str, str]:
    try:
        frame = await worker.channel.next_frame(_READY_TIMEOUT_S)
        if frame is None:
            raise SandboxError(f"a REPL process was not ready within {_READY_TIMEOUT_S:g} s")
        if frame.header.get("op") == "refused":
            raise SandboxUnavailable(f"cells cannot be confined here: {' '.join(frame.texts)}")
        return parse_ready(frame)
    except ChannelClosed:
        raise SandboxError(
            f"a REPL process did not start: {await worker.reason_of_death()}"
        ) from None
    except FrameError as error:
        raise SandboxError(f"a REPL process did not start: {error}") from None


def _send_text(worker: LiveWorker, text: str) -> None:
    starts = range(0, max(1, len(text)), _TEXT_PART_CHARS)
    for start in starts:
        part = text[start : start + _TEXT_PART_CHARS]
        worker.channel.send({"op": "text", "last": start == starts[-1]}, (part,))
