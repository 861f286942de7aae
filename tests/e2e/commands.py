"""`rlm-local` as a user runs it: real processes, in a home folder of the test's own.

Weights are linked from the real store, so that records, traces and temporary files are private
and nothing is pulled.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlm_local.config import HOME_VARIABLE
from rlm_local.events import Event
from rlm_local.trace.jsonl import read_trace

__all__ = ["Finished", "PrivateHome", "events_of", "eventually", "own_home"]

COMMAND_S = 400.0
"""More than any command here needs on a slow and busy machine."""
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a command."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        value = json.loads(self.stdout)
        assert isinstance(value, dict)
        return value


@dataclass(frozen=True, slots=True)
class PrivateHome:
    """A home folder, and the command line that lives in it."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def tmp(self) -> Path:
        """Where its processes put sockets and other short-lived files."""
        return self.folder / "t"

    def run(self, *arguments: str | Path, prefix: Sequence[str] = ()) -> Finished:
        """Run one command to its end."""
        process = self.start(*arguments, prefix=prefix)
        try:
            stdout, stderr = process.communicate(timeout=COMMAND_S)
        finally:
            process.kill()
            process.wait()
        return Finished(process.returncode, stdout, stderr)

    def start(self, *arguments: str | Path, prefix: Sequence[str] = ()) -> "subprocess.Popen[str]":
        """Start a command, in a session of its own."""
        command = [*prefix, sys.executable, "-m", "rlm_local", *map(str, arguments)]
        return subprocess.Popen(
            command,
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def scratch_folders(self) -> list[Path]:
        """Folders of servers' sockets."""
        return list(self.tmp.glob("rlm-local-*"))


@contextmanager
def own_home(weights: Path | None = None) -> Iterator[PrivateHome]:
    """A home folder that is removed in the end.

    `weights` is a real store to link to. The path is short because a socket's name must be.
    """
    with tempfile.TemporaryDirectory(prefix="e2e-") as name:
        folder = Path(name)
        home = PrivateHome(folder, {HOME_VARIABLE: name, "HF_HUB_OFFLINE": "1"})
        home.variables["TMPDIR"] = str(home.tmp)
        home.tmp.mkdir()
        if weights is not None:
            (folder / "weights").symlink_to(weights)
        yield home


def eventually(holds: Callable[[], bool], *, within_s: float) -> bool:
    """Wait until it holds; False when it never did."""
    deadline = time.monotonic() + within_s
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return held


def events_of(trace: Path) -> list[Event]:
    """What a trace holds so far; nothing before it exists."""
    return list(read_trace(trace)) if trace.exists() else []
