"""Finds the processes that a command started, and those it left behind.

Three nets, since each has holes: descendants seen while the command ran, whatever shares a session
with one of them, and whatever names the home folder (arguments, environment, open files).
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.e2e.commands import PrivateHome, eventually

__all__ = ["GONE_WITHIN_S", "Leftovers", "descendant_names"]

GONE_WITHIN_S = 10.0
"""The promise: this long after a command was killed nothing of it is left."""


class Leftovers:
    """Processes of one home folder."""

    def __init__(self, home: PrivateHome) -> None:
        self._home = home
        self._seen: set[psutil.Process] = set()
        self._sessions: set[int] = set()

    def note(self, pid: int) -> list[psutil.Process]:
        """Remember a process and all that is below it now; gives them."""
        found: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            found = [process, *process.children(recursive=True)]
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                self._sessions.add(os.getsid(process.pid))
        self._sessions.discard(os.getsid(0))
        self._seen.update(found)
        return found

    def kill(self, pid: int) -> list[psutil.Process]:
        """`kill -9` the command alone; gives what ran below it at that moment."""
        os.kill(pid, signal.SIGSTOP)  # so that the list is whole
        below = [process for process in self.note(pid) if process.pid != pid]
        os.kill(pid, signal.SIGKILL)
        return below

    def running(self) -> list[str]:
        """What still runs, one line a process."""
        return [_described(process) for process in psutil.process_iter() if self._is_ours(process)]

    def wait(self) -> list[str]:
        """What still runs when the time is over in which all of it must be gone."""
        eventually(lambda: not self.running(), within_s=GONE_WITHIN_S)
        return self.running()

    def _is_ours(self, process: psutil.Process) -> bool:
        if process.pid == os.getpid() or not _is_running(process):
            return False
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(process.pid) in self._sessions:
                return True
        return process in self._seen or self._names_home(process)

    def _names_home(self, process: psutil.Process) -> bool:
        return any(str(self._home.folder) in text for text in _texts(process))


def descendant_names(pid: int) -> set[str]:
    """Names and command lines of what runs below a process."""
    with contextlib.suppress(psutil.NoSuchProcess):
        below = psutil.Process(pid).children(recursive=True)
        return {_described(process) for process in below}
    return set()


def _is_running(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _described(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return f"{process.pid} {process.name()} {' '.join(process.cmdline())}"
    return str(process.pid)


def _texts(process: psutil.Process) -> Iterator[str]:
    with contextlib.suppress(psutil.Error):
        yield " ".join(process.cmdline())
    with contextlib.suppress(psutil.Error):
        yield from process.environ().values()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                yield str(link.readlink())
