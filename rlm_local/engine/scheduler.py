"""Sends batches of prompts to the worker: each distinct prompt once, alike ones after each other.

One scheduler serves a run and its child runs, so that a prompt answered anywhere in the tree is
not sent again; nor, where replies are kept, is one that a run beside it is asking. How many are in
flight, and whose, is the server's queue to say. Items fail one by one; knows nothing of cells.
"""

import asyncio
import os.path
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from rlm_local.engine.batch_items import Caller, Item, Settled, Writer
from rlm_local.engine.budget import Budget, Reservation
from rlm_local.engine.known_results import KnownResults
from rlm_local.engine.models import Models, salt_of, sampling_of
from rlm_local.engine.places import Place, Ticket
from rlm_local.engine.replies import without_thought
from rlm_local.engine.retry import Answered, RetryPolicy, complete_with_retries
from rlm_local.engine.scored_replies import is_kept_reply, scored_text
from rlm_local.engine.server_queue import ServerQueue, queue_of
from rlm_local.engine.typed_replies import fits, misfit
from rlm_local.engine.worker_prompts import Preamble
from rlm_local.errors import LimitExceeded, ModelError
from rlm_local.events import SubcallsStarted
from rlm_local.types import Constraint, Message, ModelRequest, Sampling, SubcallOutcome, Usage

__all__ = ["Asked", "Caller", "Scheduler"]

_PRIORITY = 100
"""Of a topmost run's sub-calls, one more for each level below; root turns are 0 and on."""
_CHARS_PER_TOKEN = 3
"""Fewer than usual, so that what is held for a prompt in the KV cache does hold it."""
_LONGER = 4
"""A typed reply that was cut is asked for once more with this many times the room."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What all prompts of a batch have in common."""

    max_tokens: int
    constraint: Constraint | None = None
    preamble: Preamble = field(default_factory=Preamble)
    preamble_tokens: int = 0
    wants_scores: bool = False

    def is_answered_by(self, kept: str) -> bool:
        """Whether a text that was kept is such a reply."""
        return is_kept_reply(kept, self.constraint, wants_scores=self.wants_scores)


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch on its way: what all its prompts share, and where they queue."""

    asked: Asked
    caller: Caller
    queue: ServerQueue
    shared_chars: int
    """Length of the text all of its prompts begin with; the KV cache holds that once."""

    def place(self, prompt: str) -> Place:
        own_chars = len(prompt) - self.shared_chars
        tokens = own_chars // _CHARS_PER_TOKEN + self.asked.max_tokens
        journal = self.caller.journal
        return self.queue.place(Ticket("worker", self.caller.budget.tree, journal.depth, tokens))


class _Turn:
    """What is booked when a request's turn has come, and the tries of it that failed."""

    def __init__(self, budget: Budget, tokens: int, subcalls: int) -> None:
        self.failed = 0
        self._budget = budget
        self._tokens = tokens
        self._subcalls = subcalls
        self._held: Reservation | None = None

    async def begin(self) -> None:
        self._held = await self._budget.reserve_soon(self._tokens, subcalls=self._subcalls)
        self._subcalls = 0  # booked once, however often its turn comes

    def give_back(self) -> None:
        self.settle(Usage())

    def count(self, error: ModelError, pause_s: float) -> None:
        self.failed += 1

    def settle(self, usage: Usage) -> None:
        if self._held is not None:
            self._budget.settle(self._held, "worker", usage)
            self._held = None


