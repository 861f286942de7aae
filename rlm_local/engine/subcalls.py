"""What a running cell can reach: the worker, child runs, search.

Implements `interfaces.CellHost`. What comes in was written by a cell, so every argument is checked;
what goes out is one outcome an item. Decides nothing about turns.
"""

import asyncio
import functools
from collections.abc import Awaitable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Protocol, assert_never

from rlm_local.engine.budget import Budget
from rlm_local.engine.child_calls import ChildCall, child_calls
from rlm_local.engine.child_rooms import ChildRooms
from rlm_local.engine.journal import Journal
from rlm_local.engine.models import Models, worker_room_tokens
from rlm_local.engine.observations import cut_middle
from rlm_local.engine.scheduler import Asked, Caller, Scheduler
from rlm_local.engine.scored_replies import scores_wanted
from rlm_local.engine.typed_replies import constraint_of, is_quickly_read
from rlm_local.engine.windows import cut_to_window, surely_fits
from rlm_local.engine.worker_prompts import Preamble, preamble_of, room_after
from rlm_local.errors import RlmError, RunError, ServerError
from rlm_local.interfaces import Context
from rlm_local.types import (
    Answer,
    CellCall,
    CellReply,
    Constraint,
    Json,
    StopReason,
    SubcallOutcome,
)

__all__ = ["ChildStarter", "Subcalls", "read_constraint"]

_MOST_PASSAGES = 1000
_WHOLE: frozenset[StopReason] = frozenset({"answered", "direct", "forced"})
"""Ends of a child run whose text is its answer; after others it is what was found by then."""
_FOUND_CHARS = 2000
_THREAD_CHARS = 20_000
"""Longer prompts are counted in a thread, so that a batch of them does not hold the engine up."""


class ChildStarter(Protocol):
    """Runs the engine once more, below this run."""

    def __call__(self, call: ChildCall, /) -> Awaitable[Answer]:
        """The child's answer; `stop_reason` says whether it is whole."""
        ...


