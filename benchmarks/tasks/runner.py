"""Asks questions, several at the same time, and scores what comes back.

A question that fails is scored 0 with its reason and stays in every mean. Contexts are written to
disk once, whatever the number of questions over them, and removed when the last is answered.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

from benchmarks.tasks.arms import Answerer
from benchmarks.tasks.kept_contexts import KeptContexts
from benchmarks.tasks.outcomes import Outcome
from benchmarks.tasks.task import Task, Written

__all__ = ["run_tasks"]


async def run_tasks(
    tasks: Iterable[Task], arm: str, answer: Answerer, *, folder: Path, at_once: int = 1
) -> AsyncGenerator[Outcome, None]:
    """Ask the tasks in their order, `at_once` together; outcomes come as they are ready.

    Tasks over one context should stand together: then at most `at_once` + 1 contexts lie on disk.
    """
    contexts = KeptContexts(folder)
    asking: set[asyncio.Task[Outcome]] = set()
    try:
        for task in tasks:
            writing = contexts.take(task.context)
            asking.add(asyncio.create_task(_one(task, arm, answer, contexts, writing)))
            while len(asking) >= at_once:
                await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                for one in [one for one in asking if one.done()]:
                    asking.remove(one)
                    yield one.result()
        for ready in asyncio.as_completed(asking):
            yield await ready
    finally:
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await contexts.clear()


async def _one(
    task: Task,
    arm: str,
    answer: Answerer,
    contexts: KeptContexts,
    writing: asyncio.Task[Written],
) -> Outcome:
    try:
        return await _outcome(task, arm, answer, await asyncio.shield(writing))
    finally:
        contexts.give_back(task.context)


async def _outcome(task: Task, arm: str, answer: Answerer, written: Written) -> Outcome:
    started_s = time.monotonic()
    reply = await answer(task, written)
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
