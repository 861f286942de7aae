"""Prints the ends of log files and, if asked, what is added; goes on when a file is replaced."""

import os
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import click

from rlm_local.errors import UserError

__all__ = ["print_logs"]

_POLL_S = 0.5


def print_logs(paths: Sequence[Path], lines: int, *, follow: bool) -> None:
    """Print the last lines of each file; with `follow` until interrupted.

    Raises:
        UserError: a file cannot be read.
    """
    tails = [_Tail(path) for path in paths]
    try:
        for tail in tails:
            if len(paths) > 1:
                click.echo(f"==> {tail.path} <==")
            click.echo("".join(deque(tail.file, maxlen=lines)), nl=False)
        while follow:
            for tail in tails:
                click.echo(tail.added(), nl=False)
            time.sleep(_POLL_S)
    finally:
        for tail in tails:
            tail.file.close()


class _Tail:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = _open(path)

    def added(self) -> str:
        """What came since; from its beginning, where a new start has replaced the file."""
        words = self.file.read()
        if not words and self._is_replaced():
            self.file.close()
            self.file = _open(self.path)
            words = self.file.read()
        return words

    def _is_replaced(self) -> bool:
        try:
            now = self.path.stat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self.file.fileno())
        return (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino)


def _open(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
