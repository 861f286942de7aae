"""Sends batches of prompts to the worker: each distinct prompt once, as many at once as it takes.

One scheduler serves a run and its child runs, so that a prompt answered anywhere in the tree is
not sent again. Items fail one by one; knows nothing of cells.
"""

import asyncio
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rlm_local.engine.batch_items import Caller, Item, Settled, Writer
from rlm_local.engine.known_results import KnownResults
from rlm_local.engine.models import Models, sampling_of
from rlm_local.engine.replies import without_thought
from rlm_local.engine.retry import Answered, RetryPolicy, complete_with_retries
from rlm_local.engine.typed_replies import fits
from rlm_local.errors import LimitExceeded, ModelError
from rlm_local.events import SubcallsStarted
from rlm_local.interfaces import Model
from rlm_local.types import Constraint, Message, ModelRequest, Sampling, SubcallOutcome, Usage

__all__ = ["Asked", "Caller", "Scheduler"]

_PRIORITY = 1
"""Behind root turns, which are 0."""
_LONGER = 4
"""A typed reply that was cut is asked for once more with this many times the room."""


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


class _Failures:
    """Counts the tries that failed."""

    number = 0

    def count(self, error: ModelError, pause_s: float) -> None:
        self.number += 1


class Scheduler:
    """Asks the worker on behalf of cells."""

    def __init__(
        self,
        models: Models,
        policy: RetryPolicy,
        *,
        seed: int | None,
        known: KnownResults | None = None,
    ) -> None:
        self._models = models
        self._policy = policy
        self._seed = seed
        self._known = known or KnownResults(models.worker.digest, None, None)
        self._answered: dict[bytes, SubcallOutcome] = {}
        self._under_way: dict[bytes, asyncio.Future[None]] = {}

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
        places: dict[str, list[int]] = {}
        for index, prompt in enumerate(prompts):
            places.setdefault(prompt, []).append(index)
        journal = caller.journal
        journal.emit(
            SubcallsStarted(
                **journal.stamp(),
                batch=caller.batch,
                prompts=len(prompts),
                duplicates=len(prompts) - len(places),
            )
        )
        items = await self._looked_up(places, asked)
        tasks = {asyncio.ensure_future(self._answer(item, asked, caller)): item for item in items}
        for task, item in tasks.items():
            task.add_done_callback(Writer(caller, item))
        await _finish(list(tasks), caller.budget.remaining_s())
        outcomes: dict[int, SubcallOutcome] = {}
        for task, item in tasks.items():
            outcome = _outcome_of(task)
            outcomes.update((index, outcome) for index in item.places)
        return tuple(outcomes[index] for index in range(len(prompts)))

    async def _looked_up(self, places: dict[str, list[int]], asked: Asked) -> list[Item]:
        """The distinct prompts, with what the result cache knows; one look for the whole batch.

        Those that need no worker come first, so that they are told before anything is sent.
        """
        keys = await self._known.keys([self._request(prompt, asked) for prompt in places])
        unknown = [key for key in keys if key not in self._answered]
        on_disk = await self._known.on_disk(unknown, self._sampling(asked), asked.constraint)
        items = [
            Item(prompt, key, places[prompt], on_disk.get(key))
            for prompt, key in zip(places, keys, strict=True)
        ]
        return sorted(items, key=lambda item: not self._is_known(item))

    def _is_known(self, item: Item) -> bool:
        return item.on_disk is not None or self._known.is_on_record(item.key)

    async def _answer(self, item: Item, asked: Asked, caller: Caller) -> Settled:
        key = item.key
        while (known := self._answered.get(key)) is None and key in self._under_way:
            await asyncio.wait([self._under_way[key]])
        if known is not None:
            return Settled(known, origin="run")
        ended = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            settled = self._remembered(item, caller)
            if settled is None:
                await asyncio.sleep(0)  # what is known is written down first
                settled = await self._send(item.prompt, asked, caller)
                if settled.outcome.text is not None:
                    self._known.keep(key, self._sampling(asked), settled.outcome.text)
            if settled.outcome.error is None:
                self._answered[key] = settled.outcome
            return settled
        finally:
            del self._under_way[key]
            ended.set_result(None)

    def _remembered(self, item: Item, caller: Caller) -> Settled | None:
        """What the run that is resumed was answered, and paid for; else what is on disk."""
        done = self._known.on_record(item.key)
        if done is not None and not done.cached:
            try:
                held = caller.budget.reserve(0, subcalls=1)
            except LimitExceeded as spent:
                return Settled(SubcallOutcome(None, str(spent)))
            caller.budget.settle(held, "worker", done.usage)
            outcome = SubcallOutcome(done.reply, done.error)
            return Settled(outcome, done.usage, done.seconds, done.attempts, origin="trace")
        text = done.reply if done is not None else item.on_disk
        return None if text is None else Settled(SubcallOutcome(text), origin="disk")

    def _sampling(self, asked: Asked) -> Sampling:
        return sampling_of(self._models.worker_sampling, asked.max_tokens, seed=self._seed)

    def _request(self, prompt: str, asked: Asked) -> ModelRequest:
        return ModelRequest(
            (Message("user", prompt),),
            self._sampling(asked),
            constraint=asked.constraint,
            priority=_PRIORITY,
        )

    async def _send(self, prompt: str, asked: Asked, caller: Caller) -> Settled:
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
        return Settled(
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
    ) -> Settled:
        """One request with its retries, reserved before and settled after."""
        worker, budget = self._models.worker, caller.budget
        counted = worker.tokens.count(prompt) if budget.counts_tokens else 0
        try:
            held = await budget.reserve_soon(
                counted + asked.max_tokens, subcalls=0 if is_repair else 1
            )
        except LimitExceeded as spent:
            return Settled(SubcallOutcome(None, str(spent)))
        usage, failed = Usage(), _Failures()
        try:
            answered = await complete_with_retries(
                worker,
                self._request(prompt, asked),
                self._policy,
                attempts=self._policy.attempts,
                on_retry=failed.count,
            )
            usage = answered.completion.usage
        except ModelError as error:
            return Settled(SubcallOutcome(None, str(error)), attempts=failed.number + 1)
        finally:
            budget.settle(held, "worker", usage)
        return _settled(answered, asked.constraint)


def _settled(answered: Answered, constraint: Constraint | None) -> Settled:
    completion = answered.completion
    text = without_thought(completion.text)
    if constraint is not None:
        text = text.strip()
    return Settled(
        SubcallOutcome(text),
        completion.usage,
        completion.seconds,
        answered.attempts,
        misfit=not fits(text, constraint, was_cut=completion.finish_reason == "length"),
    )


async def _finish(tasks: "list[asyncio.Task[Settled]]", timeout_s: float | None) -> None:
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


def _outcome_of(task: "asyncio.Task[Settled]") -> SubcallOutcome:
    if task.cancelled():
        return SubcallOutcome(None, "max_seconds reached: the run's time is over")
    return task.result().outcome


def _gate(model: Model) -> _Gate:
    loop = asyncio.get_running_loop()
    gate = _gates.get((id(loop), id(model)))
    if gate is None:
        gate = _gates[id(loop), id(model)] = _Gate(loop, model)
    return gate
