"""Asks a model again where a later try may work: jittered backoff, `Retry-After`, a deadline a try.

Knows nothing of budgets or batches.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from rlm_local.errors import ModelError, ModelRestarting, ModelUnavailable
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
    """

    attempts: int = 3
    root_attempts: int = 5
    base_s: float = 0.5
    longest_s: float = 30.0
    try_timeout_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Answered:
    """A completion and how many tries it took."""

    completion: Completion
    attempts: int


async def complete_with_retries(
    model: Model,
    request: ModelRequest,
    policy: RetryPolicy,
    *,
    attempts: int,
    on_retry: Callable[[ModelError, float], None] = lambda error, pause_s: None,
) -> Answered:
    """One completion, asked for up to `attempts` times.

    Args:
        model: who is asked.
        request: what.
        policy: pauses and deadline.
        attempts: tries in all.
        on_retry: told the error and the pause in seconds before each further try.

    Raises:
        ModelError: the last try's, or the first that no retry can mend.
    """
    attempt = 1
    while attempt <= attempts:
        try:
            async with asyncio.timeout(policy.try_timeout_s):
                return Answered(await model.complete(request), attempt)
        except TimeoutError:
            error: ModelError = ModelUnavailable(
                f"model {model.name!r} gave no reply within {policy.try_timeout_s:g} s"
            )
        except ModelError as failed:
            error = failed
        if isinstance(error, ModelRestarting):  # ends by itself, so it is no try
            await asyncio.sleep(_pause_s(error, attempt, policy))
            continue
        if not error.retryable or attempt == attempts:
            raise error
        pause_s = _pause_s(error, attempt, policy)
        on_retry(error, pause_s)
        await asyncio.sleep(pause_s)
        attempt += 1
    raise ValueError(f"attempts must be at least 1, not {attempts}")


def _pause_s(error: ModelError, attempt: int, policy: RetryPolicy) -> float:
    """Exponential with jitter, so that a full batch does not come back at once."""
    if error.retry_after_s is not None:
        return min(policy.longest_s, max(0.0, error.retry_after_s))
    doubled = policy.base_s * float(1 << (attempt - 1))
    return min(policy.longest_s, doubled * random.uniform(0.5, 1.5))
