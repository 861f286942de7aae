"""Short contexts: the whole text and the question in one request to the root, no REPL.

Decides whether a context is short enough, and asks. Starts no process.
"""

from dataclasses import dataclass

from rlm_local.engine.ending import Ending
from rlm_local.engine.prompts import say
from rlm_local.engine.replies import without_thought
from rlm_local.engine.root_call import RootRequest, ask_root
from rlm_local.engine.run_state import Parts, Task
from rlm_local.errors import ConfigError
from rlm_local.events import RootReplied, TurnStarted
from rlm_local.types import Message

__all__ = ["DirectPrompt", "answer_directly", "direct_prompt"]

_TEMPLATE_TOKENS = 32
_ESTIMATE_SLACK = 1.25
"""An estimated context may be this much larger than told; it is counted before it is sent."""


@dataclass(frozen=True, slots=True)
class DirectPrompt:
    """A whole context as messages, and its size."""

    messages: tuple[Message, ...]
    tokens: int


def direct_prompt(parts: Parts, task: Task) -> DirectPrompt | None:
    """The prompt of a direct answer; None where the run needs a REPL.

    Raises:
        ConfigError: mode `direct` was asked for and the text does not fit the root's window.
    """
    if task.mode == "rlm":
        return None
    root, told = parts.models.root, task.context.facts.tokens.tokens
    room = root.context_tokens - parts.profile.max_reply_tokens
    most = room if task.mode == "direct" else min(room, parts.config.direct_tokens)
    if told <= most * _ESTIMATE_SLACK:
        prompt = _whole_text(parts, task)
        if prompt.tokens <= room and (task.mode == "direct" or told <= most):
            return prompt
        told = prompt.tokens
    if task.mode == "direct":
        raise ConfigError(
            f"mode direct: text and question have {told:,} tokens, the window of root "
            f"{root.name!r} holds {room:,} beside its reply; use mode rlm or auto"
        )
    return None


async def answer_directly(parts: Parts, task: Task, prompt: DirectPrompt) -> Ending:
    """Ask once.

    Raises:
        LimitExceeded: tokens or time do not hold it.
        ModelError: the root does not answer.
    """
    journal = task.journal
    turn = task.budget.take_turn()
    journal.emit(
        TurnStarted(
            **journal.stamp(),
            turn=turn,
            attempt=0,
            n_messages_before=0,
            new_messages=prompt.messages,
        )
    )
    request = RootRequest(prompt.messages, prompt.tokens, parts.profile.max_reply_tokens)
    replied = await ask_root(parts, task, request)
    completion = replied.completion
    journal.emit(
        RootReplied(
            **journal.stamp(),
            turn=turn,
            attempt=0,
            reply=completion.text,
            finish_reason=completion.finish_reason,
            usage=completion.usage,
            seconds=completion.seconds,
            key=replied.key,
            replayed=replied.replayed,
        )
    )
    return Ending(without_thought(completion.text), "direct")


def _whole_text(parts: Parts, task: Task) -> DirectPrompt:
    context = task.context
    text = context.head(context.facts.chars)
    messages = (
        Message("system", say("direct-system")),
        Message("user", say("direct", text=text, question=task.question)),
    )
    count = parts.models.root.tokens.count
    tokens = sum(count(message.content) for message in messages) + _TEMPLATE_TOKENS
    return DirectPrompt(messages, tokens)
