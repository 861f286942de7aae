"""The process that parents a model server and leaves nothing of it behind.

Run as a script: `python -I -S guardian.py [--owner-fd N] [--remove DIR] -- COMMAND ...`.
It ends the whole tree under it when its owner dies (end of file on the pipe, or another parent),
on SIGTERM, SIGINT or SIGHUP, and when the server itself ends. A byte `D` on the pipe detaches it:
then no owner is watched. Standard library only; imports nothing of ours; reads no log.
"""

import argparse
import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["DETACH", "descendants", "main"]

DETACH = b"D"
GRACE_S = 3.0
"""From SIGTERM to SIGKILL."""
KILL_S = 5.0
"""For how long killing is tried; only a process stuck in the kernel lasts that long."""
POLL_S = 0.5
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(arguments: list[str]) -> int:
    """Guard one command until it ends or must end; returns the exit status to leave with."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--owner-fd", type=int)
    parser.add_argument("--remove", type=Path)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    owner = os.getppid() if options.owner_fd is not None else None
    wakeups = _signals_as_bytes()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    me = os.getpid()

    def die_with_guardian() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != me:  # it died between fork and prctl
            os._exit(1)

    status = 1
    try:
        # One thread, so that code between fork and exec is safe.
        server = subprocess.Popen(
            options.command,
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=die_with_guardian,
        )
        status = _watch(server, wakeups, options.owner_fd, owner)
        _end_tree(server)
    finally:
        if options.remove:
            shutil.rmtree(options.remove, ignore_errors=True)
    return status


def descendants(ancestor: int) -> list[int]:
    """Process ids below `ancestor`, found by walking /proc; zombies included."""
    parents = dict(_parents())
    return [pid for pid in parents if ancestor in _line_of(pid, parents)]


def _signals_as_bytes() -> int:
    """Make ending signals, and the end of a child, readable on a descriptor."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (*ENDING_SIGNALS, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reader


def _watch(
    server: "subprocess.Popen[bytes]", wakeups: int, owner_fd: int | None, owner: int | None
) -> int:
    """Wait for the server to end, an ending signal, or the owner's death."""
    while True:
        watched = [fd for fd in (wakeups, owner_fd) if fd is not None]
        ready, _, _ = select.select(watched, [], [], POLL_S)
        if wakeups in ready and set(os.read(wakeups, 512)) & set(ENDING_SIGNALS):
            return 0
        if owner_fd in ready and owner_fd is not None:
            if os.read(owner_fd, 1) != DETACH:
                return 0
            os.close(owner_fd)
            owner_fd = owner = None
        # A copy of the pipe's other end, kept by a stray fork of the owner, must not fool us.
        if owner is not None and os.getppid() != owner:
            return 0
        if (code := _reap(server)) is not None:
            return code if code >= 0 else 128 - code


def _reap(server: "subprocess.Popen[bytes]") -> int | None:
    """Collect orphans that have ended; the server's return code once it has one."""
    with contextlib.suppress(ChildProcessError):
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if found.si_pid == server.pid:
                server.poll()  # only Popen may collect it, or its return code is lost
            else:
                os.waitpid(found.si_pid, os.WNOHANG)
    return server.poll()


def _end_tree(server: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to everything below, then SIGKILL to what is left, again and again.

    As subreaper this process is the ancestor of all of it, other sessions and groups included.
    """
    _signal_all(signal.SIGTERM)
    if _is_alone_within(GRACE_S, server):
        return
    deadline = time.monotonic() + KILL_S
    while time.monotonic() < deadline:
        _signal_all(signal.SIGKILL)
        if _is_alone_within(0.1, server):
            return


def _is_alone_within(timeout_s: float, server: "subprocess.Popen[bytes]") -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        _reap(server)
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
