"""A REPL that outlives its processes: runs cells, and starts anew when a process had to go.

Implements `interfaces.Interpreter`. Where processes come from is the pool's business.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from rlm_local.cell_limits import CellLimits
from rlm_local.errors import SandboxError
from rlm_local.interfaces import CellHost
from rlm_local.sandbox.cell_exchange import CellExchange, WorkerLost
from rlm_local.sandbox.child.output import cut_middle
from rlm_local.sandbox.child.wire import FrameError
from rlm_local.sandbox.live_worker import LiveWorker
from rlm_local.sandbox.memory_watch import MemoryWatch
from rlm_local.sandbox.messages import Done
from rlm_local.types import CellResult

__all__ = ["WorkerProcess"]

_NAMES_TOLD = 20
_CUT_MARK_CHARS = 200  # of the line in a text that says how much is left out


class WorkerProcess:
    """One REPL over one context; cells one at a time."""

    def __init__(
        self,
        worker: LiveWorker,
        start_another: Callable[[], Awaitable[LiveWorker]],
        *,
        cells: CellLimits | None = None,
        watch: MemoryWatch | None = None,
    ) -> None:
        """`watch` is that of the pool, so that its REPLs are compared with one another."""
        self._worker: LiveWorker | None = worker
        self._start_another = start_another
        self._limits = cells or CellLimits()
        self._watch = watch or MemoryWatch()
        self._cell = 0
        self._is_running = False
        self._is_closed = False
        self._restarts = 0  # since the last cell that ended as cells should
        self._variables: tuple[str, ...] = ()

    @property
    def pid(self) -> int | None:
        """Of the living process, as the host sees it; None between two."""
        return None if self._worker is None or self._worker.is_dead else self._worker.pid

    @property
    def is_closed(self) -> bool:
        """Whether it was closed for good."""
        return self._is_closed

    async def run(self, code: str, host: CellHost, *, timeout_s: float) -> CellResult:
        """Run one cell; see `interfaces.Interpreter.run`."""
        if self._is_closed or self._is_running:
            state = "is closed" if self._is_closed else "runs a cell already"
            raise SandboxError(f"this REPL {state}")
        self._is_running = True
        try:
            return await self._run(code, host, timeout_s)
        finally:
            self._is_running = False

    async def aclose(self) -> None:
        """Kill the process and wait for it. Safe to call twice."""
        self._is_closed = True
        await self._drop_worker()

    async def _run(self, code: str, host: CellHost, timeout_s: float) -> CellResult:
        lost_before = await self._replace_dead()
        worker = self._worker
        if worker is None:
            raise SandboxError("this REPL is closed")
        self._cell += 1
        exchange = CellExchange(
            worker,
            host,
            cell=self._cell,
            timeout_s=timeout_s,
            cells=self._limits,
            watch=self._watch,
        )
        done: Done | None = None
        try:
            done = await exchange.run(code)
        except WorkerLost as lost:
            reason = str(lost)
        except FrameError as error:
            raise SandboxError(f"the cell cannot be sent: {error}") from None
        finally:
            raw_output = worker.output.text(self._limits.output_chars)
            if exchange.is_lost:
                await self._drop_worker()
        if done is None:
            return await self._restart(exchange, reason, raw_output)
        self._restarts = 0
        self._variables = done.variables
        result = self._result(done, exchange, raw_output)
        if lost_before is None:
            return result
        note = f"[note] the REPL was restarted before this cell. {_told_lost(lost_before)}\n"
        return replace(result, stdout=note + result.stdout, restarted=True, lost_names=lost_before)

    async def _replace_dead(self) -> tuple[str, ...] | None:
        """Start anew where the last process is gone; the names that went with it, else None."""
        if self._worker is not None and not self._worker.is_dead:
            return None
        await self._drop_worker()
        return await self._start_anew("its process ended between two cells")

    async def _restart(self, exchange: CellExchange, reason: str, raw_output: str) -> CellResult:
        lost = await self._start_anew(reason)
        after = f" after {exchange.stopped_after}" if exchange.stopped_after else ""
        return CellResult(
            stdout=raw_output,
            stdout_chars=len(raw_output),
            result=None,
            error=f"The REPL was restarted{after}: {reason}. {_told_lost(lost)}",
            error_type="Restarted",
            final=None,
            seconds=exchange.clock.seconds,
            host_wait_s=exchange.clock.waited_s,
            interrupted=exchange.stopped_after is not None,
            restarted=True,
            lost_names=lost,
        )

    async def _start_anew(self, reason: str) -> tuple[str, ...]:
        self._restarts += 1
        if self._restarts > self._limits.restarts:
            raise SandboxError(
                f"the REPL had to be restarted {self._restarts} times in a row; last: {reason}"
            )
        worker = await self._start_another()
        if self._is_closed:
            await worker.kill()
            raise SandboxError("this REPL was closed")
        self._worker = worker
        lost, self._variables = self._variables, ()
        return lost

    def _result(self, done: Done, exchange: CellExchange, raw_output: str) -> CellResult:
        stdout, stdout_chars = self._cut(done.stdout), done.stdout_chars
        if raw_output:
            between = "" if stdout.endswith("\n") or not stdout else "\n"
            stdout = f"{stdout}{between}{raw_output}"
            stdout_chars += len(raw_output)
        interrupted = exchange.stopped_after is not None and done.interrupted
        error = None if done.error is None else self._cut(done.error)
        if interrupted:
            stopped = f"Stopped after {exchange.stopped_after}. Variables are kept."
            error = f"{stopped}\n{error or ''}".rstrip()
        return CellResult(
            stdout=stdout,
            stdout_chars=stdout_chars,
            result=None if done.result is None else self._cut(done.result),
            error=error,
            error_type=done.error_type,
            final=done.final,
            seconds=exchange.clock.seconds,
            host_wait_s=exchange.clock.waited_s,
            interrupted=interrupted,
        )

    def _cut(self, text: str) -> str:
        """The process cuts its texts itself; one that does not is not let off."""
        cap_chars = self._limits.output_chars
        return text if len(text) <= cap_chars + _CUT_MARK_CHARS else cut_middle(text, cap_chars)

    async def _drop_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.kill()


def _told_lost(names: tuple[str, ...]) -> str:
    told = ", ".join(names[:_NAMES_TOLD]) or "none"
    more = f" and {len(names) - _NAMES_TOLD} more" if len(names) > _NAMES_TOLD else ""
    return f"All variables you defined are lost; `context` is available again. Lost: {told}{more}."
