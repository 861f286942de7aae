"""REPLs to measure: pools over a text in a file, a host that answers at once, and the load beside.

Knows nothing of what is measured. Uses the sandbox's own interface, below the command line's.
"""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from benchmarks.report import Value
from benchmarks.texts import plain_english
from rlm_local.config import SandboxPolicy
from rlm_local.context.mapped_file import MappedContext, open_context
from rlm_local.context.sources import ReadOptions
from rlm_local.sandbox.zygote_pool import ReplFacts, ZygotePool
from rlm_local.serving.tokenizer import RatioTokenCounter
from rlm_local.types import CellCall, CellReply, SubcallOutcome

__all__ = ["InstantHost", "conditions", "open_pool", "text_of"]

_FACTS = ReplFacts(worker_prompt_chars=20_000, chunk_chars=4_000)


class InstantHost:
    """A `CellHost` whose worker answers each prompt with its first characters, at once."""

    def __init__(self) -> None:
        self.n_calls = 0

    async def call(self, call: CellCall) -> CellReply:
        """The answers."""
        self.n_calls += 1
        return CellReply(tuple(SubcallOutcome(f"<{text[:100]}>") for text in call.texts))


@contextmanager
def text_of(n_chars: int) -> Iterator[MappedContext]:
    """A context of so many ASCII characters, read from a file as a user's is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "text.txt"
        with path.open("w", encoding="utf-8") as out:
            plain_english(out, n_chars)
        context = open_context(
            [path],
            ReadOptions(),
            counter=RatioTokenCounter(),
            scratch=folder,
            index_folder=folder / "indexes",
        )
        try:
            yield context
        finally:
            context.close()


@asynccontextmanager
async def open_pool(
    context: MappedContext,
    *,
    policy: SandboxPolicy = "auto",
    memory_bytes: int | None = None,
    without: frozenset[str] = frozenset(),
) -> AsyncIterator[ZygotePool]:
    """A pool that is closed in the end."""
    pool = await ZygotePool.open(
        context, _FACTS, policy=policy, memory_bytes=memory_bytes, without=without
    )
    try:
        yield pool
    finally:
        await pool.aclose()


def conditions(before: tuple[float, float, float]) -> dict[str, Value]:
    """What else ran: `before` is what `os.getloadavg` said at the start."""
    after = os.getloadavg()
    return {
        "load average": f"{before[0]:.2f} before, {after[0]:.2f} after (ours is part of it)",
        "user": "root" if os.geteuid() == 0 else f"uid {os.geteuid()}",
        "kernel": os.uname().release,
    }
