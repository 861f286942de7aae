"""Where a run's events go: the trace file and whoever watches."""

import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from rlm_local.config import Home
from rlm_local.events import Event
from rlm_local.interfaces import EventSink
from rlm_local.trace.jsonl import JsonlTrace

__all__ = ["Fanout", "OpenTrace", "open_trace"]


class Fanout:
    """An event sink that hands every event to several."""

    def __init__(self, sinks: Sequence[EventSink]) -> None:
        self._sinks = sinks

    def emit(self, event: Event) -> None:
        """Hand it on."""
        for sink in self._sinks:
            sink.emit(event)


class OpenTrace:
    """A trace file, or none; `written_to` names the file while it is whole."""

    def __init__(self, path: Path | None, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._path = path
        self._failed = False
        self._file = JsonlTrace(path, self._on_failure) if path else None

    @property
    def written_to(self) -> str | None:
        """Path of the file; None when there is none or writing failed."""
        return str(self._path) if self._path and not self._failed else None

    def emit(self, event: Event) -> None:
        """Write it down, if there is a file."""
        if self._file is not None:
            self._file.emit(event)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _on_failure(self, message: str) -> None:
        self._failed = True
        self._warn(message)


def open_trace(
    wish: Path | Literal["auto", "off"], home: Home, warn: Callable[[str], None]
) -> OpenTrace:
    """The trace of one run: at a given path, under the home folder, or none."""
    if wish == "off":
        return OpenTrace(None, warn)
    if wish == "auto":
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}.jsonl"
        return OpenTrace(home.folder("traces") / name, warn)
    return OpenTrace(wish, warn)
