"""What is known of sub-calls before the worker is asked: by the resumed run, on disk, beside it.

Asks no model. What this run itself was answered is the scheduler's to remember.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rlm_local.engine.recording import Recording
from rlm_local.engine.result_keys import is_repeatable, kept_key, request_key
from rlm_local.engine.shared_calls import CallUnderWay, SharedReplies
from rlm_local.events import SubcallDone
from rlm_local.types import ModelRequest, Sampling

__all__ = ["KnownResults"]

_THREAD_CHARS = 200_000
"""Prompts longer than this in all are hashed in a thread, so that they do not hold the loop up."""


class KnownResults:
    """Looks replies up and hands on new ones, for the sub-calls of one run and its child runs.

    Where replies are kept, those under way in other runs of the same salt are waited for.
    """

    def __init__(
        self,
        model_digest: str,
        shared: SharedReplies | None,
        recording: Recording | None,
        *,
        salt: str | None = None,
    ) -> None:
        self._digest = model_digest
        self._shared = shared
        self._recording = recording
        self._salt = b"" if salt is None else b"\n" + salt.encode("utf-8", "surrogatepass")

    async def keys(self, requests: Sequence[ModelRequest]) -> list[bytes]:
        """One key a request."""
        if sum(len(item.content) for it in requests for item in it.messages) < _THREAD_CHARS:
            return [request_key(request) for request in requests]
        return await asyncio.to_thread(lambda: [request_key(request) for request in requests])

    async def on_disk(
        self, keys: Sequence[bytes], sampling: Sampling, is_fit: Callable[[str], bool]
    ) -> dict[bytes, str]:
        """The replies of the result cache that have the form asked for, by request key."""
        shared = self._shared_for(sampling)
        if shared is None:
            return {}
        kept = {kept_key(self._digest, key): key for key in keys}
        found = await shared.cache.get(tuple(kept))
        return {kept[key]: reply for key, reply in found.items() if is_fit(reply)}

    def is_on_record(self, key: bytes) -> bool:
        """Whether `on_record` has something to give."""
        return self._recording is not None and self._recording.has_worker_reply(key)

    def on_record(self, key: bytes) -> SubcallDone | None:
        """What became of the request in the run that is resumed."""
        return self._recording.take_worker_reply(key) if self._recording else None

    def under_way(self, keys: Sequence[bytes], sampling: Sampling) -> dict[bytes, CallUnderWay]:
        """The requests that another run is asking now, by request key.

        To be looked for before those on disk: what ends in between is then in neither place.
        """
        shared = self._shared_for(sampling)
        if shared is None:
            return {}
        found = {key: shared.calls.find(self._shared_name(key)) for key in keys}
        return {key: call for key, call in found.items() if call is not None}

    async def beside(
        self, key: bytes, sampling: Sampling, found: CallUnderWay | None
    ) -> str | None:
        """The reply to a request that another run is asking; None: ask.

        Args:
            key: names the request.
            sampling: how it is sampled.
            found: what `under_way` gave for it.
        """
        shared = self._shared_for(sampling)
        if shared is None:
            return None
        return await shared.calls.reply_of(self._shared_name(key), found)

    @contextmanager
    def asking(self, key: bytes, sampling: Sampling) -> Iterator[Callable[[str | None], None]]:
        """While the worker is asked; call what is given with its reply, or None if it failed.

        The reply goes to the disk and to the runs that wait for it, where there is a cache and the
        same request would be answered the same.
        """
        shared = self._shared_for(sampling)
        if shared is None:
            yield lambda reply: None
            return
        with shared.calls.asking(self._shared_name(key)) as end:

            def hand_on(reply: str | None) -> None:
                if reply is not None:
                    shared.cache.put(kept_key(self._digest, key), reply)
                end(reply)

            yield hand_on

    def _shared_for(self, sampling: Sampling) -> SharedReplies | None:
        return self._shared if is_repeatable(sampling) else None

    def _shared_name(self, key: bytes) -> bytes:
        """Runs of different salts share nothing, not even how long a reply takes."""
        return kept_key(self._digest, key) + self._salt
