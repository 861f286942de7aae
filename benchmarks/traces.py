"""Figures read from a run's trace: waiting times, batches, the prefix cache's share.

Reads events only; measures nothing itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rlm_local.events import CellRan, Event, RootReplied, SubcallDone, SubcallsStarted
from rlm_local.trace.jsonl import read_trace

__all__ = ["CachedTurn", "batches_s", "cached_turns", "read_events", "waiting_s"]


@dataclass(frozen=True, slots=True)
class CachedTurn:
    """A root turn that is not a run's first: what its prompt had in common with the one before."""

    turn: int
    prompt_tokens: int
    sent_before_tokens: int
    cached_tokens: int

    @property
    def share(self) -> float:
        """Part of the tokens sent before that came from the cache; at most 1."""
        return min(1.0, self.cached_tokens / self.sent_before_tokens)


def read_events(trace: Path) -> list[Event]:
    """The events of a trace file."""
    with read_trace(trace) as events:
        return list(events)


def waiting_s(events: Iterable[Event]) -> float:
    """Seconds the top run waited for its root and, inside cells, for sub-calls."""
    waited_s = 0.0
    for event in events:
        if event.depth > 0:
            continue
        if isinstance(event, RootReplied):
            waited_s += event.seconds
        elif isinstance(event, CellRan):
            waited_s += event.host_wait_s
    return waited_s


def batches_s(events: Iterable[Event]) -> list[float]:
    """For each batch: from its start to its last item."""
    started: dict[tuple[str, int], float] = {}
    ended: dict[tuple[str, int], float] = {}
    for event in events:
        if isinstance(event, SubcallsStarted):
            started[event.run_id, event.batch] = event.time_s
        elif isinstance(event, SubcallDone):
            ended[event.run_id, event.batch] = event.time_s
    return [ended[key] - began_s for key, began_s in started.items() if key in ended]


def cached_turns(events: Iterable[Event]) -> list[CachedTurn]:
    """Second and later root turns of every run, each against the request before it.

    A second attempt at the same turn sends the same prompt and would flatter the figure: it
    counts only as what was sent before.
    """
    before: dict[str, RootReplied] = {}
    turns: list[CachedTurn] = []
    for event in events:
        if not isinstance(event, RootReplied):
            continue
        last = before.get(event.run_id)
        if last is not None and event.turn > last.turn:
            turns.append(
                CachedTurn(
                    event.turn,
                    event.usage.prompt_tokens,
                    last.usage.prompt_tokens,
                    event.usage.cached_tokens,
                )
            )
        before[event.run_id] = event
    return turns
