"""One request to the root model: reserved, retried, timed, settled. Judges nothing."""

from dataclasses import dataclass

from rlm_local.engine.models import sampling_of
from rlm_local.engine.retry import complete_with_retries
from rlm_local.engine.run_state import Parts, Task
from rlm_local.errors import ModelError
from rlm_local.types import Completion, Constraint, Message, ModelRequest, Usage

__all__ = ["RootRequest", "ask_root", "reply_room"]

_FEWEST_REPLY_TOKENS = 32


@dataclass(frozen=True, slots=True)
class RootRequest:
    """What the root is asked for.

    Attributes:
        messages: the prompt, ending with the assistant's opened turn where `continue_final`.
        prompt_tokens: its size by our count, to reserve.
        max_tokens: length of the reply.
        attempt: 0 for the first sample of a reply; later ones get another seed.
    """

    messages: tuple[Message, ...]
    prompt_tokens: int
    max_tokens: int
    continue_final: bool = False
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    constraint: Constraint | None = None
    attempt: int = 0


def reply_room(parts: Parts, prompt_tokens: int) -> int:
    """Tokens the root's reply may have behind such a prompt."""
    room = parts.models.root.context_tokens - prompt_tokens
    return max(_FEWEST_REPLY_TOKENS, min(parts.profile.max_reply_tokens, room))


async def ask_root(parts: Parts, task: Task, request: RootRequest) -> Completion:
    """One reply of the root.

    Raises:
        LimitExceeded: tokens or time do not hold it.
        ModelError: the root does not answer, retries included.
    """
    budget, seed = task.budget, parts.config.seed
    sampling = sampling_of(
        parts.models.root_sampling,
        request.max_tokens,
        seed=None if seed is None else seed + request.attempt,
        stop=request.stop,
        temperature=request.temperature,
    )

    def on_retry(error: ModelError, pause_s: float) -> None:
        task.journal.notice(f"root asked again in {pause_s:.1f} s: {error}")

    usage = Usage()
    async with budget.within_time():
        held = await budget.reserve_soon(request.prompt_tokens + request.max_tokens)
        try:
            answered = await complete_with_retries(
                parts.models.root,
                ModelRequest(
                    request.messages,
                    sampling,
                    constraint=request.constraint,
                    continue_final=request.continue_final,
                ),
                parts.policy,
                attempts=parts.policy.root_attempts,
                on_retry=on_retry,
            )
            usage = answered.completion.usage
        finally:
            budget.settle(held, "root", usage)
    return answered.completion
