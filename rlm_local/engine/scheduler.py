"""Sends batches of prompts to the worker: each distinct prompt once, as many at once as it takes.

One scheduler serves a run and its child runs, so that a prompt answered anywhere in the tree is
not sent again. Items fail one by one; knows nothing of cells.
"""

import asyncio
import hashlib
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rlm_local.engine.budget import Budget
from rlm_local.engine.journal import Journal
from rlm_local.engine.models import Models, sampling_of
from rlm_local.engine.replies import without_thought
from rlm_local.engine.retry import Answered, RetryPolicy, complete_with_retries
from rlm_local.engine.typed_replies import fits
from rlm_local.errors import LimitExceeded, ModelError
from rlm_local.events import SubcallDone, SubcallsStarted
from rlm_local.interfaces import Model
from rlm_local.types import Constraint, Message, ModelRequest, SubcallOutcome, Usage

__all__ = ["Asked", "Caller", "Scheduler"]

_PRIORITY = 1
"""Behind root turns, which are 0."""
_LONGER = 4
"""A typed reply that was cut is asked for once more with this many times the room."""

_Key = tuple[bytes, Constraint | None, int]


class _Gate(asyncio.Semaphore):
    """Lets as many requests through to a model as it takes at once, on one event loop.

    Lives while a request holds it or waits for it, and keeps loop and model that long: so the ids
    it is found by are nobody else's, and nothing outlives the requests.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, model: Model) -> None:
        super().__init__(max(1, model.max_concurrency))
        self.between = (loop, model)


_gates: weakref.WeakValueDictionary[tuple[int, int], _Gate] = weakref.WeakValueDictionary()
"""One gate an event loop and model, whoever asks: two runs share a server's capacity."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What all prompts of a batch have in common."""

    max_tokens: int
    constraint: Constraint | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """The run on whose behalf prompts are sent."""

    budget: Budget
    journal: Journal
    batch: int
    """Number of the batch within the run."""


@dataclass(frozen=True, slots=True)
class _Settled:
    """One prompt's end, with what it cost."""

    outcome: SubcallOutcome
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    attempts: int = 0
    cached: bool = False
    misfit: bool = False
    """Whether the reply lacks the form that was asked for."""


class _Failures:
    """Counts the tries that failed."""

    number = 0

    def count(self, error: ModelError, pause_s: float) -> None:
        self.number += 1


