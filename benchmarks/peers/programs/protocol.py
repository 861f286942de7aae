"""The lines between a peer's process and ours. Standard library only: peers' Pythons import it."""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

__all__ = ["Order", "Said", "answer_one", "read_context"]


@dataclass(frozen=True)
class Order:
    """One question. `context` is the path of a UTF-8 file, or of a folder of them."""

    base_url: str
    api_key: str
    model: str
    worker: str
    context: str
    question: str
    max_turns: int
    max_seconds: float


@dataclass(frozen=True)
class Said:
    """What came of it. Times are `time.monotonic()`: of the call of the peer, not of its import."""

    answer: str
    error: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    turns: int = 0
    called_s: float = 0.0
    done_s: float = 0.0


def answer_one(ask: Callable[[Order, str], Said]) -> None:
    """Read one order, have it answered, print one line.

    Whatever else the peer or its model's code prints goes to standard error.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    order = Order(**json.loads(sys.stdin.readline()))
    text = read_context(Path(order.context))
    called_s = time.monotonic()
    try:
        said = ask(order, text)
    except BaseException as error:  # noqa: BLE001  # whatever ends a peer is its reply
        traceback.print_exc()
        partial = getattr(error, "partial_answer", None) or ""
        said = Said(str(partial), f"{type(error).__name__}: {error}")
    said = replace(said, called_s=called_s, done_s=time.monotonic())
    out.write(json.dumps(asdict(said)) + "\n")
    out.flush()
    os._exit(0)  # threads that a peer leaves behind would keep the process


def read_context(path: Path) -> str:
    """The text of a file; of a folder's files, each under a line with its name."""
    if path.is_file():
        return path.read_text(encoding="utf-8")
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return "".join(
        f"# file: {file.relative_to(path).as_posix()}\n{file.read_text(encoding='utf-8')}"
        for file in files
    )
