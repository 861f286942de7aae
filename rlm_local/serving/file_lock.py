"""Locks on files that die with their holder. One machine, one home folder."""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from rlm_local.errors import ServerError

__all__ = ["OnWait", "hold"]

OnWait = Callable[[float], None]
"""Told about once a second for how long a lock has been waited for."""

POLL_S = 0.2


@contextlib.asynccontextmanager
async def hold(
    path: Path, *, wait_s: float, what: str, on_wait: OnWait = lambda waited_s: None
) -> AsyncIterator[int]:
    """Hold a lock; gives its descriptor, a copy of which holds it on in another process.

    Raises:
        ServerError: another process kept it for longer than `wait_s`; says at `what`.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        started, told_at_s = time.monotonic(), -1.0
        while not _locked(fd):
            waited_s = time.monotonic() - started
            if waited_s >= wait_s:
                raise ServerError(
                    f"another rlm-local has been {what} for {wait_s:.0f} s; wait for it, or end it"
                )
            if told_at_s < 0 or waited_s - told_at_s >= 1.0:
                told_at_s = waited_s
                on_wait(waited_s)
            await asyncio.sleep(POLL_S)
        yield fd
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
