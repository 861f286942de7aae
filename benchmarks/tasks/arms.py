"""Who can be asked: our RLM, controls, and peers. Each answers one question over one context.

Controls tell what a score is worth: `blind` answers without the text, `regex` without a model,
`truncated` has the model read the two ends of the text, `closed-book` asks it without any.
`peer:NAME` is another harness: see `benchmarks.peers`. Scores nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.tasks.task import Task, Written
from benchmarks.tasks.trace_facts import facts_of_trace
from rlm_local.errors import RlmError
from rlm_local.session.inputs import ContextLike
from rlm_local.types import Answer

__all__ = [
    "ARMS",
    "PEER",
    "WITHOUT_MODELS",
    "Answerer",
    "Completer",
    "Reply",
    "answerer",
    "cut_middle",
]

ARMS = ("rlm", "blind", "regex", "truncated", "closed-book")
WITHOUT_MODELS = frozenset({"blind", "regex"})
PEER = "peer:"
_NOTHING = "(there is no text)"


class Completer(Protocol):
    """What a control or a run needs of `RLM`."""

    async def acomplete(self, context: ContextLike, question: str | None = None) -> Answer:
        """Answer a question over a context; several may be asked at the same time."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What an arm says to one question."""

    text: str
    error: str
    facts: dict[str, Any]


Answerer = Callable[[Task, Written], Awaitable[Reply]]


def answerer(arm: str, models: Completer | None, *, window_tokens: int) -> Answerer:
    """The way of one of `ARMS` to answer. `blind` and `regex` need no models.

    Args:
        arm: `truncated` has the model read the beginning and the end of the text directly, as
            much as `window_tokens`; `closed-book` asks it without any text.
        models: the `RLM`, in mode `direct` for the last two.
        window_tokens: of text that the model reads at once.
    """
    if arm == "blind":
        return _blind
    if arm == "regex":
        return _by_shortcut
    if models is None:
        raise ValueError(f"{arm} asks models")
    if arm == "truncated":
        return lambda task, its: _ask(models, _readable(task, its, window_tokens), task)
    if arm == "closed-book":
        return lambda task, _: _ask(models, _NOTHING, task)
    return lambda task, written: _ask(models, written.path, task)


def cut_middle(text: str, n_chars: int) -> str:
    """The text without its middle, when it is longer than `n_chars`."""
    if len(text) <= n_chars:
        return text
    half = n_chars // 2
    return f"{text[:half]}\n[...]\n{text[-half:]}"


def _readable(task: Task, written: Written, window_tokens: int) -> str:
    chars_per_token = written.n_chars / task.tokens
    return cut_middle(task.context.text(), round(window_tokens * chars_per_token))


async def _blind(task: Task, _: Written) -> Reply:
    return Reply(task.blind, "", {})


async def _by_shortcut(task: Task, _: Written) -> Reply:
    if task.shortcut is None:
        return Reply("", "this task allows no answer without a model", {})
    return Reply(task.shortcut(task.context.text()), "", {})


async def _ask(models: Completer, context: ContextLike, task: Task) -> Reply:
    try:
        answer = await models.acomplete(context, task.question)
    except RlmError as error:
        return Reply("", f"{type(error).__name__}: {error}", {})
    usage = answer.usage.root + answer.usage.worker
    facts = {
        "mode": answer.mode,
        "stop_reason": answer.stop_reason,
        "turns": answer.turns,
        "subcalls": answer.subcalls,
        "cached_subcalls": answer.cached_subcalls,
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "root_tokens": answer.usage.root.prompt_tokens + answer.usage.root.completion_tokens,
        "stack": answer.stack,
        "trace": answer.trace,
    }
    if answer.trace:
        facts |= facts_of_trace(Path(answer.trace))
    return Reply(answer.text, answer.error or "", facts)
