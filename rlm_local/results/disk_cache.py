"""The result cache of this machine: `interfaces.ResultCache` over `results.result_file`.

Reads and writes in a thread of its own, so that the event loop never waits for a disk. A run never
ends because of it: what goes wrong is told once, and the cache does less or nothing from then on.
"""

import asyncio
import hashlib
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from rlm_local.results.result_file import BrokenFile, FileFacts, ResultFile, set_aside

__all__ = ["CACHE_BYTES", "DiskCache", "ScopedCache"]

CACHE_BYTES = 2 << 30
"""Default bound of the file."""

T = TypeVar("T")


class DiskCache:
    """Replies under one folder, shared by every process of this user.

    Opens nothing before it is used. Use `scoped` to read and write replies.
    """

    def __init__(
        self, folder: Path, *, warn: Callable[[str], None], max_bytes: int = CACHE_BYTES
    ) -> None:
        self._folder = folder
        self._warn = warn
        self._max_bytes = max_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rlm_local-results")
        self._lock = threading.Lock()
        self._unwritten: dict[bytes, str] = {}
        self._file: ResultFile | None = None
        self._reads = self._writes = True
        self._was_broken = False
        self._closed = False

    def scoped(self, *scope: str) -> "ScopedCache":
        """A view that shares nothing with views of another scope.

        Args:
            scope: what else decides a reply or who may see it, such as the options a model is
                served with, and the key of whoever asks.
        """
        return ScopedCache(self, scope)

    async def get(self, keys: Sequence[bytes]) -> Mapping[bytes, str]:
        """The replies known, by key."""
        if not keys or not self._reads or self._closed:
            return {}
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._read, tuple(keys))

    def put(self, key: bytes, reply: str) -> None:
        """Keep one reply; written soon after, together with what else comes meanwhile."""
        if not self._writes or self._closed:
            return
        with self._lock:
            is_first = not self._unwritten
            self._unwritten[key] = reply
        if is_first:
            self._thread.submit(self._write)

    def facts(self) -> FileFacts | None:
        """What is on disk; None where it cannot be read."""
        return self._thread.submit(lambda: self._attempt(ResultFile.facts, None)).result()

    def clear(self) -> int:
        """Forget everything; returns how many replies there were."""
        return self._thread.submit(lambda: self._attempt(ResultFile.clear, 0)).result()

    def close(self) -> None:
        """Write what is left and close the file. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._thread.submit(self._end)
        self._thread.shutdown(wait=True)

    def __enter__(self) -> "DiskCache":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, keys: tuple[bytes, ...]) -> dict[bytes, str]:
        return self._attempt(lambda file: file.find(keys), {})

    def _write(self) -> None:
        with self._lock:
            replies, self._unwritten = self._unwritten, {}
        if replies and self._writes:
            self._attempt(lambda file: file.add(replies), None, is_write=True)

    def _end(self) -> None:
        self._write()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _attempt(
        self, step: Callable[[ResultFile], T], otherwise: T, *, is_write: bool = False
    ) -> T:
        """Take a step; a damaged file is set aside and the step taken on a new one."""
        try:
            return step(self._opened())
        except BrokenFile as damage:
            self._replace(damage)
            if not self._reads:
                return otherwise
        except (OSError, sqlite3.OperationalError) as error:
            self._give_up(error, is_write=is_write)
            return otherwise
        return self._attempt(step, otherwise, is_write=is_write)

    def _opened(self) -> ResultFile:
        if self._file is None:
            self._file = ResultFile(self._folder, max_bytes=self._max_bytes)
        return self._file

    def _replace(self, damage: BrokenFile) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._was_broken:  # twice in one run: something else writes to it
            self._reads = self._writes = False
            self._warn(f"the result cache is damaged again ({damage}); this run goes on without")
            return
        self._was_broken = True
        try:
            aside = set_aside(self._folder)
        except OSError as error:
            self._give_up(error, is_write=False)
            return
        self._warn(f"the result cache was damaged ({damage}): set aside as {aside}, begun anew")

    def _give_up(self, error: Exception, *, is_write: bool) -> None:
        """A full disk can still be read from; where reading fails, nothing is left to try."""
        told = not self._writes
        self._writes = False
        self._reads = self._reads and is_write and self._file is not None
        if not told:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._warn(
                f"nothing more is kept in the result cache {self._folder}: {reason}; "
                "the run goes on without"
            )


class ScopedCache:
    """One scope's view of a `DiskCache`; implements `interfaces.ResultCache`."""

    def __init__(self, cache: DiskCache, scope: Sequence[str]) -> None:
        self._cache = cache
        self._prefix = hashlib.blake2b(digest_size=32)
        for part in scope:
            data = part.encode("utf-8", "surrogatepass")
            self._prefix.update(b"%d:" % len(data) + data)

    async def get(self, keys: Sequence[bytes]) -> Mapping[bytes, str]:
        """The replies known, by key."""
        own = {self._own(key): key for key in keys}
        found = await self._cache.get(tuple(own))
        return {own[key]: reply for key, reply in found.items()}

    def put(self, key: bytes, reply: str) -> None:
        """Keep one reply."""
        self._cache.put(self._own(key), reply)

    def _own(self, key: bytes) -> bytes:
        own = self._prefix.copy()
        own.update(b"=" + key)
        return own.digest()
