"""Stamps events with the run they belong to and hands them to the sink. Keeps nothing."""

import time
from typing import TypedDict

from rlm_local.events import Event, Notice
from rlm_local.interfaces import EventSink

__all__ = ["Journal", "Stamp"]


class Stamp(TypedDict):
    """The fields every event has."""

    run_id: str
    parent_run_id: str | None
    depth: int
    time_s: float


class Journal:
    """Where one run writes down what happens."""

    def __init__(
        self, sink: EventSink, run_id: str, *, parent_run_id: str | None = None, depth: int = 0
    ) -> None:
        self.run_id = run_id
        self.depth = depth
        self._sink = sink
        self._parent_run_id = parent_run_id

    def stamp(self) -> Stamp:
        """Fields for an event that happens now."""
        return Stamp(
            run_id=self.run_id,
            parent_run_id=self._parent_run_id,
            depth=self.depth,
            time_s=time.time(),
        )

    def emit(self, event: Event) -> None:
        """Write one event down."""
        self._sink.emit(event)

    def notice(self, text: str) -> None:
        """Write down a line for a person."""
        self.emit(Notice(**self.stamp(), text=text))

    def child(self, run_id: str) -> "Journal":
        """The journal of a child run."""
        return Journal(self._sink, run_id, parent_run_id=self.run_id, depth=self.depth + 1)
