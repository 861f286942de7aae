"""Everything below this process: started, reaped, ended.

For the guardian, which as subreaper is the ancestor of all its server starts, other sessions and
groups included. Standard library only. Linux only.
"""

import contextlib
import ctypes
import functools
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = [
    "adopt_orphans",
    "descendants",
    "die_with",
    "end_tree",
    "named_descendants",
    "reap",
    "start_below",
]

GRACE_S = 3.0
"""From SIGTERM to SIGKILL."""
KILL_S = 5.0
"""For how long killing is tried; only a process stuck in the kernel lasts that long."""
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Become the parent of whatever is orphaned below, so that nothing gets away."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with(parent: int) -> None:
    """Get SIGTERM when the parent dies, now if it has; for between fork and exec, or no exec."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before the call
        os._exit(1)


def start_below(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start a command that gets SIGTERM should this process die. Of a single-threaded process."""
    # One thread, so that code between fork and exec is safe.
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=functools.partial(die_with, os.getpid()),
    )


def reap(server: "subprocess.Popen[bytes] | None") -> int | None:
    """Collect orphans that have ended; the server's return code once it has one."""
    with contextlib.suppress(ChildProcessError):
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if server is not None and found.si_pid == server.pid:
                server.poll()  # only Popen may collect it, or its return code is lost
            else:
                os.waitpid(found.si_pid, os.WNOHANG)
    return server.poll() if server is not None else None


def end_tree(server: "subprocess.Popen[bytes] | None") -> None:
    """SIGTERM to everything below, then SIGKILL to what is left, again and again; at most 8 s."""
    _signal_all(signal.SIGTERM)
    if _is_alone_within(GRACE_S, server):
        return
    deadline = time.monotonic() + KILL_S
    while time.monotonic() < deadline:
        _signal_all(signal.SIGKILL)
        if _is_alone_within(0.1, server):
            return


def descendants(ancestor: int) -> list[int]:
    """Process ids below `ancestor`, found by walking /proc; zombies included."""
    parents = dict(_parents())
    return [pid for pid in parents if ancestor in _line_of(pid, parents)]


def named_descendants(ancestor: int, prefix: str) -> list[int]:
    """Those of them whose command line begins so."""
    return [pid for pid in descendants(ancestor) if _command_line(pid).startswith(prefix)]


def _is_alone_within(timeout_s: float, server: "subprocess.Popen[bytes] | None") -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        reap(server)
        if not descendants(os.getpid()):
            return True
        time.sleep(0.02)
    return False


def _signal_all(number: int) -> None:
    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _parents() -> list[tuple[int, int]]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError, IndexError):
                # Field 4, counted after the name, which may hold blanks and brackets.
                fields = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
                found.append((int(folder.name), int(fields[1])))
    return found


def _line_of(pid: int, parents: dict[int, int]) -> set[int]:
    line: set[int] = set()
    while (pid := parents.get(pid, 0)) and pid not in line:
        line.add(pid)
    return line


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
    except OSError:
        return ""
