"""Several samples of one run, of which the answer most of them give is taken.

All begin with the same prompt, over the same text, below one budget; what the worker replied to one
is known to the others. Starts no run itself: it is told how.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

from rlm_local.config import RunConfig
from rlm_local.engine.journal import Journal
from rlm_local.engine.run_state import Parts
from rlm_local.engine.votes import Votes
from rlm_local.types import Answer, StopReason

__all__ = ["agree", "parts_of_sample"]

_TEMPERATURE = 0.7
"""Of all samples but the first, which is drawn as a run alone is."""
_SEEDS_APART = 1000
"""Between samples: one that is refused is drawn again by the seeds right behind its own."""
_WHOLE: frozenset[StopReason] = frozenset({"answered", "forced"})
_SHOWN_CHARS = 80


def parts_of_sample(parts: Parts, number: int) -> Parts:
    """What the sample is run with; 0 is the first."""
    limits = parts.config.limits  # a sample is a run below the one that counts the votes
    config: RunConfig = dataclasses.replace(
        parts.config,
        agreement=1,
        limits=dataclasses.replace(limits, max_depth=limits.max_depth + 1),
    )
    if number == 0:
        return dataclasses.replace(parts, config=config)
    seed = (config.seed or 0) + _SEEDS_APART * number
    sampling = parts.models.root_sampling
    warmer = sampling.model_copy(update={"temperature": max(_TEMPERATURE, sampling.temperature)})
    return dataclasses.replace(
        parts,
        config=dataclasses.replace(config, seed=seed),
        models=dataclasses.replace(parts.models, root_sampling=warmer),
    )


async def agree(
    samples: int, journal: Journal, run_sample: Callable[[int], Awaitable[Answer]]
) -> Answer:
    """The winner's answer, or where nobody has one, how the first sample ended.

    Samples whose vote cannot matter any more are cancelled.

    Raises:
        RlmError: what a sample raised.
    """
    votes, ended = Votes(samples), dict[int, Answer]()
    tasks = {asyncio.ensure_future(run_sample(number)): number for number in range(samples)}
    try:
        left = set(tasks)
        while left and not votes.is_certain:
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=lambda it: tasks[it]):
                number, answer = tasks[task], task.result()
                ended[number] = answer
                has_answer = bool(answer.text) and answer.stop_reason in _WHOLE
                votes.add(number, answer.text if has_answer else None)
    finally:
        await _cancel(list(tasks))
    journal.notice(_told(votes, samples, len(ended)))
    return ended[min(ended) if votes.winner is None else votes.winner]


async def _cancel(tasks: "list[asyncio.Future[Answer]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _told(votes: Votes, samples: int, n_ended: int) -> str:
    each = "; ".join(f"{n} x {answer!r:.{_SHOWN_CHARS}}" for answer, n in votes.tally().items())
    silent = n_ended - len(votes.answers)
    told = [f"agreement of {samples}: {each or 'no answer'}"]
    if silent:
        told.append(f"{silent} without an answer")
    if n_ended < samples:
        told.append(f"{samples - n_ended} not needed")
    return ", ".join(told)
