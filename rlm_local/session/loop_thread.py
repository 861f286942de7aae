"""One event loop in a thread of its own, so that the async core has a synchronous door.

Servers, connections and REPLs outlive single calls and belong to one loop; a thread keeps that
loop alive between calls and works where the caller already runs one (a notebook). Holds no
knowledge of what runs on it.
"""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

__all__ = ["LoopThread"]

T = TypeVar("T")


class LoopThread:
    """Runs coroutines on its own loop; `call` waits for them, `submit` does not."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="rlm_local", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start `work`; cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` and wait; Ctrl-C cancels it, waits until it is cancelled, and goes on up."""
        ended = threading.Event()
        future = self.submit(_announce(work, ended))
        try:
            return future.result()
        except (KeyboardInterrupt, SystemExit):
            future.cancel()
            ended.wait()
            raise
        except CancelledError:
            ended.wait()
            raise

    def close(self) -> None:
        """Stop the loop and its thread. Safe to call twice."""
        if self._loop.is_closed():
            return
        with contextlib.suppress(RuntimeError):  # the loop may have stopped meanwhile
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._cancel_what_is_left())
        finally:
            asyncio.set_event_loop(None)

    async def _cancel_what_is_left(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()


async def _announce(work: Coroutine[Any, Any, T], ended: threading.Event) -> T:
    try:
        return await work
    finally:
        ended.set()
