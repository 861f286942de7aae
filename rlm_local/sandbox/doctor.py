"""What this machine gives a sandbox, as a REPL that was started for it reports it.

The REPL is a real one, over an empty text, started by a real pool: what is told was tried from
inside and checked from outside. `properties` says what it means; prints nothing.
"""

import os
from collections.abc import Sequence

from rlm_local.config import SandboxPolicy
from rlm_local.errors import SandboxError, SandboxUnavailable
from rlm_local.sandbox.properties import SandboxReport, judge
from rlm_local.sandbox.zygote_pool import ReplFacts, ZygotePool
from rlm_local.types import ContextFacts, ContextSlice, DocumentSpan, Passage, TokenCount

__all__ = ["sandbox_report"]

_SHA256_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


async def sandbox_report(policy: SandboxPolicy = "auto") -> SandboxReport:
    """Start one REPL under `policy` and judge what it reports.

    Where none can be confined as asked, the level is "unavailable" and `reason` says why.
    """
    context = _EmptyContext()
    try:
        pool = await ZygotePool.open(context, ReplFacts(1, 1), policy=policy)
        try:
            return judge(pool.report, policy)
        finally:
            await pool.aclose()
    except (SandboxError, SandboxUnavailable) as error:
        return SandboxReport(policy, "unavailable", (), {}, reason=str(error))
    finally:
        context.close()


class _EmptyContext:
    """A context of no characters."""

    facts = ContextFacts(0, 0, 0, TokenCount(0, exact=True), 0, _SHA256_OF_NOTHING)
    documents: Sequence[DocumentSpan] = ()

    def __init__(self) -> None:
        self._fd = os.memfd_create("nothing")

    def fileno(self) -> int:
        return self._fd

    def head(self, n_chars: int) -> str:
        return ""

    def tail(self, n_chars: int) -> str:
        return ""

    def read(self, part: ContextSlice) -> str:
        return ""

    async def search(self, query: str, k: int) -> tuple[Passage, ...]:
        return ()

    def close(self) -> None:
        os.close(self._fd)
