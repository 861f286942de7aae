"""Asks questions, of our RLM or of a control, and writes one line for each.

A question that fails is scored 0 with its reason and stays in every mean. Contexts are written to
disk once, whatever the number of questions over them, and removed when the last is answered.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.tasks.outcomes import Outcome
from benchmarks.tasks.task import Task, Written
from rlm_local.errors import RlmError
from rlm_local.session.inputs import ContextLike
from rlm_local.types import Answer

__all__ = ["ARMS", "Answerer", "Reply", "answerer", "cut_middle", "run_tasks"]

ARMS = ("rlm", "blind", "regex", "truncated", "closed-book")
_NOTHING = "(there is no text)"


class Completer(Protocol):
    """What a control or a run needs of `RLM`."""

    def complete(self, context: ContextLike, question: str | None = None) -> Answer:
        """Answer a question over a context."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What an arm says to one question."""

    text: str
    error: str
    facts: dict[str, Any]


Answerer = Callable[[Task, Written], Reply]


def answerer(arm: str, models: Completer | None, *, window_tokens: int) -> Answerer:
    """The arm's way to answer. `blind` and `regex` need no models.

    Args:
        arm: one of `ARMS`. `truncated` has the model read the beginning and the end of the text
            directly, as much as `window_tokens`; `closed-book` asks it without any text.
        models: the `RLM`, in mode `direct` for the last two.
        window_tokens: of text that the model reads at once.
    """
    if arm == "blind":
        return lambda task, _: Reply(task.blind, "", {})
    if arm == "regex":
        return _by_shortcut
    if models is None:
        raise ValueError(f"{arm} asks models")
    if arm == "truncated":
        return lambda task, its: _ask(models, _readable(task, its, window_tokens), task)
    if arm == "closed-book":
        return lambda task, _: _ask(models, _NOTHING, task)
    return lambda task, written: _ask(models, written.path, task)


def _readable(task: Task, written: Written, window_tokens: int) -> str:
    chars_per_token = written.n_chars / task.tokens
    return cut_middle(task.context.text(), round(window_tokens * chars_per_token))


def cut_middle(text: str, n_chars: int) -> str:
    """The text without its middle, when it is longer than `n_chars`."""
    if len(text) <= n_chars:
        return text
    half = n_chars // 2
    return f"{text[:half]}\n[...]\n{text[-half:]}"


def run_tasks(
    tasks: Sequence[Task], arm: str, answer: Answerer, *, folder: Path
) -> Iterator[Outcome]:
    """Ask the tasks one after the other; those over one context should stand together."""
    written: tuple[str, Written] | None = None
    for task in tasks:
        if written is None or written[0] != task.context.key:
            _remove(written)
            written = (task.context.key, task.context.write(folder))
        yield _outcome(task, arm, answer, written[1])
    _remove(written)


def _outcome(task: Task, arm: str, answer: Answerer, written: Written) -> Outcome:
    started_s = time.monotonic()
    reply = answer(task, written)
    seconds = time.monotonic() - started_s
    scores = task.scores(reply.text)
    return Outcome(
        name=task.name,
        family=task.family,
        kind=task.kind,
        seed=task.seed,
        tokens=task.tokens,
        context=task.context.key,
        arm=arm,
        score=scores[task.scorer],
        scores=scores,
        blind=task.score(task.blind),
        answer=reply.text,
        truth=list(task.truth),
        question=task.question,
        seconds=seconds,
        error=reply.error,
        facts={
            "task_sha256": task.sha256,
            "context_sha256": written.sha256,
            "context_chars": written.n_chars,
            **reply.facts,
        },
    )


def _by_shortcut(task: Task, _: Written) -> Reply:
    if task.shortcut is None:
        return Reply("", "this task allows no answer without a model", {})
    return Reply(task.shortcut(task.context.text()), "", {})


def _ask(models: Completer, context: ContextLike, task: Task) -> Reply:
    try:
        answer = models.complete(context, task.question)
    except RlmError as error:
        return Reply("", f"{type(error).__name__}: {error}", {})
    usage = answer.usage.root + answer.usage.worker
    facts = {
        "mode": answer.mode,
        "stop_reason": answer.stop_reason,
        "turns": answer.turns,
        "subcalls": answer.subcalls,
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "root_tokens": answer.usage.root.prompt_tokens + answer.usage.root.completion_tokens,
        "stack": answer.stack,
        "trace": answer.trace,
    }
    return Reply(answer.text, answer.error or "", facts)


def _remove(written: tuple[str, Written] | None) -> None:
    if written is None:
        return
    path = written[1].path
    files = [path] if path.is_file() else sorted(path.rglob("*"), reverse=True)
    for file in files:
        file.unlink() if file.is_file() else file.rmdir()
    if path.is_dir():
        path.rmdir()
