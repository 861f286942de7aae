"""A Model in this process, on transformers: for machines without vLLM.

Gathers concurrent requests into batches for one worker thread. What a batch does is
`transformers_runner`; this is the asynchronous side and holds no tensor.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path

from rlm_local.capacity import FixedServer
from rlm_local.errors import ModelError, RlmError
from rlm_local.interfaces import Server, TokenCounter
from rlm_local.serving.compiled_constraints import CompiledConstraints
from rlm_local.serving.tokenizer import FileTokenCounter
from rlm_local.serving.transformers_runner import Job, Runner
from rlm_local.typed.fitting import check_constraint
from rlm_local.types import Completion, Json, ModelRequest

__all__ = ["TransformersModel"]

BATCH_WINDOW_S = 0.005
"""How long a request waits for others to share its batch."""


@dataclass(slots=True)
class TransformersModel:
    """One model of a local folder. Weights are read at the first request, or by `load`."""

    folder: Path
    _: KW_ONLY
    name: str
    digest: str
    context_tokens: int
    max_concurrency: int = 16
    """Rows of a batch, at most."""
    device: str = "cpu"
    """As torch names it: "cpu", "cuda", "cuda:1"."""
    chat_template_kwargs: Mapping[str, Json] = field(default_factory=dict)
    tokens: TokenCounter = field(init=False)
    _runner: Runner = field(init=False, repr=False)
    _thread: ThreadPoolExecutor = field(init=False, repr=False)
    _compiled: CompiledConstraints = field(init=False, repr=False)
    _waiting: list["_Waiting"] = field(init=False, repr=False, default_factory=list)
    _serving: "asyncio.Task[None] | None" = field(init=False, repr=False, default=None)
    _closed: bool = field(init=False, repr=False, default=False)

    def __post_init__(self) -> None:
        self.tokens = FileTokenCounter(self.folder / "tokenizer.json")
        self._runner = Runner(
            self.folder, self.device, self.context_tokens, self.chat_template_kwargs
        )
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="transformers")
        self._compiled = CompiledConstraints(self._vocabulary)

    @property
    def server(self) -> Server:
        """This process: it works on one batch at a time."""
        return FixedServer(f"in this process: {self.folder}", self.max_concurrency)

    @property
    def supports_prefill(self) -> bool:
        """Chat templates can leave the last message open."""
        return True

    async def load(self) -> None:
        """Read the weights now.

        Raises:
            WeightsError: the folder holds no safetensors model that can be read.
        """
        await asyncio.get_running_loop().run_in_executor(self._thread, self._runner.load)

    async def complete(self, request: ModelRequest) -> Completion:
        """One reply; see `interfaces.Model`. Requests alike in sampling share a batch."""
        if self._closed:
            raise ModelError(f"{self.name} is closed")
        started = time.perf_counter()
        automaton = None
        if request.constraint is not None:
            check_constraint(request.constraint)
            automaton = await self._compiled.get(request.constraint)
            if self._closed:
                raise ModelError(f"{self.name} is closed")
        waiting = _Waiting(Job(request, automaton), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        try:
            completion = await waiting.reply
        except asyncio.CancelledError:
            waiting.job.cancelled = True  # seen by the worker thread between two tokens
            raise
        return replace(completion, seconds=time.perf_counter() - started)

    async def aclose(self) -> None:
        """End the batch under way, fail what waits, free the memory."""
        if self._closed:
            return
        self._closed = True
        for waiting in self._waiting:
            waiting.job.cancelled = True
            waiting.fail(ModelError(f"{self.name} is closed"))
        await self._compiled.aclose()
        if self._serving:
            await self._serving
        await asyncio.get_running_loop().run_in_executor(self._thread, self._runner.free)
        self._thread.shutdown()

    async def _vocabulary(self) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._runner.vocabulary
        )

    async def _serve(self) -> None:
        """Run batches until nobody waits."""
        while self._waiting:
            await asyncio.sleep(BATCH_WINDOW_S)
            self._waiting = [waiting for waiting in self._waiting if not waiting.reply.done()]
            if self._waiting:
                await self._run(next_batch(self._waiting, self.max_concurrency))

    async def _run(self, batch: list["_Waiting"]) -> None:
        jobs = [waiting.job for waiting in batch]
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._thread, self._runner.run, jobs)
        await asyncio.wait([running])
        failure = running.exception()
        results = [self._our(failure) for _ in jobs] if failure else running.result()
        for waiting, result in zip(batch, results, strict=True):
            waiting.settle(result)

    def _our(self, failure: BaseException) -> RlmError:
        """Whatever a model's code raises must reach those who wait, or they wait for ever."""
        if isinstance(failure, RlmError):
            return failure
        error = ModelError(f"{self.name} failed: {type(failure).__name__}: {failure!s:.200}")
        error.__cause__ = failure
        return error


@dataclass(slots=True, eq=False)
class _Waiting:
    job: Job
    reply: "asyncio.Future[Completion]"

    def settle(self, result: Completion | RlmError) -> None:
        if isinstance(result, RlmError):
            self.fail(result)
        elif not self.reply.done():
            self.reply.set_result(result)

    def fail(self, error: RlmError) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)


def next_batch(waiting: Sequence[_Waiting], max_rows: int) -> list[_Waiting]:
    """The most urgent request, with others that are sampled and constrained like it."""
    by_urgency = sorted(waiting, key=lambda item: item.job.request.priority)
    first = by_urgency[0].job
    return [item for item in by_urgency if item.job.batch_key == first.batch_key][:max_rows]
