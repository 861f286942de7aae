"""One request to the root model: reserved, retried, timed, settled. Judges nothing.

In a run that is resumed, the reply on record to the very same request takes the root's place.
"""

from dataclasses import dataclass, replace

from rlm_local.engine.models import salt_of, sampling_of
from rlm_local.engine.places import Ticket
from rlm_local.engine.result_keys import request_key
from rlm_local.engine.retry import complete_with_retries
from rlm_local.engine.run_state import Parts, Task
from rlm_local.engine.server_queue import queue_of
from rlm_local.errors import ModelError
from rlm_local.types import Completion, Constraint, Message, ModelRequest, Usage

__all__ = ["RootReply", "RootRequest", "ask_root", "reply_room"]

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


@dataclass(frozen=True, slots=True)
class RootReply:
    """What the root replied, and the name of the request for the trace.

    Attributes:
        replayed: whether it is on record and the root was not asked.
    """

    completion: Completion
    key: str
    replayed: bool


def reply_room(parts: Parts, prompt_tokens: int) -> int:
    """Tokens the root's reply may have behind such a prompt."""
    room = parts.models.root.context_tokens - prompt_tokens
    return max(_FEWEST_REPLY_TOKENS, min(parts.profile.max_reply_tokens, room))


async def ask_root(parts: Parts, task: Task, request: RootRequest) -> RootReply:
    """One reply of the root.

    Raises:
        LimitExceeded: tokens or time do not hold it.
        ModelError: the root does not answer, retries included.
    """
    asked = _model_request(parts, task, request)
    key = request_key(asked)
    known = _on_record(task, asked, key)
    completion = known or await _ask(parts, task, asked, request.prompt_tokens)
    return RootReply(completion, key.hex(), replayed=known is not None)


def _model_request(parts: Parts, task: Task, request: RootRequest) -> ModelRequest:
    seed = parts.config.seed
    sampling = sampling_of(
        parts.models.root_sampling,
        request.max_tokens,
        seed=None if seed is None else seed + request.attempt,
        stop=request.stop,
        temperature=request.temperature,
    )
    return ModelRequest(
        request.messages,
        sampling,
        constraint=request.constraint,
        continue_final=request.continue_final,
        priority=task.journal.depth,
        cache_salt=salt_of(parts.config.cache_salt, task.budget),
        session=task.journal.run_id,
    )


def _on_record(task: Task, asked: ModelRequest, key: bytes) -> Completion | None:
    """The recorded reply to this request; its tokens are booked, they were spent on this run."""
    if task.recording is None or task.recorded is None:
        return None
    reply = task.recording.take_root_reply(key)
    if reply is None:
        if not task.recorded.is_live:
            task.journal.notice(task.recorded.tell_live())
        return None
    task.recorded.replies_left -= 1
    task.budget.settle(task.budget.reserve(0), "root", reply.usage)
    opened = asked.messages[-1].content if asked.continue_final else ""
    return replace(reply, text=reply.text.removeprefix(opened))


async def _ask(parts: Parts, task: Task, asked: ModelRequest, prompt_tokens: int) -> Completion:
    budget = task.budget

    def on_retry(error: ModelError, pause_s: float) -> None:
        task.journal.notice(f"root asked again in {pause_s:.1f} s: {error}")

    usage, tokens = Usage(), prompt_tokens + asked.sampling.max_tokens
    ticket = Ticket("root", budget.tree, task.journal.depth, tokens)
    async with budget.within_time():
        held = await budget.reserve_soon(tokens)
        try:
            answered = await complete_with_retries(
                parts.models.root,
                asked,
                parts.policy,
                attempts=parts.policy.root_attempts,
                place=queue_of(parts.models.root.server).place(ticket),
                on_retry=on_retry,
            )
            usage = answered.completion.usage
        finally:
            budget.settle(held, "root", usage)
    return answered.completion
