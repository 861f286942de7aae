"""One cell on one living REPL: send it, serve its calls, stop it when its time is up.

Decides nothing about restarts: a process that must go is a `WorkerLost`.
"""

import asyncio
from functools import partial

from rlm_local.interfaces import CellHost
from rlm_local.sandbox.cell_clock import CellClock
from rlm_local.sandbox.channel import ChannelClosed
from rlm_local.sandbox.child.wire import Frame, FrameError
from rlm_local.sandbox.live_worker import LiveWorker
from rlm_local.sandbox.messages import CallRequest, Done, parse_call, parse_done, reply_header
from rlm_local.types import CellReply

__all__ = ["CellExchange", "WorkerLost"]

_LOOK_EVERY_S = 1.0
_GRACE_S = 1.0
_INTERRUPT_EVERY_S = 0.2
_MAX_CALLS_UNDER_WAY = 1024
_MAX_STRAY_FRAMES = 1000
_MAX_PROMPT_CHARS = 16_000_000
_MAX_PROMPTS_CHARS = 1 << 30
_MAX_UNSENT_BYTES = 256 << 20
"""Four of the longest frames: more waits only where a cell calls without reading its replies,
and then it is the host's memory that fills."""


class WorkerLost(Exception):
    """The REPL process is gone or has to go; the message is the reason, for the root to read."""


class CellExchange:
    """What passes between host and REPL while one cell runs."""

    def __init__(self, worker: LiveWorker, host: CellHost, *, cell: int, timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        self.clock = CellClock(timeout_s, now_s=loop.time, cpu_s=worker.cpu_seconds)
        self.timed_out = False
        self.is_lost = False
        self._worker = worker
        self._host = host
        self._cell = cell
        self._loop = loop
        self._calls: dict[int, asyncio.Task[CellReply]] = {}
        self._failure: BaseException | None = None
        self._n_strays = 0
        self._is_deaf = False  # it does not read its replies
        self._prompts_chars = 0

    async def run(self, code: str) -> Done:
        """Run the cell to its end, or to its interruption (`timed_out`).

        What the host raises is raised here, once the cell has been stopped; so is cancelling.

        Raises:
            WorkerLost: the process died, broke the protocol, or did not react to an interrupt.
        """
        done: Done | None = None
        try:
            self._worker.resume()
            self._worker.output.clear()
            self._worker.channel.send({"op": "exec", "cell": self._cell}, (code,))
            done = await self._until_done()
            if done is None:
                self.timed_out = True
                done = await self._stop()
            return done
        except WorkerLost:
            self.is_lost = True
            raise
        finally:
            if done is None and not self.is_lost:
                await self._abandon()
            await self._cancel_calls()
            self._worker.pause()

    async def _until_done(self) -> Done | None:
        """The cell's result, or None when its time is over."""
        while True:
            if self._failure is not None:
                raise self._failure
            left_s = self.clock.left_s
            if left_s <= 0:
                return None
            waits = self.clock.is_waiting
            done = await self._next(min(left_s, _LOOK_EVERY_S) if waits else left_s)
            if done is not None:
                return done
            self.clock.look()

    async def _stop(self) -> Done:
        """Interrupt the cell, several times in case it catches the first."""
        for call in self._calls.values():
            call.cancel()
        give_up_s = self._loop.time() + _GRACE_S
        next_interrupt_s = 0.0
        while (now_s := self._loop.time()) < give_up_s:
            if now_s >= next_interrupt_s:
                self._worker.interrupt()
                next_interrupt_s = now_s + _INTERRUPT_EVERY_S
            done = await self._next(next_interrupt_s - now_s)
            if done is not None:
                return done
        raise WorkerLost(
            "the code did not react to an interrupt (it was inside C code or blocked signals)"
        )

    async def _abandon(self) -> None:
        """Stop a cell nobody waits for any more; kill the process if that fails."""
        self.is_lost = True  # unless it is seen to stop, whatever happens here
        try:
            await self._stop()
        except WorkerLost:
            return
        self.is_lost = False

    async def _next(self, timeout_s: float) -> Done | None:
        """Take one frame, or none in time; the cell's result if it was that."""
        try:
            frame = await self._worker.channel.next_frame(timeout_s)
            if self._is_deaf:
                raise FrameError(
                    f"over {_MAX_UNSENT_BYTES:,} bytes of replies that it did not read"
                )
            return None if frame is None else self._take(frame)
        except ChannelClosed:
            raise WorkerLost(await self._worker.reason_of_death()) from None
        except FrameError as error:
            raise WorkerLost(f"it broke the protocol: {error}") from None

    def _take(self, frame: Frame) -> Done | None:
        match frame.header.get("op"):
            case "done":
                done = parse_done(frame)
                if done.cell == self._cell:
                    return done
                self._count_stray()
            case "call":
                self._take_call(parse_call(frame))
            case other:
                raise FrameError(f"a frame {str(other)[:50]!r} while a cell runs")
        return None

    def _take_call(self, request: CallRequest) -> None:
        refusal = self._why_refused(request)
        if refusal is not None:
            self._reply(request.number, CellReply(refusal=refusal))
            return
        if request.number in self._calls:
            raise FrameError("two calls with one id")
        if not self._calls:
            self.clock.wait_begins()
        task = self._loop.create_task(self._host.call(request.call))
        self._calls[request.number] = task
        task.add_done_callback(partial(self._on_answer, request.number))

    def _why_refused(self, request: CallRequest) -> str | None:
        if request.cell != self._cell:
            self._count_stray()
            return "the cell that made this call is over"
        if self.timed_out or self._failure is not None:
            return "the cell was stopped"
        if len(self._calls) >= _MAX_CALLS_UNDER_WAY:
            return f"more than {_MAX_CALLS_UNDER_WAY} calls at once; use the batched form"
        longest = max(map(len, request.call.texts), default=0)
        if longest > _MAX_PROMPT_CHARS:
            return f"a prompt of {longest:,} characters; at most {_MAX_PROMPT_CHARS:,}"
        self._prompts_chars += sum(map(len, request.call.texts))
        if self._prompts_chars > _MAX_PROMPTS_CHARS:
            return f"more than {_MAX_PROMPTS_CHARS:,} characters of prompts in one cell"
        return None

    def _on_answer(self, number: int, task: "asyncio.Task[CellReply]") -> None:
        del self._calls[number]
        if not self._calls:
            self.clock.wait_ends()
        if task.cancelled():
            self._reply(number, CellReply(refusal="the cell was stopped"))
        elif (failure := task.exception()) is not None:
            self._failure = failure
            self._reply(number, CellReply(refusal="the run ends here"))
        else:
            self._reply(number, task.result())
        self._worker.channel.wake()

    def _reply(self, number: int, reply: CellReply) -> None:
        if self._worker.channel.unsent_bytes > _MAX_UNSENT_BYTES:
            self._is_deaf = True
            return
        try:
            self._worker.channel.send(*reply_header(number, reply))
        except FrameError as error:
            refusal = CellReply(refusal=f"the answers are too long for one call: {error}")
            self._worker.channel.send(*reply_header(number, refusal))

    def _count_stray(self) -> None:
        self._n_strays += 1
        if self._n_strays > _MAX_STRAY_FRAMES:
            raise FrameError(f"more than {_MAX_STRAY_FRAMES} frames of cells that are over")

    async def _cancel_calls(self) -> None:
        calls = list(self._calls.values())
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
