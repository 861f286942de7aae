"""Tries, from inside, what a confined process must not be able to do.

The last step before "ready": a layer that says it is on and is not, is found here. Each attempt
that succeeds is named. Cleans up after itself where an attempt succeeds.
"""

import errno
import fcntl
import os
import signal
import socket
from collections.abc import Callable

__all__ = ["find_leaks"]

_PROTOCOL_FD = 3
_FD_RANGE = range(256)


def find_leaks(
    canary: str, allowed_environment: frozenset[str], top_names: frozenset[str] | None
) -> list[str]:
    """What this process can do and must not; empty when it is confined.

    `canary` names a file the host made, which everybody may read; `top_names` is what a private
    root has, None without one.
    """
    attempts: list[tuple[str, Callable[[], object]]] = [
        (f"read {canary}", lambda: _open(canary, os.O_RDONLY)),
        ("read /etc/passwd", lambda: _open("/etc/passwd", os.O_RDONLY)),
        ("create a file", lambda: _open(f"{canary}.probe", os.O_WRONLY | os.O_CREAT)),
        ("create a file in /", lambda: _open("/rlm-probe", os.O_WRONLY | os.O_CREAT)),
        ("list /", lambda: _list_root(top_names or frozenset())),
        ("make an internet socket", lambda: _socket(socket.AF_INET)),
        ("make a Unix socket", lambda: _socket(socket.AF_UNIX)),
        ("start a process", _fork),
        ("signal other processes", lambda: os.kill(-1, 0)),
    ]
    leaks = [name for name, attempt in attempts if _succeeds(attempt)]
    strange = set(os.environ) - allowed_environment
    if strange:
        leaks.append(f"see the environment variables {', '.join(sorted(strange))}")
    extra = [fd for fd in _FD_RANGE if fd > _PROTOCOL_FD and _is_open(fd)]
    if extra:
        leaks.append(f"use the open descriptors {extra}")
    return leaks


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _open(path: str, flags: int) -> None:
    os.close(os.open(path, flags | os.O_CLOEXEC, 0o600))
    if flags & os.O_CREAT:
        os.unlink(path)  # noqa: PTH108


def _list_root(expected: frozenset[str]) -> None:
    """Returns when something is to be seen that should not be there."""
    if set(os.listdir("/")) <= expected:  # noqa: PTH208
        raise PermissionError(errno.EPERM, "nothing but what it may read")


def _socket(family: int) -> None:
    socket.socket(family, socket.SOCK_STREAM).close()


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)


def _is_open(fd: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_GETFD)
    except OSError as error:
        return error.errno != errno.EBADF
    return True
