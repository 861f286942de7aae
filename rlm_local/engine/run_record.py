"""A run's beginning and end as they are written down, and the answer that is given back."""

import dataclasses
import platform
from functools import cache
from importlib import metadata

from rlm_local.engine.ending import Ending
from rlm_local.engine.models import Models
from rlm_local.engine.run_state import Parts, Task
from rlm_local.events import RunEnded, RunStarted
from rlm_local.types import Answer, CallMode

__all__ = ["as_answer", "digests", "write_end", "write_start"]


def write_start(parts: Parts, task: Task, mode: CallMode) -> None:
    """Write down what is asked, over what, with which limits and models."""
    task.journal.emit(
        RunStarted(
            **task.journal.stamp(),
            question=task.question,
            mode=mode,
            stack=parts.config.stack,
            profile=parts.profile.name,
            context=task.context.facts,
            limits=dataclasses.asdict(task.budget.limits),
            models=digests(parts.models),
            versions={"rlm_local": _version(), "python": platform.python_version()},
            sandbox=dict(parts.config.sandbox),
            seed=parts.config.seed,
            agreement=parts.config.agreement if mode == "rlm" else 1,
            resumed_from=task.recording.name if task.recording else None,
        )
    )


def write_end(task: Task, ending: Ending) -> None:
    """Write down the answer, why the run stopped, and what it cost."""
    budget = task.budget
    task.journal.emit(
        RunEnded(
            **task.journal.stamp(),
            answer=ending.text,
            stop_reason=ending.stop_reason,
            turns=budget.turns,
            subcalls=budget.subcalls,
            cached_subcalls=budget.cached_subcalls,
            seconds=budget.seconds,
            usage=budget.usage,
            error=ending.error,
        )
    )


def as_answer(parts: Parts, task: Task, mode: CallMode, ending: Ending) -> Answer:
    """What the caller is given."""
    budget = task.budget
    return Answer(
        text=ending.text,
        stop_reason=ending.stop_reason,
        mode=mode,
        turns=budget.turns,
        subcalls=budget.subcalls,
        cached_subcalls=budget.cached_subcalls,
        seconds=budget.seconds,
        usage=budget.usage,
        context=task.context.facts,
        stack=parts.config.stack,
        trace=None,
        error=ending.error,
    )


def digests(models: Models) -> dict[str, str]:
    """Which weights play which role."""
    return {"root": models.root.digest, "worker": models.worker.digest}


@cache
def _version() -> str:
    try:
        return metadata.version("rlm-local")
    except metadata.PackageNotFoundError:
        return "source"
