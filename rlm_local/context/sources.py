"""What a context can be made of, and whether a named path is one of these.

Knows nothing of what stands inside a file: see `folder_walk` and `encodings`.
"""

import difflib
import os
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from rlm_local.errors import ContextError

__all__ = [
    "ContextInput",
    "Converted",
    "PathKind",
    "ReadOptions",
    "Skipped",
    "StreamInput",
    "TextInput",
    "check_path",
    "describe_special",
    "summarise",
]

PathKind = Literal["file", "folder"]

_SPECIAL_KINDS = (
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


@dataclass(frozen=True, slots=True)
class TextInput:
    """A text already in memory. `name` is shown when there are several documents."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class StreamInput:
    """Bytes to be read to their end, such as standard input. Not closed by us."""

    name: str
    stream: BinaryIO


ContextInput: TypeAlias = Path | TextInput | StreamInput


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Which files of a folder are read. Patterns are written as in `.gitignore`.

    Attributes:
        include: when there are any, only files that match one of these are read. They narrow
            what `.gitignore` leaves; they bring back nothing that it hides.
        exclude: files and folders that match one of these are not read.

    Neither is asked about a file that is itself named as an input.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was met and not read. `reason` is "kind" or "kind: detail"."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Converted:
    """A file that was not UTF-8 and was converted to it. `encoding` is Python's name for it."""

    path: str
    encoding: str


def check_path(path: Path) -> PathKind:
    """Whether a named path is a file or a folder; symlinks are followed.

    Raises:
        ContextError: it is missing (names the near ones beside it), is a pipe, socket or
            device, or cannot be reached.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  # one spelling for all stat calls here
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ContextError(f"no such file or folder: {path}{_near_names(path)}") from error
    except OSError as error:
        raise ContextError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:  # a NUL inside the path
        raise ContextError(f"not a path: {str(path)!r}: {error}") from error
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISREG(mode):
        return "file"
    raise ContextError(
        f"{path} is a {describe_special(mode)}, not a file or folder; "
        "to read from a program, pipe its output in and give `-` as the context"
    )


def describe_special(mode: int) -> str:
    """What a file that is neither regular nor a folder is, such as "pipe"."""
    return next((name for test, name in _SPECIAL_KINDS if test(mode)), "special file")


def summarise(skipped: Iterable[Skipped]) -> str:
    """Counts by kind of reason, such as "3 binary, 1 symlink"; "" when there are none."""
    kinds = Counter(item.reason.partition(":")[0] for item in skipped)
    return ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items(), key=lambda x: -x[1]))


def _near_names(path: Path) -> str:
    try:
        beside = os.listdir(path.parent)  # noqa: PTH208  # names, not paths
    except OSError:
        return f" (and there is no folder {path.parent})"
    near = difflib.get_close_matches(path.name, beside, n=3, cutoff=0.6)
    return f"; near it: {', '.join(near)}" if near else ""