class Subcalls:
    """Serves the calls of one run's cells.

    Attributes:
        failure: what must end the run, if a call met it; the interpreter may not pass it on.
    """

    def __init__(
        self,
        *,
        models: Models,
        context: Context,
        scheduler: Scheduler,
        budget: Budget,
        journal: Journal,
        start_child: ChildStarter,
        child_rooms: ChildRooms,
    ) -> None:
        self.failure: RunError | None = None
        self._models = models
        self._context = context
        self._scheduler = scheduler
        self._budget = budget
        self._journal = journal
        self._start_child = start_child
        self._can_recurse = journal.depth < budget.limits.max_depth
        self._children = child_rooms.at(journal.depth + 1)
        self._under_way: set[asyncio.Task[CellReply]] = set()
        self._batches = 0

    async def call(self, call: CellCall) -> CellReply:
        """Serve one call of a cell; several may be under way at once.

        Raises:
            RunError: what must end the run, such as a server of ours that died.
        """
        remaining_s = self._budget.remaining_s()
        if remaining_s is not None and remaining_s <= 0:
            return CellReply(refusal="max_seconds reached: the run's time is over")
        task = asyncio.ensure_future(self._serve(call))
        self._under_way.add(task)
        try:
            return await task
        except ValueError as error:
            return CellReply(refusal=str(error))
        except RunError as error:
            self.failure = error
            raise
        finally:
            task.cancel()
            self._under_way.discard(task)

    async def end_cell(self) -> None:
        """Cancel what a finished cell left under way."""
        left = list(self._under_way)
        for task in left:
            if not task.cancelling():  # a second time would cut a child run's end short
                task.cancel()
        if left:
            await asyncio.wait(left)

    async def _serve(self, call: CellCall) -> CellReply:
        match call.fn:
            case "search":
                return await self._search(call)
            case "llm_query":
                if not call.texts:  # before its options are read, which may take a while
                    return CellReply()
                return await self._ask_worker(call.texts, await self._asked(call.args))
            case "rlm_query":
                return await self._ask_children(child_calls(call))
            case _:
                assert_never(call.fn)

    async def _search(self, call: CellCall) -> CellReply:
        if len(call.texts) != 1:
            raise ValueError("search takes one query")
        k = call.args.get("k", 10)
        if not isinstance(k, int) or not 1 <= k <= _MOST_PASSAGES:
            raise ValueError(f"search: k must be 1 to {_MOST_PASSAGES}, not {k!r:.40}")
        return CellReply(passages=await self._context.search(call.texts[0], k))

    async def _ask_worker(self, prompts: Sequence[str], asked: Asked) -> CellReply:
        room = worker_room_tokens(self._models, asked.max_tokens)
        room = room_after(asked.preamble_tokens, room)
        fitted = [
            text if surely_fits(text, room) else await self._fitted(text, room) for text in prompts
        ]
        cut = sum(new is not old for new, old in zip(fitted, prompts, strict=True))
        self._batches += 1
        caller = Caller(self._budget, self._journal, self._batches)
        outcomes = await self._scheduler.ask(fitted, asked, caller)
        return CellReply(outcomes=outcomes, notes=(_cut_note(cut, room),) if cut else ())

    async def _fitted(self, text: str, room: int) -> str:
        counter = self._models.worker.tokens
        if len(text) > _THREAD_CHARS:
            return await asyncio.to_thread(cut_to_window, text, counter, room)
        return cut_to_window(text, counter, room)

    async def _asked(self, args: dict[str, Json]) -> Asked:
        constraint = await read_constraint(args, _reader())
        preamble = preamble_of(args)
        return Asked(
            self._max_tokens(args.get("max_tokens")),
            constraint,
            preamble,
            await self._tokens_of(preamble),
            scores_wanted(args, constraint),
        )

    def _max_tokens(self, wanted: Json) -> int:
        if wanted is None:
            return self._models.worker_max_tokens
        if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
            raise ValueError(f"max_tokens must be a number from 1, not {wanted!r:.40}")
        return min(wanted, self._models.worker.context_tokens // 2)

    async def _tokens_of(self, preamble: Preamble) -> int:
        counter = self._models.worker.tokens
        if preamble.chars > _THREAD_CHARS:
            return await asyncio.to_thread(preamble.tokens, counter)
        return preamble.tokens(counter)

    async def _ask_children(self, calls: Sequence[ChildCall]) -> CellReply:
        if not self._can_recurse:
            prompts = [await self._as_prompt(call) for call in calls]
            return await self._ask_worker(prompts, await self._asked({}))
        tasks = [asyncio.ensure_future(self._child(call)) for call in calls]
        try:
            return CellReply(outcomes=tuple(await asyncio.gather(*tasks)))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _child(self, call: ChildCall) -> SubcallOutcome:
        async with self._children:
            try:
                self._budget.reserve(0, subcalls=1)
                answer = await self._start_child(call)
            except ServerError:
                raise
            except RlmError as error:
                return SubcallOutcome(None, str(error))
        return _outcome(answer)

    async def _as_prompt(self, call: ChildCall) -> str:
        """At the last depth the text goes into the prompt, cut to the worker's window."""
        text = call.text
        if call.part is not None:
            text = await asyncio.to_thread(self._context.read, call.part)
        return call.question if text is None else f"{call.question}\n\n{text}"


async def read_constraint(args: dict[str, Json], reader: Executor) -> Constraint | None:
    """The constraint a call names; a long one is read by `reader`, beside the event loop.

    Raises:
        ValueError: as `constraint_of`.
    """
    if is_quickly_read(args):
        return constraint_of(args)
    return await asyncio.get_running_loop().run_in_executor(reader, constraint_of, args)


@functools.cache
def _reader() -> ThreadPoolExecutor:
    """Reads long constraints, one at a time: what cells ask for must not hold the engine up."""
    return ThreadPoolExecutor(1, "constraints")


def _outcome(answer: Answer) -> SubcallOutcome:
    if answer.text and answer.stop_reason in _WHOLE:
        return SubcallOutcome(answer.text)
    reason = answer.error or f"no answer ({answer.stop_reason})"
    found = cut_middle(answer.text, _FOUND_CHARS)
    return SubcallOutcome(None, f"{reason}; found so far: {found}" if found else reason)


def _cut_note(cut: int, room_tokens: int) -> str:
    which = "1 prompt was" if cut == 1 else f"{cut:,} prompts were"
    return (
        f"{which} longer than the language model's window of {room_tokens:,} tokens and lost the "
        "middle; cut the text with chunks() and ask about each piece"
    )
