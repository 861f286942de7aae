"""Folds a trace's events into runs: a tree, batches summed up, child runs where they began.

Pure; holds one summary a batch, not its prompts, unless asked to keep them.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from rlm_local.events import (
    CellRan,
    CellStarted,
    Event,
    ExamplesShown,
    GuardFired,
    HistoryCompacted,
    Notice,
    RootReplied,
    RunEnded,
    RunStarted,
    SubcallDone,
    SubcallsStarted,
    TurnStarted,
)
from rlm_local.trace.records import event_json
from rlm_local.types import Json, Usage

__all__ = ["Batch", "RunPart", "RunStory", "story_json", "tell"]


@dataclass(slots=True)
class Batch:
    """What became of one batch of sub-calls. Grows while its events are read."""

    number: int
    started_s: float
    prompts: int = 0
    duplicates: int = 0
    done: int = 0
    failed: int = 0
    cached: int = 0
    usage: Usage = field(default_factory=Usage)
    ended_s: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    subcalls: list[SubcallDone] = field(default_factory=list)
    """Filled only when sub-calls are kept."""

    @property
    def seconds(self) -> float:
        """Wall time from the first prompt to the last reply."""
        return max(0.0, self.ended_s - self.started_s)


@dataclass(slots=True)
class RunStory:
    """One run: its parts in the order they happened; a child run is a part of its parent's."""

    run_id: str
    depth: int
    started: RunStarted | None = None
    parts: "list[RunPart]" = field(default_factory=list)
    ended: RunEnded | None = None
    batches: dict[int, Batch] = field(default_factory=dict)


RunPart: TypeAlias = (
    TurnStarted
    | RootReplied
    | GuardFired
    | CellStarted
    | CellRan
    | ExamplesShown
    | HistoryCompacted
    | Notice
    | Batch
    | RunStory
)


def tell(events: Iterable[Event], *, keep_subcalls: bool = False) -> tuple[RunStory, ...]:
    """The runs of a trace that have no parent in it, in the order they began."""
    runs: dict[str, RunStory] = {}
    roots: list[RunStory] = []
    for event in events:
        run = runs.get(event.run_id)
        if run is None:
            run = runs[event.run_id] = RunStory(event.run_id, event.depth)
            parent = runs.get(event.parent_run_id) if event.parent_run_id else None
            if parent is None:
                roots.append(run)
            else:
                parent.parts.append(run)
        _take(run, event, keep_subcalls)
    return tuple(roots)


def _take(run: RunStory, event: Event, keep_subcalls: bool) -> None:
    match event:
        case RunStarted():
            run.started = event
        case RunEnded():
            run.ended = event
        case SubcallsStarted():
            batch = _batch(run, event.batch, event.time_s)
            batch.prompts, batch.duplicates = event.prompts, event.duplicates
        case SubcallDone():
            _count(_batch(run, event.batch, event.time_s), event, keep_subcalls)
        case (
            TurnStarted()
            | RootReplied()
            | GuardFired()
            | CellStarted()
            | CellRan()
            | ExamplesShown()
            | HistoryCompacted()
            | Notice()
        ):
            run.parts.append(event)
        case _:
            assert_never(event)


def _batch(run: RunStory, number: int, time_s: float) -> Batch:
    batch = run.batches.get(number)
    if batch is None:
        batch = run.batches[number] = Batch(number, started_s=time_s, ended_s=time_s)
        run.parts.append(batch)
    return batch


def _count(batch: Batch, event: SubcallDone, keep: bool) -> None:
    batch.done += 1
    batch.cached += event.cached
    batch.usage += event.usage
    batch.ended_s = max(batch.ended_s, event.time_s)
    if event.reply is None:
        batch.failed += 1
        batch.errors[event.error or "no reply"] += 1
    if keep:
        batch.subcalls.append(event)


def story_json(run: RunStory) -> dict[str, Json]:
    """The run as one JSON object; child runs nested where they began."""
    return {
        "run_id": run.run_id,
        "depth": run.depth,
        "started": event_json(run.started) if run.started else None,
        "parts": [_part_json(part) for part in run.parts],
        "ended": event_json(run.ended) if run.ended else None,
    }


def _part_json(part: RunPart) -> dict[str, Json]:
    if isinstance(part, RunStory):
        return {"kind": "run", **story_json(part)}
    if not isinstance(part, Batch):
        return event_json(part)
    batch: dict[str, Json] = {
        "kind": "batch",
        "batch": part.number,
        "prompts": part.prompts,
        "duplicates": part.duplicates,
        "done": part.done,
        "failed": part.failed,
        "cached": part.cached,
        "seconds": part.seconds,
        "prompt_tokens": part.usage.prompt_tokens,
        "cached_tokens": part.usage.cached_tokens,
        "completion_tokens": part.usage.completion_tokens,
        "errors": dict(part.errors),
    }
    if part.subcalls:
        batch["subcalls"] = [event_json(subcall) for subcall in part.subcalls]
    return batch