class Scheduler:
    """Asks the worker on behalf of cells."""

    def __init__(self, models: Models, policy: RetryPolicy, *, seed: int | None) -> None:
        self._models = models
        self._policy = policy
        self._seed = seed
        self._answered: dict[_Key, SubcallOutcome] = {}
        self._under_way: dict[_Key, asyncio.Future[None]] = {}

    async def ask(
        self, prompts: Sequence[str], asked: Asked, caller: Caller
    ) -> tuple[SubcallOutcome, ...]:
        """Answer a batch; one outcome a prompt, in order.

        At the run's deadline, what is not answered yet fails item by item, so that the cell can
        still print what there is.

        Raises:
            RunError: a server of ours died; nothing of the batch is left under way.
        """
        if not prompts:
            return ()
        items: dict[str, list[int]] = {}
        for index, prompt in enumerate(prompts):
            items.setdefault(prompt, []).append(index)
        journal = caller.journal
        journal.emit(
            SubcallsStarted(
                **journal.stamp(),
                batch=caller.batch,
                prompts=len(prompts),
                duplicates=len(prompts) - len(items),
            )
        )
        tasks = {
            asyncio.ensure_future(self._answer(prompt, asked, caller)): prompt for prompt in items
        }
        for task, prompt in tasks.items():
            task.add_done_callback(_Writer(caller, prompt, items[prompt]))
        await _finish(list(tasks), caller.budget.remaining_s())
        outcomes: dict[int, SubcallOutcome] = {}
        for task, prompt in tasks.items():
            outcome = _outcome_of(task)
            outcomes.update((index, outcome) for index in items[prompt])
        return tuple(outcomes[index] for index in range(len(prompts)))

    async def _answer(self, prompt: str, asked: Asked, caller: Caller) -> _Settled:
        key = (_digest(prompt), asked.constraint, asked.max_tokens)
        while (known := self._answered.get(key)) is None and key in self._under_way:
            await asyncio.wait([self._under_way[key]])
        if known is not None:
            return _Settled(known, cached=True)
        ended = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            settled = await self._send(prompt, asked, caller)
            if settled.outcome.error is None:
                self._answered[key] = settled.outcome
            return settled
        finally:
            del self._under_way[key]
            ended.set_result(None)

    async def _send(self, prompt: str, asked: Asked, caller: Caller) -> _Settled:
        """Ask once, and once more with more room if a typed reply does not fit its type."""
        async with _gate(self._models.worker):
            first = await self._try(prompt, asked, caller)
            if not first.misfit:
                return first
            again = await self._try(prompt, self._with_more_room(asked), caller, is_repair=True)
        outcome = again.outcome
        if again.misfit:
            form = f"the reply does not have the form that was asked for: {outcome.text!r:.80}"
            outcome = SubcallOutcome(None, form)
        return _Settled(
            outcome,
            first.usage + again.usage,
            first.seconds + again.seconds,
            first.attempts + again.attempts,
        )

    def _with_more_room(self, asked: Asked) -> Asked:
        room = min(asked.max_tokens * _LONGER, self._models.worker.context_tokens // 2)
        return replace(asked, max_tokens=max(room, asked.max_tokens))

    async def _try(
        self, prompt: str, asked: Asked, caller: Caller, *, is_repair: bool = False
    ) -> _Settled:
        """One request with its retries, reserved before and settled after."""
        worker, budget = self._models.worker, caller.budget
        counted = worker.tokens.count(prompt) if budget.counts_tokens else 0
        try:
            held = await budget.reserve_soon(
                counted + asked.max_tokens, subcalls=0 if is_repair else 1
            )
        except LimitExceeded as spent:
            return _Settled(SubcallOutcome(None, str(spent)))
        request = ModelRequest(
            (Message("user", prompt),),
            sampling_of(self._models.worker_sampling, asked.max_tokens, seed=self._seed),
            constraint=asked.constraint,
            priority=_PRIORITY,
        )
        usage, failed = Usage(), _Failures()
        try:
            answered = await complete_with_retries(
                worker, request, self._policy, attempts=self._policy.attempts, on_retry=failed.count
            )
            usage = answered.completion.usage
        except ModelError as error:
            return _Settled(SubcallOutcome(None, str(error)), attempts=failed.number + 1)
        finally:
            budget.settle(held, "worker", usage)
        return _settled(answered, asked.constraint)


def _settled(answered: Answered, constraint: Constraint | None) -> _Settled:
    completion = answered.completion
    text = without_thought(completion.text)
    if constraint is not None:
        text = text.strip()
    return _Settled(
        SubcallOutcome(text),
        completion.usage,
        completion.seconds,
        answered.attempts,
        misfit=not fits(text, constraint, was_cut=completion.finish_reason == "length"),
    )


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes down the end of one distinct prompt, for each of its items, the moment it comes."""

    caller: Caller
    prompt: str
    items: list[int]

    def __call__(self, task: "asyncio.Future[_Settled]") -> None:
        if task.cancelled() or task.exception() is not None:
            settled = _Settled(SubcallOutcome(None, "cancelled"))
        else:
            settled = task.result()
        journal = self.caller.journal
        for nth, item in enumerate(self.items):
            cached = settled.cached or (nth > 0 and settled.outcome.error is None)
            if cached:
                self.caller.budget.book_cached(1)
            paid = nth == 0 and not settled.cached
            journal.emit(
                SubcallDone(
                    **journal.stamp(),
                    batch=self.caller.batch,
                    item=item,
                    prompt=self.prompt,
                    reply=settled.outcome.text,
                    error=settled.outcome.error,
                    usage=settled.usage if paid else Usage(),
                    seconds=settled.seconds if paid else 0.0,
                    attempts=settled.attempts if paid else 0,
                    cached=cached,
                )
            )


async def _finish(tasks: "list[asyncio.Task[_Settled]]", timeout_s: float | None) -> None:
    """Wait for all, until the deadline or the first error; leaves none running."""
    limit = None if timeout_s is None else max(0.0, timeout_s)
    try:
        await asyncio.wait(tasks, timeout=limit, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        left = [task for task in tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)


def _outcome_of(task: "asyncio.Task[_Settled]") -> SubcallOutcome:
    if task.cancelled():
        return SubcallOutcome(None, "max_seconds reached: the run's time is over")
    return task.result().outcome


def _gate(model: Model) -> _Gate:
    loop = asyncio.get_running_loop()
    gate = _gates.get((id(loop), id(model)))
    if gate is None:
        gate = _gates[id(loop), id(model)] = _Gate(loop, model)
    return gate


def _digest(prompt: str) -> bytes:
    return hashlib.blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=16).digest()
