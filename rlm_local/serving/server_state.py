"""What a guardian says of its server, in one small file that is replaced whole.

Standard library only: the guardian writes it.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["ServerPhase", "ServerState", "read_state", "write_state"]

ServerPhase = Literal["starting", "ready", "restarting"]

_FILE = "state.json"


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server as its guardian sees it."""

    phase: ServerPhase
    since: float
    """Unix time of the phase's beginning."""
    restarts: int = 0
    """How often it was started again since it was first up."""
    tries: int = 0
    """Restarts in a row, without a longer time of health between."""
    max_tries: int = 0
    cause: str = ""
    """Why it died last."""
    server_pid: int = 0
    """Of the process that serves; 0 while there is none."""


def write_state(folder: Path, state: ServerState) -> None:
    """Put it down, whole or not at all."""
    draft = folder / f"{_FILE}.new"
    draft.write_text(json.dumps(dataclasses.asdict(state)), "utf-8")
    draft.replace(folder / _FILE)


def read_state(folder: Path) -> ServerState | None:
    """What was last said; None before the first word and after the last."""
    try:
        return ServerState(**json.loads((folder / _FILE).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
