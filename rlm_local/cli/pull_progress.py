"""Progress of a pull on stderr: a bar on a terminal, plain lines elsewhere.

Prints nothing to stdout.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from rlm_local.weights.origins import Progress, Stage

__all__ = ["PlainLines", "show_progress"]

_PLAIN_EVERY_S = 5.0
_TITLES: dict[Stage, str] = {
    "wait": "waiting for another pull",
    "download": "fetching",
    "check": "checking",
    "convert": "converting",
}


@contextmanager
def show_progress(model: str) -> Iterator[Progress]:
    """A callback that draws; what it drew is cleared when the block ends."""
    if not sys.stderr.isatty():
        yield PlainLines(model)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(model, total=None)

        def draw(stage: Stage, done_bytes: int, total_bytes: int) -> None:
            bars.update(
                task,
                description=f"{model}: {_TITLES[stage]}",
                completed=done_bytes,
                total=total_bytes or None,
            )

        yield draw


class PlainLines:
    """One line when a stage begins, then one every few seconds."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._stage: Stage | None = None
        self._told_at = 0.0

    def __call__(self, stage: Stage, done_bytes: int, total_bytes: int) -> None:
        """See `weights.origins.Progress`."""
        now = time.monotonic()
        if stage == self._stage and now - self._told_at < _PLAIN_EVERY_S:
            return
        self._stage, self._told_at = stage, now
        amount = f" {done_bytes / 1e6:,.0f} of {total_bytes / 1e6:,.0f} MB" if total_bytes else ""
        click.echo(f"{self._model}: {_TITLES[stage]}{amount}", err=True)
