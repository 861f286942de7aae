"""What is known of sub-calls before the worker is asked: the resumed run's, and those on disk.

Asks no model. What this run itself was answered is the scheduler's to remember.
"""

import asyncio
from collections.abc import Callable, Sequence

from rlm_local.engine.recording import Recording
from rlm_local.engine.result_keys import is_repeatable, kept_key, request_key
from rlm_local.events import SubcallDone
from rlm_local.interfaces import ResultCache
from rlm_local.types import ModelRequest, Sampling

__all__ = ["KnownResults"]

_THREAD_CHARS = 200_000
"""Prompts longer than this in all are hashed in a thread, so that they do not hold the loop up."""


class KnownResults:
    """Looks replies up and keeps new ones, for the sub-calls of one run and its child runs."""

    def __init__(
        self, model_digest: str, cache: ResultCache | None, recording: Recording | None
    ) -> None:
        self._digest = model_digest
        self._cache = cache
        self._recording = recording

    async def keys(self, requests: Sequence[ModelRequest]) -> list[bytes]:
        """One key a request."""
        if sum(len(item.content) for it in requests for item in it.messages) < _THREAD_CHARS:
            return [request_key(request) for request in requests]
        return await asyncio.to_thread(lambda: [request_key(request) for request in requests])

    async def on_disk(
        self, keys: Sequence[bytes], sampling: Sampling, is_fit: Callable[[str], bool]
    ) -> dict[bytes, str]:
        """The replies of the result cache that have the form asked for, by request key."""
        if self._cache is None or not is_repeatable(sampling):
            return {}
        kept = {kept_key(self._digest, key): key for key in keys}
        found = await self._cache.get(tuple(kept))
        return {kept[key]: reply for key, reply in found.items() if is_fit(reply)}

    def is_on_record(self, key: bytes) -> bool:
        """Whether `on_record` has something to give."""
        return self._recording is not None and self._recording.has_worker_reply(key)

    def on_record(self, key: bytes) -> SubcallDone | None:
        """What became of the request in the run that is resumed."""
        return self._recording.take_worker_reply(key) if self._recording else None

    def keep(self, key: bytes, sampling: Sampling, reply: str) -> None:
        """Keep a reply on disk, where the same request would be answered the same."""
        if self._cache is not None and is_repeatable(sampling):
            self._cache.put(kept_key(self._digest, key), reply)
