"""Live progress on stderr: a status line on a terminal, plain lines elsewhere, nothing if quiet.

Warnings are printed in every mode. Never raises; when stderr goes away it falls silent. Escapes
what a model or a text could do to the terminal. Prints no answers.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from rlm_local.cli.run_status import RunStatus
from rlm_local.events import (
    Event,
    GuardFired,
    HistoryCompacted,
    Notice,
    RunEnded,
    RunStarted,
    SubcallDone,
    SubcallsStarted,
    TurnStarted,
)
from rlm_local.trace.printable import one_line

__all__ = ["Progress", "StatusConsole", "open_progress"]

_REFRESH_S = 0.25
_PLAIN_EVERY_S = 10.0
_LINE_CHARS = 300


@contextmanager
def open_progress(*, quiet: bool = False) -> "Iterator[Progress]":
    """Progress on this process's stderr, cleared when the block ends."""
    progress = Progress(StatusConsole(stderr=True, highlight=False), quiet=quiet)
    progress.start()
    try:
        yield progress
    finally:
        progress.stop()


class StatusConsole(Console):
    """A console that lets its owner see a broken pipe, where rich would end the process."""

    def on_broken_pipe(self) -> None:
        """Called by rich inside its handler; the error goes on to the owner."""
        raise BrokenPipeError


class Progress:
    """Takes a run's events and a server's phases, from any thread, and shows them to a person."""

    def __init__(
        self,
        console: StatusConsole,
        *,
        quiet: bool = False,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._quiet = quiet
        self._now_s = now_s
        self._lock = threading.Lock()  # guards the status; never held while printing
        self._status = RunStatus(now_s())
        self._broken = False
        self._phase = ""
        self._last_plain_s = now_s()
        self._live: Live | None = None
        self._stopping = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)

    def start(self) -> None:
        """Begin showing; on a terminal, from a thread of its own."""
        if self._quiet or not self._console.is_terminal or self._console.is_dumb_terminal:
            return
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        if self._write(self._live.start):
            # a hidden cursor would stay hidden after kill -9
            self._write(lambda: self._console.show_cursor(True))
            self._ticker.start()

    def stop(self) -> None:
        """Clear the status line. Safe to call twice."""
        self._stopping.set()
        if self._ticker.is_alive():
            self._ticker.join()
        live, self._live = self._live, None
        if live is not None:
            self._write(live.stop)

    def emit(self, event: Event) -> None:
        """Take one event of a run."""
        now_s = self._now_s()
        with self._lock:
            if isinstance(event, RunStarted) and event.depth == 0:
                self._status = RunStatus(now_s)
            self._status.take(event, now_s)
            line = self._status.line(now_s)
        if self._quiet:
            return
        if self._live is not None:
            said = _said_on_terminal(event)
        else:
            said = self._said_plainly(event, line, now_s)
        if said:
            self._print(said)

    def phase(self, name: str, elapsed_s: float) -> None:
        """A model server reached a phase of its start, `elapsed_s` after it was launched."""
        now_s = self._now_s()
        with self._lock:
            self._status = RunStatus(now_s - elapsed_s, one_line(name, _LINE_CHARS))
            is_new, self._phase = name != self._phase, name
        if is_new and self._live is None and not self._quiet:
            self._print(f"{name} ({elapsed_s:.0f} s)")

    def warn(self, message: str) -> None:
        """Something the user should read; printed even when quiet."""
        self._print(f"warning: {message}", style="yellow")

    def _said_plainly(self, event: Event, line: str, now_s: float) -> str:
        """What goes into a log: moments that matter, and every ten seconds of a long batch."""
        if isinstance(event, TurnStarted | SubcallsStarted | SubcallDone):
            due = now_s - self._last_plain_s >= _PLAIN_EVERY_S
            is_step = event.depth == 0 and _is_step(event)
            if not (due or is_step):
                return ""
            self._last_plain_s = now_s
            return line
        if isinstance(event, GuardFired):
            return f"turn {event.turn}: guard {event.guard}: {event.detail}"
        return _said_on_terminal(event)

    def _tick(self) -> None:
        while self._live is not None and not self._broken and not self._stopping.wait(_REFRESH_S):
            self._write(self._refresh)

    def _refresh(self) -> None:
        now_s = self._now_s()
        with self._lock:
            line = self._status.line(now_s)
        if self._live is not None:
            text = Text(line, style="dim", no_wrap=True, overflow="ellipsis")
            self._live.update(text, refresh=True)

    def _print(self, text: str, *, style: str = "dim") -> None:
        line = Text(one_line(text, _LINE_CHARS), style=style)
        self._write(lambda: self._console.print(line, soft_wrap=True))

    def _write(self, write: Callable[[], object]) -> bool:
        if self._broken:
            return False
        try:
            write()
        except (OSError, ValueError):  # stderr is gone: a closed pipe, a closed file
            self._broken = True
        return not self._broken


def _is_step(event: TurnStarted | SubcallsStarted | SubcallDone) -> bool:
    """A new turn (not another try of the same) or a new batch."""
    if isinstance(event, TurnStarted):
        return event.attempt == 0
    return isinstance(event, SubcallsStarted)


def _said_on_terminal(event: Event) -> str:
    """What is worth a line of its own above the status line."""
    match event:
        case RunStarted(depth=0):
            facts = event.context
            about = "" if facts.tokens.exact else "about "
            return (
                f"context: {facts.chars:,} characters, {about}{facts.tokens.tokens:,} tokens; "
                f"stack {event.stack}, mode {event.mode}{_sandbox(event.sandbox)}"
            )
        case RunEnded(depth=0):
            return (
                f"{event.stop_reason}: {_counted(event.turns, 'turn')}, "
                f"{_counted(event.subcalls, 'sub-call')} "
                f"({event.cached_subcalls:,} from cache), {event.seconds:.1f} s"
            )
        case Notice():
            return event.text
        case HistoryCompacted():
            return f"history compacted: {event.tokens_before:,} -> {event.tokens_after:,} tokens"
        case _:
            return ""


def _sandbox(record: dict[str, str]) -> str:
    """The level; `off` has a banner of its own."""
    match record.get("level"):
        case None | "off":
            return ""
        case "full":
            return ", sandbox full"
        case level:
            return f", sandbox {level} (`rlm-local doctor` says what is missing)"


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
