"""One cell on one living REPL: send it, serve its calls, stop it when a limit is spent.

Decides nothing about restarts: a process that must go is a `WorkerLost`.
"""

import asyncio
from functools import partial

from rlm_local.cell_limits import CellLimits
from rlm_local.interfaces import CellHost
from rlm_local.sandbox.cell_clock import CellClock, cpu_seconds
from rlm_local.sandbox.channel import ChannelClosed
from rlm_local.sandbox.child.wire import Frame, FrameError
from rlm_local.sandbox.live_worker import LiveWorker
from rlm_local.sandbox.memory_watch import MemoryWatch
from rlm_local.sandbox.messages import (
    CallRequest,
    Done,
    ReplState,
    operation,
    parse_call,
    parse_done,
    reply_header,
)
from rlm_local.types import CellReply

__all__ = ["CellExchange", "WorkerLost"]

_LOOK_EVERY_S = 1.0
_INTERRUPT_EVERY_S = 0.2
_MAX_STRAY_FRAMES = 1000
_MAX_UNSENT_BYTES = 256 << 20
"""Four of the longest frames: more waits only where a cell calls without reading its replies,
and then it is the host's memory that fills."""
_under_way: set["CellExchange"] = set()
"""Of this process. Where one is alone it may hold the loop; a crowd is served faster in turns."""
_MAX_UNANSWERED_BYTES = 64 << 20
"""Prompts under way: beyond, nothing more is read until some are answered."""


class WorkerLost(Exception):
    """The REPL process is gone or has to go; the message is the reason, for the root to read."""


