"""One event loop in a thread of its own, so that the async core has a synchronous door.

Servers, connections and REPLs outlive single calls and belong to one loop; a thread keeps that
loop alive between calls and works where the caller already runs one (a notebook). Holds no
knowledge of what runs on it.
"""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from rlm_local.errors import RunError

__all__ = ["LoopThread"]

T = TypeVar("T")


class LoopThread:
    """Runs coroutines on its own loop; `call` waits for them, `submit` does not.

    What is still under way when it is closed is cancelled, and whoever waits for it gets a
    RunError.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._serve, name="rlm_local", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start `work`; cancelling the future cancels it."""
        return self._begin(work, threading.Event())

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` and wait; Ctrl-C cancels it, waits until it is cancelled, and goes on up."""
        ended = threading.Event()
        outcome = self._begin(work, ended)
        try:
            return outcome.result()
        except (KeyboardInterrupt, SystemExit):
            outcome.cancel()
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

    def _begin(self, work: Coroutine[Any, Any, T], ended: threading.Event) -> "Future[T]":
        outcome: Future[T] = Future()

        def begin() -> None:
            task = self._loop.create_task(work)
            self._under_way.add(task)
            task.add_done_callback(settle)
            outcome.add_done_callback(lambda _: self._loop.call_soon_threadsafe(task.cancel))

        def settle(task: "asyncio.Task[T]") -> None:
            self._under_way.discard(task)
            _copy(task, outcome)
            ended.set()

        self._loop.call_soon_threadsafe(begin)
        return outcome

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._cancel_what_is_left())
        finally:
            asyncio.set_event_loop(None)

    async def _cancel_what_is_left(self) -> None:
        # First what was asked for, once: a second cancellation would cut its cleaning up short.
        for task in self._under_way:
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for stray in left:
            stray.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()


def _copy(task: "asyncio.Task[T]", outcome: "Future[T]") -> None:
    """Hand on how a task ended; its error is looked at, else asyncio prints a traceback."""
    error = None if task.cancelled() else task.exception()
    if not outcome.set_running_or_notify_cancel():
        return
    if task.cancelled():
        error = RunError("this was closed while a question was under way")
    if error is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(task.result())
