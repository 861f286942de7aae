"""Asks a model again where a later try may work: jittered backoff, `Retry-After`, deadlines.

Each try waits for its turn in the server's queue. A server that is busy or being started again
costs no try: it is waited for, as long as it answers anybody. Knows nothing of budgets or batches.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rlm_local.engine.server_queue import Place
from rlm_local.errors import ModelBusy, ModelError, ModelRestarting, ModelUnavailable
from rlm_local.interfaces import Model
from rlm_local.types import Completion, ModelRequest

__all__ = ["Answered", "RetryPolicy", "complete_with_retries"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient the engine is with a model server.

    Attributes:
        attempts: tries of one sub-call.
        root_attempts: tries of one root turn; more, because the whole run hangs on it.
        base_s: first pause; doubles with each try, plus or minus half by chance.
        longest_s: no pause is longer, whatever the server asks for.
        try_timeout_s: one try is given up after this; on a CPU a full batch takes minutes.
        item_timeout_s: all tries of one request and the pauses between them; its wait for a
            server that is started again is left out, and so is its wait for the first turn.
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
    on_turn: Callable[[], Awaitable[None]] | None = None,
    on_retry: Callable[[ModelError, float], None] = lambda error, pause_s: None,
) -> Answered:
    """One completion, asked for up to `attempts` times.

    Args:
        model: who is asked.
        request: what.
        policy: pauses and deadlines.
        attempts: tries in all.
        place: where it queues for its server, for each try anew.
        on_turn: awaited when it is its turn, before each try; what it raises ends the request.
        on_retry: told the error and the pause in seconds before each further try.

    Raises:
        ModelError: the last try's, or the first that no retry can mend.
    """
    attempt, deadline = 1, _Deadline(policy)
    while attempt <= attempts:
        try:
            async with place:
                if on_turn is not None:
                    await on_turn()
                return Answered(await _try(model, request, place, deadline), attempt)
        except ModelError as error:
            if not error.retryable:
                raise
            failed = error
        pause_s = _pause_s(failed, attempt, policy)
        if isinstance(failed, ModelRestarting):  # ends by itself, so it is no try
            deadline.stretch(pause_s)
        elif isinstance(failed, ModelBusy):  # its queue makes the pause, for all who wait
            silent_s = place.queue.silent_s(deadline.began_s)
            if silent_s >= policy.busy_timeout_s or not deadline.holds(0.0):
                raise failed
            continue
        elif attempt == attempts or not deadline.holds(pause_s):
            raise failed
        else:
            on_retry(failed, pause_s)
            attempt += 1
        await asyncio.sleep(pause_s)
    raise ValueError(f"attempts must be at least 1, not {attempts}")


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