class Scheduler:
    """Asks the worker on behalf of cells."""

    def __init__(
        self,
        models: Models,
        policy: RetryPolicy,
        *,
        seed: int | None,
        known: KnownResults | None = None,
        cache_salt: str | None = None,
    ) -> None:
        self._models = models
        self._policy = policy
        self._seed = seed
        self._cache_salt = cache_salt
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
                preamble=asked.preamble.messages,
            )
        )
        items = await self._looked_up(places, asked, caller)
        batch = _Batch(asked, caller, queue_of(self._models.worker.server), _shared_chars(places))
        tasks = {asyncio.ensure_future(self._answer(item, batch)): item for item in items}
        for task, item in tasks.items():
            task.add_done_callback(Writer(caller, item))
        shared_tokens = asked.preamble_tokens + batch.shared_chars // _CHARS_PER_TOKEN
        with batch.queue.holding(shared_tokens):
            await _finish(list(tasks), caller.budget.remaining_s())
        outcomes: dict[int, SubcallOutcome] = {}
        for task, item in tasks.items():
            outcome = _outcome_of(task)
            outcomes.update((index, outcome) for index in item.places)
        return tuple(outcomes[index] for index in range(len(prompts)))

    async def _looked_up(
        self, places: dict[str, list[int]], asked: Asked, caller: Caller
    ) -> list[Item]:
        """The distinct prompts, with what the result cache knows; one look for the whole batch.

        Those that need no worker come first, so that they are told before anything is sent; the
        others in the order of their texts, so that what begins alike is sent together and the
        server finds it in its prefix cache.
        """
        requests = [self._request(prompt, asked, caller) for prompt in places]
        keys = await self._known.keys(requests)
        unknown = [key for key in keys if key not in self._answered]
        sampling = self._sampling(asked)
        beside = self._known.under_way(unknown, sampling)
        on_disk = await self._known.on_disk(unknown, sampling, asked.is_answered_by)
        items = [
            Item(prompt, key, places[prompt], on_disk.get(key), beside.get(key))
            for prompt, key in zip(places, keys, strict=True)
        ]
        return sorted(items, key=lambda item: (not self._is_known(item), item.prompt))

    def _is_known(self, item: Item) -> bool:
        return item.on_disk is not None or self._known.is_on_record(item.key)

    async def _answer(self, item: Item, batch: _Batch) -> Settled:
        key = item.key
        while (known := self._answered.get(key)) is None and key in self._under_way:
            await asyncio.wait([self._under_way[key]])
        if known is not None:
            return Settled(known, origin="run")
        ended = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            settled = self._remembered(item, batch.caller)
            if settled is None:
                await asyncio.sleep(0)  # what is known is written down first
                settled = await self._heard_or_sent(item, batch)
            if settled.outcome.error is None:
                self._answered[key] = settled.outcome
            return settled
        finally:
            del self._under_way[key]
            ended.set_result(None)

    async def _heard_or_sent(self, item: Item, batch: _Batch) -> Settled:
        """The reply of a run beside this one that asks the same; else the worker's to us."""
        sampling = self._sampling(batch.asked)
        heard = await self._known.beside(item.key, sampling, item.beside)
        if heard is not None:
            return Settled(SubcallOutcome(heard), origin="beside")
        with self._known.asking(item.key, sampling) as hand_on:
            settled = await self._send(item.prompt, batch)
            if settled.attempts:  # not where our own limits left it unasked
                hand_on(settled.outcome.text)
        return settled

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

    def _request(self, prompt: str, asked: Asked, caller: Caller) -> ModelRequest:
        return ModelRequest(
            (*asked.preamble.messages, Message("user", prompt)),
            self._sampling(asked),
            constraint=asked.constraint,
            priority=_PRIORITY + caller.journal.depth,
            cache_salt=salt_of(self._cache_salt, caller.budget),
            wants_scores=asked.wants_scores,
        )

    async def _send(self, prompt: str, batch: _Batch) -> Settled:
        """Ask once, and once more with more room if a typed reply does not fit its type."""
        first = await self._try(prompt, batch)
        if not first.misfit:
            return first
        roomy = replace(batch, asked=self._with_more_room(batch.asked))
        again = await self._try(prompt, roomy, is_repair=True)
        outcome = again.outcome
        if again.misfit:
            outcome = SubcallOutcome(None, misfit(outcome.text or ""))
        return Settled(
            outcome,
            first.usage + again.usage,
            first.seconds + again.seconds,
            first.attempts + again.attempts,
        )

    def _with_more_room(self, asked: Asked) -> Asked:
        room = min(asked.max_tokens * _LONGER, self._models.worker.context_tokens // 2)
        return replace(asked, max_tokens=max(room, asked.max_tokens))

    async def _try(self, prompt: str, batch: _Batch, *, is_repair: bool = False) -> Settled:
        """One request with its retries, reserved when its turn has come and settled after."""
        worker, caller, asked = self._models.worker, batch.caller, batch.asked
        counted = asked.preamble_tokens + asked.max_tokens
        if caller.budget.counts_tokens:
            counted += worker.tokens.count(prompt)
        turn = _Turn(caller.budget, counted, 0 if is_repair else 1)
        usage = Usage()
        try:
            answered = await complete_with_retries(
                worker,
                self._request(prompt, asked, caller),
                self._policy,
                attempts=self._policy.attempts,
                place=batch.place(prompt),
                turn=turn,
                on_retry=turn.count,
            )
            usage = answered.completion.usage
        except LimitExceeded as spent:
            return Settled(SubcallOutcome(None, str(spent)))
        except ModelError as error:
            return Settled(SubcallOutcome(None, str(error)), attempts=turn.failed + 1)
        finally:
            turn.settle(usage)
        return _settled(answered, asked)


def _settled(answered: Answered, asked: Asked) -> Settled:
    completion, constraint = answered.completion, asked.constraint
    text = without_thought(completion.text)
    if constraint is not None:
        text = text.strip()
    is_fit = fits(text, constraint, was_cut=completion.finish_reason == "length")
    if is_fit and asked.wants_scores:
        text = scored_text(text, completion.scores)
    return Settled(
        SubcallOutcome(text),
        completion.usage,
        completion.seconds,
        answered.attempts,
        misfit=not is_fit,
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


def _shared_chars(prompts: Collection[str]) -> int:
    """Length of what all prompts begin with: what the first and the last in order do."""
    if len(prompts) < 2:
        return 0
    return len(os.path.commonprefix([min(prompts), max(prompts)]))  # noqa: RUF071  # texts, no paths
