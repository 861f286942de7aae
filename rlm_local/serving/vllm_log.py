"""Reads vLLM's log: which phase a start has reached.

Pure but for `LogFollower`, which reads. The texts are vLLM 0.32's and move between versions, so a
phase that is not found is no error.
"""

from pathlib import Path
from typing import Literal

from rlm_local.serving.failure_causes import tail_of

__all__ = ["LogFollower", "Phase", "phase_of"]

Phase = Literal[
    "starting",
    "loading weights",
    "compiling",
    "allocating KV cache",
    "warming up",
    "first token",
    "ready",
]

PHASE_MARKS: tuple[tuple[str, Phase], ...] = (
    ("Starting to load model", "loading weights"),
    ("Loading safetensors checkpoint", "loading weights"),
    ("Loading weights took", "allocating KV cache"),
    ("Dynamo bytecode transform", "compiling"),
    ("torch.compile took", "compiling"),
    ("Warming up model for the compilation", "compiling"),
    ("Available KV cache memory", "allocating KV cache"),
    ("for KV cache on node", "allocating KV cache"),
    ("KV cache size:", "warming up"),
    ("Capturing CUDA graphs", "warming up"),
    ("Starting vLLM server on", "first token"),
    ("Application startup complete", "first token"),
)


def phase_of(line: str) -> Phase | None:
    """The phase that a line of the log begins, if any."""
    return next((phase for mark, phase in PHASE_MARKS if mark in line), None)


class LogFollower:
    """Reads a growing log bit by bit and remembers the last phase seen."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.phase: Phase = "starting"
        self._offset = 0
        self._partial = ""

    def advance(self) -> Phase:
        """Read what is new; returns the phase reached."""
        try:
            with self.path.open("rb") as log:
                log.seek(self._offset)
                new = log.read()
        except FileNotFoundError:
            return self.phase
        self._offset += len(new)
        *lines, self._partial = (self._partial + new.decode("utf-8", "replace")).split("\n")
        for line in lines:
            self.phase = phase_of(line) or self.phase
        return self.phase

    def tail(self) -> str:
        """The end of the log, for `failure_causes`."""
        return tail_of(self.path)
