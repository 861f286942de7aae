"""`RLM`: the Python face. A question and a context in, an `Answer` out.

Wires one run: context, REPL, engine, trace. Which models are asked, and how they are served, is
`stacks`' and `endpoints`' business.
"""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Protocol

from rlm_local.cell_limits import check_cell_limits
from rlm_local.config import Home, RunConfig, check_cache_salt, check_sandbox_policy
from rlm_local.context.mapped_file import MappedContext, count_tokens_exactly, open_context
from rlm_local.context.sources import ContextInput
from rlm_local.engine.loop import Engine
from rlm_local.engine.recording import Recording
from rlm_local.errors import ConfigError
from rlm_local.events import Event
from rlm_local.interfaces import EventSink, TokenCounter
from rlm_local.sandbox.properties import SandboxReport, judge
from rlm_local.sandbox.zygote_pool import ZygotePool
from rlm_local.serving.tokenizer import RatioTokenCounter
from rlm_local.session.inputs import ContextLike, as_inputs, question_of
from rlm_local.session.loop_thread import LoopThread
from rlm_local.session.models import OpenModels
from rlm_local.session.remarks import remarks_on
from rlm_local.session.results import KeptResults
from rlm_local.session.settings import Settings
from rlm_local.session.tracing import Fanout, open_trace
from rlm_local.types import Answer, Limits

__all__ = ["RLM", "ContextLike", "Progress", "as_inputs", "question_of"]


class Progress(EventSink, Protocol):
    """Is told of events and of the phases of a server's start. `cli.progress` implements it."""

    def phase(self, name: str, elapsed_s: float) -> None:
        """A model server reached a phase of its start."""
        ...

    def warn(self, message: str) -> None:
        """Something the user should read, such as a trace that could not be written."""
        ...


class _Silence:
    def emit(self, event: Event) -> None:
        pass

    def phase(self, name: str, elapsed_s: float) -> None:
        pass

    def warn(self, message: str) -> None:
        pass


class _MonotonicClock:
    def now_s(self) -> float:
        return time.monotonic()


