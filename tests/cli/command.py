"""`python -m rlm_local` as a process, and what it leaves behind."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.architecture.repository import ROOT
from tests.fakes.openai_process import cell
from tests.fakes.openai_server import OpenAIServer

__all__ = ["TEXT", "CommandLine", "Done", "adopt_orphans", "at", "cell", "ended", "left_behind"]

TEXT = "a first line\nthe code word is plum-7\nan end\n"

_PR_SET_CHILD_SUBREAPER = 36
_GONE_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


def at(server: OpenAIServer) -> list[str]:
    """The options that name a fake server's models."""
    return ["--base-url", server.base_url, "--root", "root", "--worker", "worker"]


@dataclass(slots=True)
class CommandLine:
    """Runs commands; processes they leave behind become ours, and are seen so."""

    environment: Mapping[str, str]
    folder: Path
    started: list[int] = field(default_factory=list)

    async def __call__(
        self, *arguments: str | Path, stdin: bytes = b"", **environment: str
    ) -> Done:
        process = await self.start(*arguments, **environment)
        return await ended(process, stdin)

    async def start(self, *arguments: str | Path, **environment: str) -> asyncio.subprocess.Process:
        """Start one; `ended` waits for it."""
        command = (sys.executable, "-m", "rlm_local", *map(str, arguments))
        return await self.start_program(*command, **environment)

    async def start_program(self, *command: str, **environment: str) -> asyncio.subprocess.Process:
        """Start another program, such as one that becomes a command of ours."""
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env={**self.environment, "PYTHONPATH": str(ROOT), **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self.started.append(process.pid)
        return process

    async def interrupted(
        self, *arguments: str | Path, when: asyncio.Event, by: int = signal.SIGINT
    ) -> Done:
        """Run a command and send it a signal once `when` is set."""
        process = await self.start(*arguments)
        await asyncio.wait_for(when.wait(), 30)
        process.send_signal(by)
        return await ended(process)


async def ended(process: asyncio.subprocess.Process, stdin: bytes = b"") -> Done:
    """Wait for a command that must print no traceback."""
    try:
        stdout, stderr = await asyncio.wait_for(process.communicate(stdin), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    done = Done(process.returncode or 0, stdout.decode(), stderr.decode())
    assert "Traceback" not in done.stderr, done.stderr
    assert "internal error" not in done.stderr, done.stderr
    return done


def adopt_orphans(*, on: bool) -> None:
    """Whether processes whose parent went away become children of this one."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def left_behind(known: Sequence[int]) -> list[str]:
    """Processes below this one that stay, besides those known before."""
    deadline = time.monotonic() + _GONE_WITHIN_S
    while found := _strangers(known):
        if time.monotonic() > deadline:
            return found
        time.sleep(0.05)
    return []


def _strangers(known: Sequence[int]) -> list[str]:
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
            if child.pid in known:
                continue
            if child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)
            else:
                found.append(" ".join(child.cmdline()))
    return found
