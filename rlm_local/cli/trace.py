"""`rlm-local trace`: read what a run wrote down."""

import json
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import click

from rlm_local.config import Home
from rlm_local.errors import UserError
from rlm_local.events import RunEnded, RunStarted
from rlm_local.trace.jsonl import TraceReader, last_event, read_trace
from rlm_local.trace.printable import one_line
from rlm_local.types import Json

__all__ = ["find_trace", "trace"]


@click.group()
def trace() -> None:
    """Read what a run wrote down."""


@trace.command()
@click.argument("file", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--full", is_flag=True, help="Also prompts, whole replies and every sub-call.")
def show(file: str, *, as_json: bool, full: bool) -> None:
    """Print the trace FILE; `last` is the newest, a bare name is looked up among the traces."""
    from rlm_local.trace.story import story_json, tell

    with read_trace(find_trace(file)) as reader:
        if as_json:
            runs: list[Json] = [story_json(run) for run in tell(reader, keep_subcalls=full)]
            _check_not_empty(reader)
            shown = {"trace": str(reader.path), "runs": runs, "left_out": _left_out(reader)}
            click.echo(json.dumps(shown))
        else:
            _show(reader, full=full)


@trace.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_traces(*, as_json: bool) -> None:
    """List traces, newest first."""
    entries = [entry for path in _newest_first() if (entry := _entry(path))]
    if as_json:
        click.echo(json.dumps({"traces": [entry._asdict() for entry in entries]}))
        return
    if not entries:
        click.echo(f"no traces in {Home.from_environment().folder('traces')}", err=True)
    for entry in entries:
        began = datetime.fromtimestamp(entry.time_s).astimezone().isoformat(" ", "seconds")
        file, ended = one_line(entry.file, 200), one_line(entry.stop_reason, 20)
        click.echo(f"{file}  {began}  {ended:<10}  {one_line(entry.question, 60)}")


class _Entry(NamedTuple):
    file: str
    time_s: float
    stop_reason: str
    question: str
    stack: str
    seconds: float | None
    bytes: int


def _entry(path: Path) -> _Entry | None:
    """What the list says of one file; `None` for a file that is no trace."""
    try:
        with read_trace(path) as reader:
            first = next(reader, None)
        about = path.stat()
    except (UserError, OSError):
        return None
    last = last_event(path)
    ended = last if isinstance(last, RunEnded) and last.depth == 0 else None
    started = first if isinstance(first, RunStarted) else None
    return _Entry(
        file=path.name,
        time_s=started.time_s if started else about.st_mtime,
        stop_reason=ended.stop_reason if ended else "unfinished",
        question=started.question if started else "",
        stack=started.stack if started else "",
        seconds=ended.seconds if ended else None,
        bytes=about.st_size,
    )


def _newest_first() -> list[Path]:
    """Names begin with the time, and break ties between files of the same moment."""
    folder = Home.from_environment().folder("traces")
    return sorted(folder.glob("*.jsonl"), key=lambda p: (p.stat().st_mtime, p.name), reverse=True)


def find_trace(file: str) -> Path:
    """The trace meant: `last` is the newest, a bare name is looked up among the traces.

    Raises:
        UserError: `last`, and there is none.
    """
    if file == "last":
        newest = next(iter(_newest_first()), None)
        if newest is None:
            raise UserError("there is no trace yet; `rlm-local ask` writes one a run")
        return newest
    path = Path(file)
    if path.exists() or path.name != file:
        return path
    folder = Home.from_environment().folder("traces")
    kept = [folder / name for name in (file, f"{file}.jsonl") if (folder / name).is_file()]
    return kept[0] if kept else path


def _show(reader: TraceReader, *, full: bool) -> None:
    from rich.console import Console

    from rlm_local.trace.viewer import show as show_events

    show_events(reader, Console(highlight=False), full=full)
    _check_not_empty(reader)
    for what, n in _left_out(reader).items():
        click.echo(f"left out: {n} x {one_line(what, 80)}", err=True)


def _check_not_empty(reader: TraceReader) -> None:
    if reader.is_empty:
        raise UserError(f"{reader.path} is no trace: it is empty; no run has written to it")


def _left_out(reader: TraceReader) -> dict[str, Json]:
    kinds: dict[str, Json] = {f"unknown kind {kind}": n for kind, n in reader.unknown_kinds.items()}
    return {**kinds, "torn last line": 1} if reader.torn else kinds
