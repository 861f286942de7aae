"""In-process stand-ins for the REPL: real cells by `exec`, no process, no confinement.

They keep the promises of `interfaces.Interpreter` that the engine rests on; the same cases run
over the real pool in tests/contracts.
"""

import ast
import asyncio
import functools
import io
import traceback
from collections.abc import Callable, Sequence

from rlm_local.errors import RunError, SandboxError
from rlm_local.interfaces import CellHost, Context, Interpreter, InterpreterPool
from rlm_local.types import (
    CellCall,
    CellReply,
    CellResult,
    ContextSlice,
    Json,
    SubcallOutcome,
)

__all__ = ["InProcessInterpreter", "InProcessPool"]


class _Finished(BaseException):
    """Raised by FINAL, so that `except Exception` of a cell does not catch it."""


class _HostLost(BaseException):
    """Carries what must end the run through a cell."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


NOTHING_SEEN: dict[str, Json] = {
    "shape": "text", "told": "", "fields": [], "labels": [], "n": 0, "passages": ""
}  # fmt: skip
"""What `look` finds in a text unless a test says otherwise."""


class InProcessInterpreter:
    """Runs cells in a thread, so that a cell may wait for the host."""

    def __init__(self, text: str, *, broken: SandboxError | None = None) -> None:
        self.text = text
        self.closed = False
        self.codes: list[str] = []
        self.interrupted = 0
        self.broken = broken
        self.restarts_next = False
        self.found: object = dict(NOTHING_SEEN)
        self._final: str | None = None
        self._print: Callable[..., None] = print
        self._names: dict[str, object] = {"answer": {"content": "", "ready": False}}

    async def run(self, code: str, host: CellHost, *, timeout_s: float) -> CellResult:
        """Run one cell; cancelling gives the cell up."""
        self.codes.append(code)
        if self.broken:
            raise self.broken
        loop = asyncio.get_running_loop()
        calls: set[asyncio.Task[CellReply]] = set()

        def call(request: CellCall) -> CellReply:
            async def serve() -> CellReply:
                task = asyncio.ensure_future(host.call(request))
                calls.add(task)
                return await task

            future = asyncio.run_coroutine_threadsafe(serve(), loop)
            try:
                reply = future.result()
            except (RunError, asyncio.CancelledError) as error:
                raise _HostLost(error) from None
            if reply.refusal is not None:
                raise RuntimeError(reply.refusal)
            for note in reply.notes:
                self._print(f"[note] {note}")
            return reply

        work = loop.run_in_executor(None, self._execute, code, call)
        try:
            return await asyncio.shield(work)
        except _HostLost as lost:
            raise lost.error from None
        except asyncio.CancelledError:
            self.interrupted += 1
            for task in calls:
                task.cancel()
            await asyncio.wait([work])
            work.exception()
            raise

    async def aclose(self) -> None:
        """Note that it was closed."""
        self.closed = True

    def _execute(self, code: str, call: Callable[[CellCall], CellReply]) -> CellResult:
        self._install(call)
        printed = io.StringIO()
        self._print = functools.partial(print, file=printed)
        value: object = None
        error: BaseException | None = None
        self._names["print"] = self._print
        try:
            value = self._run(code)
        except _Finished:
            pass
        except _HostLost:
            raise
        except BaseException as failed:  # noqa: BLE001  # a cell may raise anything
            error = failed
        final, self._final = self._final, None
        answer = self._names.get("answer")
        if final is None and isinstance(answer, dict) and answer.get("ready"):
            final, answer["ready"] = str(answer["content"]), False
        lines = traceback.format_exception_only(error) if error else []
        return CellResult(
            stdout=printed.getvalue(),
            stdout_chars=len(printed.getvalue()),
            result=None if value is None else repr(value),
            error="".join(lines).strip() if error else None,
            error_type=type(error).__name__ if error else None,
            final=final,
            seconds=0.0,
            restarted=self.restarts_next,
        )

    def _run(self, code: str) -> object:
        tree = ast.parse(code)
        last = tree.body[-1] if tree.body else None
        if not isinstance(last, ast.Expr):
            exec(compile(tree, "<cell>", "exec"), self._names)
            return None
        tree.body.pop()
        exec(compile(tree, "<cell>", "exec"), self._names)
        return eval(compile(ast.Expression(last.value), "<cell>", "eval"), self._names)

    def _install(self, call: Callable[[CellCall], CellReply]) -> None:
        def finish(value: object) -> None:
            self._final = str(value)
            raise _Finished

        def llm_query_batched(prompts: Sequence[str], **args: Json) -> list[object]:
            return _values(call(CellCall("llm_query", dict(args), tuple(prompts))).outcomes)

        def rlm_query_batched(
            prompts: Sequence[str],
            contexts: Sequence[str] | None = None,
            slices: Sequence[Sequence[int] | None] | None = None,
        ) -> list[object]:
            args: dict[str, Json] = {"has_context": contexts is not None or slices is not None}
            texts = list(prompts)
            if contexts is not None:
                texts = [t for pair in zip(prompts, contexts, strict=True) for t in pair]
                args["slices"] = [None] * len(prompts)
            if slices is not None:
                args["slices"] = [None if place is None else list(place) for place in slices]
            return _values(call(CellCall("rlm_query", args, tuple(texts))).outcomes)

        def search(query: str, k: int = 5) -> list[str]:
            return [hit.text for hit in call(CellCall("search", {"k": k}, (query,))).passages]

        self._names |= {
            "context": self.text,
            "grep": lambda word: [line for line in self.text.split("\n") if word in line],
            "search": search,
            "look": lambda question: self.found,
            "llm_query": lambda prompt, **args: llm_query_batched([prompt], **args)[0],
            "llm_query_batched": llm_query_batched,
            "rlm_query": lambda prompt, context=None: rlm_query_batched(
                [prompt], None if context is None else [context]
            )[0],
            "rlm_query_batched": rlm_query_batched,
            "raw_call": lambda fn, args, *texts: call(CellCall(fn, args, texts)),
            "FINAL": finish,
            "FINAL_VAR": lambda name: finish(self._names[name]),
            "SHOW_VARS": lambda: sorted(self._names),
        }


class InProcessPool:
    """Starts in-process REPLs over one context and keeps them for a test to look at."""

    def __init__(self, context: Context, *, broken: SandboxError | None = None) -> None:
        self.started: list[InProcessInterpreter] = []
        self.places: list[ContextSlice | str | None] = []
        self.cannot_start: SandboxError | None = None
        self.found: object = dict(NOTHING_SEEN)
        self._context = context
        self._broken = broken

    async def start(
        self, *, part: ContextSlice | None = None, text: str | None = None
    ) -> Interpreter:
        """A REPL over the whole context, a slice of it, or a text."""
        if self.cannot_start:
            raise self.cannot_start
        self.places.append(part or text)
        if text is None:
            text = self._context.read(part or ContextSlice(0, self._context.facts.chars))
        started = InProcessInterpreter(text, broken=self._broken)
        started.found = self.found
        self.started.append(started)
        return started

    async def aclose(self) -> None:
        """Nothing to kill."""


def _values(outcomes: Sequence[SubcallOutcome]) -> list[object]:
    return [
        outcome.text if outcome.error is None else f"<failed: {outcome.error}>"
        for outcome in outcomes
    ]


_interpreter: type[Interpreter] = InProcessInterpreter
_pool: type[InterpreterPool] = InProcessPool
