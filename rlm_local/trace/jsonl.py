"""The trace file: one JSON object a line, written as it happens, read back as events.

Prints nothing and folds nothing together; that is `trace.story` and `trace.viewer`.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from rlm_local.errors import UserError
from rlm_local.events import Event
from rlm_local.trace.records import RecordError, UnknownKind, decode_event, encode_event

__all__ = ["JsonlTrace", "TraceReader", "last_event", "read_trace"]

_TAIL_BLOCK_BYTES = 1 << 16


class JsonlTrace:
    """Appends every event to a file that only its owner can read.

    Each event is one `write`, unbuffered, so that what happened before a kill is on record.
    The first failure (folder not writable, disk full, file closed) is reported once through
    `on_failure`; later events are dropped. A run never ends because of its trace.
    """

    def __init__(self, path: Path, on_failure: Callable[[str], None]) -> None:
        self.path = path
        self.failure: str | None = None
        """Why nothing is written any more; `None` while all is well."""
        self._on_failure = on_failure
        self._fd = -1
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self._give_up(error)

    def emit(self, event: Event) -> None:
        """Write one event; never raises."""
        if self.failure is not None:
            return
        try:
            if self._fd < 0:
                raise ValueError("it is closed")
            _write_all(self._fd, encode_event(event))
        except (OSError, ValueError, TypeError) as error:
            self._give_up(error)

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                os.close(fd)
            except OSError as error:  # a network file system may say only now that it was full
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        if self.failure is not None:
            return
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        self.failure = f"the trace {self.path} is incomplete: {reason}"
        self._on_failure(self.failure)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


class TraceReader(Iterator[Event]):
    """The events of a trace file, in order, and what had to be left out.

    Iterating raises UserError when the file is no trace; `close` (or exhaustion) lets it go.

    Attributes:
        unknown_kinds: records of kinds a newer version wrote, counted.
        is_empty: whether no line was met so far, of whatever kind.
        torn: whether the last line is cut off, as after `kill -9` or on a full disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unknown_kinds: Counter[str] = Counter()
        self.torn = False
        self.is_empty = True
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise UserError(f"cannot read the trace {path}: {error.strerror or error}") from error
        self._line_number = 0

    def __next__(self) -> Event:
        while True:
            try:
                line = self._file.readline()
            except OSError as error:
                raise self._refuse(error.strerror or str(error)) from error
            except ValueError as error:  # closed
                raise StopIteration from error
            if not line:
                self.close()
                raise StopIteration
            self._line_number += 1
            event = self._decode(line)
            if event is not None:
                return event

    def close(self) -> None:
        """Close the file; iteration ends. Safe to call twice."""
        self._file.close()

    def __enter__(self) -> "TraceReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decode(self, line: bytes) -> Event | None:
        if not line.strip():
            return None
        self.is_empty = False
        try:
            return decode_event(line)
        except UnknownKind as unknown:
            self.unknown_kinds[unknown.kind] += 1
            return None
        except RecordError as error:
            if line.endswith(b"\n") or self._line_number == 1:
                raise self._refuse(str(error)) from error
            self.torn = True
            self.close()  # a run may be writing the rest of this line right now
            return None

    def _refuse(self, reason: str) -> UserError:
        self.close()
        return UserError(
            f"{self.path} is not a trace of rlm-local: line {self._line_number}: {reason}"
        )


def read_trace(path: Path) -> TraceReader:
    """The events of a trace file.

    A torn last line and records of unknown kinds are left out and counted on the reader.

    Raises:
        UserError: the file cannot be read, or (while iterating) a line is no trace record.
    """
    return TraceReader(path)


def last_event(path: Path) -> Event | None:
    """The last whole event of a trace, found from its end; `None` when there is none to read."""
    try:
        with path.open("rb") as file:
            for line in _lines_from_end(file):
                with contextlib.suppress(UnknownKind):
                    return decode_event(line)
    except (OSError, RecordError):
        return None
    return None


def _lines_from_end(file: BinaryIO) -> Iterator[bytes]:
    """Whole lines, last first; what follows the last newline is torn and left out."""
    position = file.seek(0, os.SEEK_END)
    tail = b""
    seen_newline = False
    while position > 0:
        size = min(_TAIL_BLOCK_BYTES, position)
        position = file.seek(position - size)
        tail = file.read(size) + tail
        *lines, last = tail.split(b"\n")
        tail, lines = (lines[0], [*lines[1:], last]) if lines else (last, [])
        if lines and not seen_newline:
            lines.pop()
            seen_newline = True
        yield from reversed(lines)
    if seen_newline:
        yield tail
