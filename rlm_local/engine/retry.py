"""Asks a model again where a later try may work: jittered backoff, `Retry-After`, deadlines.

A request waits for its turn in the server's queue. A server that is busy or being started again
costs no try: it is waited for, as long as it answers anybody. Knows nothing of budgets or batches.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from rlm_local.engine.places import Place
from rlm_local.errors import ModelBusy, ModelError, ModelRestarting, ModelUnavailable
from rlm_local.interfaces import Model
from rlm_local.types import Completion, ModelRequest

__all__ = ["Answered", "RetryPolicy", "Turn", "complete_with_retries"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient the engine is with a model server.

    Attributes:
        attempts: tries of one sub-call.
        root_attempts: tries of one root turn; more, because the whole run hangs on it.
        base_s: first pause; doubles with each try, plus or minus half by chance.
        longest_s: no pause is longer, whatever the server asks for.
        try_timeout_s: one try is given up after this; on a CPU a full batch takes minutes.
        item_timeout_s: all tries of one request and the pauses between them; waiting for a turn
            and for a server that is started again is left out.
        busy_timeout_s: a server that answers nobody for so long is no longer taken for busy.
    """

    attempts: int = 3
    root_attempts: int = 5
    base_s: float = 0.5
    longest_s: float = 30.0
    try_timeout_s: float = 900.0
    item_timeout_s: float = 1800.0
    busy_timeout_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Answered:
    """A completion and how many tries it took."""

    completion: Completion
    attempts: int


class Turn(Protocol):
    """What is booked for a request while it has its turn. Implemented by `scheduler`."""

    async def begin(self) -> None:
        """Its turn has come; what this raises ends the request."""
        ...

    def give_back(self) -> None:
        """It goes back to the queue: what it holds would hold up those it waits for."""
        ...


class _NothingBooked:
    async def begin(self) -> None:
        pass

    def give_back(self) -> None:
        pass


class _Deadline:
    """What is left of a request's time, which begins with its first turn."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._now_s = asyncio.get_running_loop().time
        self._ends_s: float | None = None
        self.began_s = self._now_s()

    def try_s(self) -> float:
        """How long a try may take; the time begins with the first."""
        if self._ends_s is None:
            self.began_s = self._now_s()
            self._ends_s = self.began_s + self._policy.item_timeout_s
        return max(0.0, min(self._policy.try_timeout_s, self._ends_s - self._now_s()))

    def holds(self, pause_s: float) -> bool:
        """Whether there is time for a pause and something after it."""
        return self._ends_s is None or self._now_s() + pause_s < self._ends_s

    @asynccontextmanager
    async def after(self, place: Place) -> AsyncIterator[None]:
        """A turn at a place; the wait for it is left out of account."""
        came_s = self._now_s()
        async with place:
            self.stretch(self._now_s() - came_s)
            yield

    def stretch(self, pause_s: float) -> None:
        """Leave a pause out of account."""
        if self._ends_s is not None:
            self._ends_s += pause_s


async def complete_with_retries(
    model: Model,
    request: ModelRequest,
    policy: RetryPolicy,
    *,
    attempts: int,
    place: Place,
    turn: Turn = _NothingBooked(),  # noqa: B008  # it has no state
    on_retry: Callable[[ModelError, float], None] = lambda error, pause_s: None,
) -> Answered:
    """One completion, asked for up to `attempts` times.

    Its turn is kept through the pauses between tries, so that a server that is down is not asked
    by everybody who waits; it is given up to a server that says it is busy.

    Args:
        model: who is asked.
        request: what.
        policy: pauses and deadlines.
        attempts: tries in all.
        place: where it queues for its server.
        turn: what is booked while it has its turn.
        on_retry: told the error and the pause in seconds before each further try.

    Raises:
        ModelError: the last try's, or the first that no retry can mend.
    """
    attempt, deadline = 1, _Deadline(policy)
    while attempt <= attempts:
        async with deadline.after(place):
            await turn.begin()
            while attempt <= attempts:
                try:
                    return Answered(await _try(model, request, place, deadline), attempt)
                except ModelBusy:  # its queue makes the pause, for all who wait
                    silent_s = place.queue.silent_s(deadline.began_s)
                    if silent_s >= policy.busy_timeout_s or not deadline.holds(0.0):
                        raise
                    turn.give_back()
                    break
                except ModelError as error:
                    pause_s = _pause_s(error, attempt, policy)
                    if isinstance(error, ModelRestarting):  # ends by itself, so it is no try
                        deadline.stretch(pause_s)
                    elif not _may_try_again(error, deadline, pause_s, is_last=attempt == attempts):
                        raise
                    else:
                        on_retry(error, pause_s)
                        attempt += 1
                await asyncio.sleep(pause_s)
    raise ValueError(f"attempts must be at least 1, not {attempts}")


def _may_try_again(
    error: ModelError, deadline: _Deadline, pause_s: float, *, is_last: bool
) -> bool:
    return error.retryable and not is_last and deadline.holds(pause_s)


async def _try(
    model: Model, request: ModelRequest, place: Place, deadline: _Deadline
) -> Completion:
    limit_s, sent_s = deadline.try_s(), asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(limit_s):
            completion = await model.complete(request)
    except TimeoutError:
        raise ModelUnavailable(f"model {model.name!r} gave no reply within {limit_s:g} s") from None
    except ModelBusy as error:  # before its turn is over, or the next would be sent at once
        place.queue.refused(error.retry_after_s, sent_s=sent_s)
        raise
    place.queue.answered()
    return completion


def _pause_s(error: ModelError, attempt: int, policy: RetryPolicy) -> float:
    """Exponential with jitter, so that a full batch does not come back at once."""
    if error.retry_after_s is not None:
        return min(policy.longest_s, max(0.0, error.retry_after_s))
    doubled = policy.base_s * float(1 << (attempt - 1))
    return min(policy.longest_s, doubled * random.uniform(0.5, 1.5))