class CellExchange:
    """What passes between host and REPL while one cell runs."""

    def __init__(
        self,
        worker: LiveWorker,
        host: CellHost,
        *,
        cell: int,
        timeout_s: float,
        cells: CellLimits,
        watch: MemoryWatch,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.clock = CellClock(
            timeout_s,
            cpu_limit_s=2 * timeout_s if cells.cpu_s is None else cells.cpu_s,
            now_s=loop.time,
            cpu_s=partial(cpu_seconds, worker.pid),
        )
        self.stopped_after: str | None = None
        """The limit that was spent, where one was."""
        self.is_lost = False
        self._worker = worker
        self._host = host
        self._cell = cell
        self._limits = cells
        self._watch = watch
        self._loop = loop
        self._calls: dict[int, asyncio.Task[CellReply]] = {}
        self._last_call = 0
        self._failure: BaseException | None = None
        self._n_strays = 0
        self._is_deaf = False  # it does not read its replies
        self._is_first = True  # the next frame is the first of the cell
        self._began_early = False  # the next frame was begun before this cell
        self._prompt_bytes = 0
        self._unanswered_bytes = 0
        self._next_look_s = 0.0

    async def run(self, code: str) -> Done:
        """Run the cell to its end, or to its interruption (`stopped_after`).

        What the host raises is raised here, once the cell has been stopped; so is cancelling.

        Raises:
            FrameError: the cell is too long to be sent; nothing was.
            WorkerLost: the process died, broke the protocol, or did not react to an interrupt.
        """
        _under_way.add(self)
        try:
            return await self._run(code)
        finally:
            _under_way.discard(self)

    async def _run(self, code: str) -> Done:
        self._worker.output.clear()
        self._judge_what_piled_up()
        # Sent before it may run: so it wakes once, not twice.
        self._worker.channel.send({"op": "exec", "cell": self._cell}, (code,))
        done: Done | None = None
        try:
            self._worker.resume()
            self._watch.add(self._worker.pid)
            self.clock.look()
            self._next_look_s = self._loop.time() + _LOOK_EVERY_S
            done = await self._until_done()
            if done is None:
                done = await self._stop()
            return done
        except WorkerLost:
            self.is_lost = True
            raise
        finally:
            if done is None and not self.is_lost:
                await self._abandon()
            self._watch.discard(self._worker.pid)
            if self._calls:
                await self._cancel_calls()
            self._worker.pause()

    def _judge_what_piled_up(self) -> None:
        """Take what came while no cell ran, so that none of it counts for this cell."""
        try:
            while (frame := self._worker.channel.waiting_frame()) is not None:
                if operation(frame, ReplState.IDLE) == "call":
                    self._refuse(parse_call(frame), "no cell runs")
                self._count_stray()
            self._began_early = self._worker.channel.is_mid_frame
        except ChannelClosed:
            return  # told when it is waited for
        except FrameError as error:
            self.is_lost = True
            raise WorkerLost(f"it broke the protocol: {error}") from None

    async def _until_done(self) -> Done | None:
        """The cell's result, or None when a limit is spent."""
        while True:
            if self._failure is not None:
                raise self._failure
            self.stopped_after = self.clock.spent
            if self.stopped_after is not None:
                return None
            now_s = self._loop.time()
            if now_s >= self._next_look_s:
                self._look(now_s)
            wait_s = min(self.clock.left_s, self._next_look_s - now_s)
            if self._unanswered_bytes > _MAX_UNANSWERED_BYTES:
                calls = self._calls.values()
                await asyncio.wait(calls, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                continue
            done = await self._next(wait_s)
            if done is not None:
                return done

    def _look(self, now_s: float) -> None:
        self._next_look_s = now_s + _LOOK_EVERY_S
        self.clock.look()
        too_much = self._watch.why_too_much(self._worker.pid)
        if too_much is not None:
            raise WorkerLost(too_much)

    async def _stop(self) -> Done:
        """Interrupt the cell, several times in case it catches the first."""
        for call in self._calls.values():
            call.cancel()
        give_up_s = self._loop.time() + self._limits.grace_s
        next_interrupt_s = 0.0
        while (now_s := self._loop.time()) < give_up_s:
            if now_s >= next_interrupt_s:
                self._worker.interrupt()
                next_interrupt_s = now_s + _INTERRUPT_EVERY_S
            done = await self._next(min(next_interrupt_s, give_up_s) - now_s)
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
        at_once, self._is_first = self._is_first and len(_under_way) == 1, False
        try:
            frame = await self._worker.channel.next_frame(timeout_s, at_once=at_once)
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
        began_early, self._began_early = self._began_early, False
        if operation(frame, ReplState.RUNNING) == "call":
            self._take_call(parse_call(frame))
            return None
        done = parse_done(frame)
        if done.cell != self._cell:
            self._count_stray()
            return None
        if began_early:
            raise FrameError("a result that was begun before its cell")
        return done

    def _take_call(self, request: CallRequest) -> None:
        if request.cell != self._cell:
            self._count_stray()
            self._refuse(request, "the cell that made this call is over")
            return
        if request.number <= self._last_call:
            raise FrameError("a call with an id that was used before")
        self._last_call = request.number
        sizes = [_utf8_bytes(text) for text in request.call.texts]
        refusal = self._why_refused(sizes)
        if refusal is not None:
            self._refuse(request, refusal)
            return
        if not self._calls:
            self.clock.wait_begins()
        self._unanswered_bytes += sum(sizes)
        task = self._loop.create_task(self._host.call(request.call))
        self._calls[request.number] = task
        task.add_done_callback(partial(self._on_answer, request.number, sum(sizes)))

    def _why_refused(self, sizes: list[int]) -> str | None:
        limits = self._limits
        if self.stopped_after is not None or self._failure is not None:
            return "the cell was stopped"
        if len(self._calls) >= limits.calls_at_once:
            return f"more than {limits.calls_at_once} calls at once; use the batched form"
        longest = max(sizes, default=0)
        if longest > limits.prompt_bytes:
            return f"a prompt of {longest:,} bytes; at most {limits.prompt_bytes:,}"
        self._prompt_bytes += sum(sizes)
        if self._prompt_bytes > limits.cell_prompt_bytes:
            return f"more than {limits.cell_prompt_bytes:,} bytes of prompts in one cell"
        return None

    def _on_answer(self, number: int, n_bytes: int, task: "asyncio.Task[CellReply]") -> None:
        del self._calls[number]
        self._unanswered_bytes -= n_bytes
        if not self._calls:
            self.clock.wait_ends()
        if task.cancelled():
            self._reply(number, CellReply(refusal="the cell was stopped"))
        elif (failure := task.exception()) is not None:
            self._failure = failure
            self._reply(number, CellReply(refusal="the run ends here"))
            self._worker.channel.wake()
        else:
            self._reply(number, task.result())

    def _refuse(self, request: CallRequest, refusal: str) -> None:
        self._reply(request.number, CellReply(refusal=refusal))

    def _reply(self, number: int, reply: CellReply) -> None:
        if self._worker.channel.unsent_bytes > _MAX_UNSENT_BYTES:
            self._is_deaf = True
            self._worker.channel.wake()
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
            if not call.cancelling():  # a second time would cut its cleaning up short
                call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
