"""Processes by pid and start time, so that a number given to somebody else is never signalled.

Linux only (/proc). Starts nothing.
"""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ProcessId", "boot_id", "end_process", "identify", "is_alive", "session_members"]

GRACE_S = 9.0
"""A guardian needs up to 8 s: 3 to end its tree gently, 5 to kill it."""
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process for as long as this machine runs: its number and when it began."""

    pid: int
    start_ticks: int
    """Clock ticks from boot to its start."""


def identify(pid: int) -> ProcessId | None:
    """The process of that number now, zombies aside."""
    fields = _stat(pid)
    return ProcessId(pid, int(fields[19])) if fields and fields[0] != "Z" else None


def is_alive(process: ProcessId) -> bool:
    """Whether it still runs."""
    return identify(process.pid) == process


def session_members(session: int) -> list[int]:
    """Running processes of one session."""
    pids = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdecimal()]
    return [
        pid
        for pid in pids
        if (fields := _stat(pid)) and fields[0] != "Z" and int(fields[3]) == session
    ]


def end_process(process: ProcessId) -> None:
    """End a guardian and all of its session: SIGTERM, wait, SIGKILL. Blocks for up to 10 s.

    A guardian leads a session of its own and ends its tree itself; what is left of the session
    when it could not (somebody killed it) is killed here.
    """
    if is_alive(process):
        _signal(process.pid, signal.SIGTERM)
        _wait_until_dead(process, GRACE_S)
        if is_alive(process):
            _signal(process.pid, signal.SIGKILL)
            _wait_until_dead(process, 1.0)
    if identify(process.pid) is None:  # else the number, and the session, are somebody else's
        _clear_session(process.pid)


def boot_id() -> str:
    """Changes with every boot; start times mean nothing across boots."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def _wait_until_dead(process: ProcessId, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while is_alive(process) and time.monotonic() < deadline:
        time.sleep(POLL_S)


def _clear_session(session: int) -> None:
    deadline = time.monotonic() + 1.0
    while (left := session_members(session)) and time.monotonic() < deadline:
        for pid in left:
            _signal(pid, signal.SIGKILL)
        time.sleep(POLL_S)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on; None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
