"""Fixtures of the sandbox tests: pools over a text in memory, all closed in the end."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

import pytest

from rlm_local.cell_limits import CellLimits
from rlm_local.config import SandboxPolicy
from rlm_local.interfaces import CellHost
from rlm_local.sandbox.worker_process import WorkerProcess
from rlm_local.sandbox.zygote_pool import ReplFacts, ZygotePool
from rlm_local.types import CellResult
from tests.fakes.memory_context import EchoHost, MemoryContext

FACTS = ReplFacts(worker_prompt_chars=4000, chunk_chars=100)


class OpenPool(Protocol):
    def __call__(
        self,
        text: str = ...,
        *,
        documents: Sequence[tuple[str, str]] = ...,
        policy: SandboxPolicy = ...,
        memory_bytes: int | None = ...,
        cells: CellLimits | None = ...,
        without: frozenset[str] = ...,
    ) -> Awaitable[ZygotePool]: ...


class Repl:
    """One REPL with a host, for tests that send cells one after the other."""

    def __init__(self, worker: WorkerProcess, host: CellHost) -> None:
        self.worker = worker
        self.host = host

    async def __call__(self, code: str, *, timeout_s: float = 20.0) -> CellResult:
        return await self.worker.run(code, self.host, timeout_s=timeout_s)


class OpenRepl(Protocol):
    def __call__(
        self,
        text: str = ...,
        *,
        host: CellHost | None = ...,
        documents: Sequence[tuple[str, str]] = ...,
        policy: SandboxPolicy = ...,
        memory_bytes: int | None = ...,
        cells: CellLimits | None = ...,
        without: frozenset[str] = ...,
    ) -> Awaitable[Repl]: ...


@pytest.fixture
async def open_pool() -> AsyncIterator[OpenPool]:
    opened: list[Callable[[], Awaitable[None]]] = []
    contexts: list[MemoryContext] = []

    async def open_one(
        text: str = "",
        *,
        documents: Sequence[tuple[str, str]] = (),
        policy: SandboxPolicy = "auto",
        memory_bytes: int | None = None,
        cells: CellLimits | None = None,
        without: frozenset[str] = frozenset(),
    ) -> ZygotePool:
        context = MemoryContext(text, documents)
        contexts.append(context)
        pool = await ZygotePool.open(
            context, FACTS, policy=policy, memory_bytes=memory_bytes, cells=cells, without=without
        )
        opened.append(pool.aclose)
        return pool

    yield open_one
    for close in opened:
        await close()
    for context in contexts:
        context.close()


@pytest.fixture
def open_repl(open_pool: OpenPool) -> OpenRepl:
    async def open_one(
        text: str = "some text\n",
        *,
        host: CellHost | None = None,
        documents: Sequence[tuple[str, str]] = (),
        policy: SandboxPolicy = "auto",
        memory_bytes: int | None = None,
        cells: CellLimits | None = None,
        without: frozenset[str] = frozenset(),
    ) -> Repl:
        pool = await open_pool(
            text,
            documents=documents,
            policy=policy,
            memory_bytes=memory_bytes,
            cells=cells,
            without=without,
        )
        return Repl(await pool.start(), host or EchoHost())

    return open_one