class RLM:
    """Answers questions over contexts of any size with a root and a worker model.

    `RLM(base_url=...)` uses OpenAI-shaped endpoints that already run; `RLM.local(...)` plans,
    starts and stops vLLM itself, or uses servers that `rlm-local up` keeps. Models are opened at
    the first question (or on entering `with`) and kept until `close()`.

    The methods without `a` block; they may be called from any thread, also inside a notebook.
    """

    def __init__(  # noqa: PLR0913  # the contract: design section 10
        self,
        *,
        base_url: str | Sequence[str],
        root: str,
        worker: str | None = None,
        api_key: str | None = None,
        worker_base_url: str | Sequence[str] | None = None,
        worker_api_key: str | None = None,
        limits: Limits | None = None,
        sandbox: str | None = None,
        settings: Settings | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Use endpoints that already run.

        Args:
            base_url: the endpoint, such as `http://127.0.0.1:8000/v1`; several, where each
                serves a copy of the models.
            root: name of the root model there.
            worker: name of the worker model; the root when absent.
            api_key: the endpoints' key.
            worker_base_url: where the worker is served, if elsewhere; one or several.
            worker_api_key: the key there; the root's is not shown to other servers.
            limits: what each run may spend.
            sandbox: `auto`, `require-full`, `sealed` or `off`.
            settings: everything else.
            progress: is told what happens.
        """
        from rlm_local.session.endpoints import EndpointNames, Served, open_endpoints

        urls = _as_urls(base_url)
        worker_urls = urls if worker_base_url is None else _as_urls(worker_base_url)
        worker_key = api_key if worker_base_url is None else worker_api_key
        names = EndpointNames(
            Served(urls, api_key, root), Served(worker_urls, worker_key, worker or root)
        )
        self._setup(
            lambda: open_endpoints(names, self._settings, self._progress.warn),
            _merged(settings, limits, sandbox),
            progress,
        )

    @classmethod
    def local(
        cls,
        stack: str = "auto",
        *,
        limits: Limits | None = None,
        sandbox: str | None = None,
        settings: Settings | None = None,
        progress: Progress | None = None,
    ) -> "RLM":
        """Use a stack of models.yaml; `auto` takes the largest that fits and is pulled."""
        from rlm_local.session.stacks import open_stack

        rlm = cls.__new__(cls)
        rlm._setup(
            lambda: open_stack(stack, rlm._settings, rlm._progress),
            _merged(settings, limits, sandbox),
            progress,
        )
        return rlm

    def _setup(
        self,
        opener: Callable[[], Awaitable[OpenModels]],
        settings: Settings,
        progress: Progress | None,
    ) -> None:
        self._opener = opener
        self._settings = settings
        self._policy = check_sandbox_policy(settings.sandbox)
        check_cell_limits(settings.cells)
        check_cache_salt(settings.cache_salt)
        self._home = Home.from_environment()
        self._progress: Progress = progress or _Silence()
        self._kept = KeptResults(self._home, settings.cache, self._progress.warn)
        self._models: OpenModels | None = None
        self._opening: asyncio.Lock | None = None
        self._loop: LoopThread | None = None
        self._closed = False

    def complete(
        self,
        context: ContextLike,
        question: str | None = None,
        *,
        recording: Recording | None = None,
    ) -> Answer:
        """Answer `question` over `context`; blocks.

        With one string and no question it behaves like any model: the string is the prompt, and
        its last paragraph counts as the question. With a `recording` (`session.resuming`) its
        run goes on over the same context, and its question is asked.

        Raises:
            UserError: something the caller must change.
            RunError: the run failed before there was anything to answer with.
        """
        return self._thread().call(self._complete(context, question, recording))

    async def acomplete(
        self,
        context: ContextLike,
        question: str | None = None,
        *,
        recording: Recording | None = None,
    ) -> Answer:
        """`complete` for callers with an event loop of their own; cancelling it ends the run."""
        thread = self._thread()
        work = thread.submit(self._complete(context, question, recording))
        return await asyncio.wrap_future(work)

    def open(self) -> None:
        """Start or find the models now, rather than at the first question."""
        self._thread().call(self._open_models())

    def close(self) -> None:
        """Stop what this object started. Safe to call twice."""
        self._closed = True
        if self._loop is None:
            return
        loop, self._loop = self._loop, None
        try:
            loop.call(self._close_models())
        finally:
            loop.close()

    def __enter__(self) -> "RLM":
        try:
            self.open()
        except BaseException:  # whatever stopped the opening, nothing may be left running
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _thread(self) -> LoopThread:
        if self._closed:
            raise ConfigError("this RLM is closed; make a new one")
        if self._loop is None:
            self._loop = LoopThread()
        return self._loop

    async def _open_models(self) -> OpenModels:
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._models is None:
                self._models = await self._opener()
            return self._models

    async def _close_models(self) -> None:
        await self._kept.aclose()
        if self._models is not None:
            models, self._models = self._models, None
            await models.aclose()

    async def _complete(
        self, context: ContextLike, question: str | None, recording: Recording | None
    ) -> Answer:
        inputs = as_inputs(context)
        asked = question_of(inputs, recording.start.question if recording else question)
        async with AsyncExitStack() as parts:
            # Read first: an empty folder should not cost the start of a server.
            mapped = await self._read(inputs)
            parts.callback(mapped.close)
            if recording:
                recording.check_question(question)
                recording.check_context(mapped.facts)
            models = await self._open_models()
            await asyncio.to_thread(self._count, mapped, models.models.root.tokens)
            pool = await ZygotePool.open(
                mapped,
                models.repl_facts(),
                policy=self._policy,
                memory_bytes=self._settings.limits.cell_memory_bytes,
                cells=self._settings.cells,
            )
            parts.push_async_callback(pool.aclose)
            sandbox = judge(pool.report, self._policy)
            trace = open_trace(self._settings.trace, self._home, self._progress.warn)
            parts.callback(trace.close)
            engine = Engine(
                models.models,
                profile=models.profile,
                config=self._run_config(models, sandbox),
                sink=Fanout((trace, self._progress)),
                clock=_MonotonicClock(),
                results=self._kept.of(models),
            )
            answer = await engine.run(asked, mapped, pool, recording=recording)
        return dataclasses.replace(
            answer, trace=trace.written_to, sandbox=sandbox.policy, sandbox_level=sandbox.level
        )

    async def _read(self, inputs: Sequence[ContextInput]) -> MappedContext:
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(None, self._open_context, inputs)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            # The thread cannot be stopped; what it still opens nobody else would close.
            reading.add_done_callback(_close_unused)
            raise

    def _open_context(self, inputs: Sequence[ContextInput]) -> MappedContext:
        mapped = open_context(
            inputs,
            self._settings.read,
            counter=RatioTokenCounter(),
            scratch=self._home.folder("tmp"),
            index_folder=self._home.folder("indexes"),
        )
        for remark in remarks_on(mapped):
            self._progress.warn(remark)
        return mapped

    def _count(self, mapped: MappedContext, counter: TokenCounter) -> None:
        mapped.recount(counter)
        if self._settings.count_tokens and not mapped.facts.tokens.exact:
            count_tokens_exactly(mapped, counter, self._tell_counting())

    def _tell_counting(self) -> Callable[[int, int], None]:
        started_s = time.monotonic()

        def tell(done: int, total: int) -> None:
            tenths = done * 10 // total
            elapsed_s = time.monotonic() - started_s
            self._progress.phase(f"counting tokens, {tenths * 10} %", elapsed_s)

        return tell

    def _run_config(self, models: OpenModels, sandbox: SandboxReport) -> RunConfig:
        return RunConfig(
            limits=self._settings.limits,
            mode=self._settings.mode,
            direct_tokens=models.direct_tokens,
            agreement=self._settings.agreement,
            seed=self._settings.seed,
            stack=models.stack,
            cache_salt=self._settings.cache_salt,
            sandbox=sandbox.as_record(),
        )


def _as_urls(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _close_unused(reading: asyncio.Future[MappedContext]) -> None:
    if not reading.cancelled() and reading.exception() is None:
        reading.result().close()


def _merged(settings: Settings | None, limits: Limits | None, sandbox: str | None) -> Settings:
    merged = settings or Settings()
    if limits is not None:
        merged = dataclasses.replace(merged, limits=limits)
    if sandbox is not None:
        merged = dataclasses.replace(merged, sandbox=sandbox)
    return merged
