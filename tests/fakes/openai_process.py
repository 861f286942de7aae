"""The fake endpoint as a process of its own, for code that blocks the test's own loop."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["RunningServer", "cell", "running_server"]


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where it answers, and its process."""

    base_url: str
    process: "subprocess.Popen[str]"


def cell(code: str) -> str:
    """A reply of a root that holds one cell, as the `coder` profile teaches it."""
    return f"```repl\n{code}\n```"


@contextmanager
def running_server(*replies: str, arguments: Sequence[str] = ()) -> Iterator[RunningServer]:
    """A server that gives out `replies` in order; killed when the block is left."""
    words = [word for reply in replies for word in ("--reply", reply)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.openai_server", *words, *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        yield RunningServer(f"http://127.0.0.1:{port}/v1", process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
