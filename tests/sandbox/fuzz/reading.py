"""What must hold when the host reads hostile bytes: the oracle of the fuzzers.

Nothing but `FrameError` comes out, what waits is never more than one frame may hold, and whatever
is let through can be written to a trace and sent to a model server.
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rlm_local.sandbox.child.wire import MAX_FRAME_BYTES, Frame, FrameError, FrameReader
from rlm_local.sandbox.messages import (
    CallRequest,
    Done,
    ReplState,
    operation,
    parse_call,
    parse_done,
    parse_ready,
)

__all__ = ["check_sendable", "check_told", "read_all"]

_PARSERS = (parse_ready, parse_call, parse_done)
_MAX_NUMBER = 1 << 62


def read_all(pieces: Sequence[bytes], max_frame_bytes: int = MAX_FRAME_BYTES) -> tuple[int, int]:
    """Feed the pieces; how many frames came out, and how many messages of those.

    Raises:
        AssertionError: the reader, or what it let through, broke a promise.
        Exception: so did it, by raising what is no FrameError.
    """
    reader = FrameReader(max_frame_bytes)
    n_frames = n_messages = 0
    for piece in pieces:
        reader.feed(piece)
        try:
            while (frame := reader.next_frame()) is not None:
                n_frames += 1
                n_messages += _parse(frame)
        except FrameError as error:
            check_told(error)
            return n_frames, n_messages
        waiting = len(reader._buffer)
        assert waiting < max_frame_bytes + 4 + len(piece), f"{waiting} bytes wait"
    return n_frames, n_messages


def _parse(frame: Frame) -> int:
    assert isinstance(frame.header, dict)
    assert all(isinstance(text, str) for text in frame.texts)
    found = 0
    for state in ReplState:
        with contextlib.suppress(FrameError):
            assert operation(frame, state) in ("ready", "refused", "call", "done")
    for parse in _PARSERS:
        try:
            message = parse(frame)
        except FrameError as error:
            check_told(error)
            continue
        found += 1
        check_sendable(message if isinstance(message, dict) else asdict(message))
        if isinstance(message, CallRequest):
            _check_numbers(message.number, message.cell)
        elif isinstance(message, Done):
            _check_numbers(message.cell, message.stdout_chars)
    return found


def check_told(error: Exception) -> None:
    """What is told is there, and no flood."""
    assert 0 < len(str(error)) < 1000


def check_sendable(message: Mapping[str, object]) -> None:
    """Valid UTF-8 and valid JSON, for traces and model servers."""
    json.dumps(message, ensure_ascii=False, allow_nan=False).encode("utf-8")


def _check_numbers(*numbers: int) -> None:
    for number in numbers:
        assert type(number) is int
        assert 0 <= number <= _MAX_NUMBER
