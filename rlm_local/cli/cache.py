"""`rlm-local cache`: what the result cache holds, and how to empty it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import click

from rlm_local.config import Home
from rlm_local.errors import UserError

if TYPE_CHECKING:
    from rlm_local.results.disk_cache import DiskCache
    from rlm_local.results.result_file import FileFacts

__all__ = ["cache"]


@click.group()
def cache() -> None:
    """Replies of the worker kept on disk, so that the same prompt is not answered twice."""


@cache.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(*, as_json: bool) -> None:
    """Show how many replies are kept, and on how many bytes."""
    from rlm_local.results.disk_cache import CACHE_BYTES

    with _open() as opened:
        facts = _facts(opened)
    if as_json:
        shown = {
            "path": str(facts.path),
            "entries": facts.entries,
            "bytes": facts.bytes,
            "max_bytes": CACHE_BYTES,
            "oldest_use_s": facts.oldest_use_s,
            "newest_use_s": facts.newest_use_s,
        }
        click.echo(json.dumps(shown))
        return
    click.echo(f"{facts.path}")
    click.echo(f"{_replies(facts.entries)}, {_mib(facts.bytes)} of at most {_mib(CACHE_BYTES)}")
    if facts.oldest_use_s is not None and facts.newest_use_s is not None:
        click.echo(f"used between {_moment(facts.oldest_use_s)} and {_moment(facts.newest_use_s)}")


@cache.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def clear(*, as_json: bool) -> None:
    """Remove every reply, also while runs are under way; they ask the worker again."""
    with _open() as opened:
        before = _facts(opened).bytes
        n_removed = opened.clear()
        freed = max(0, before - _facts(opened).bytes)
    if as_json:
        click.echo(json.dumps({"removed": n_removed, "freed_bytes": freed}))
    else:
        click.echo(f"removed {_replies(n_removed)}, {_mib(freed)}")


@contextmanager
def _open() -> "Iterator[DiskCache]":
    from rlm_local.results.disk_cache import DiskCache

    folder = Home.from_environment().folder("cache")
    with DiskCache(folder, warn=lambda message: click.echo(message, err=True)) as opened:
        yield opened


def _facts(opened: "DiskCache") -> "FileFacts":
    facts = opened.facts()
    if facts is None:
        folder = Home.from_environment().folder("cache")
        raise UserError(f"the result cache in {folder} cannot be read; the reason is above")
    return facts


def _replies(n: int) -> str:
    return "1 reply" if n == 1 else f"{n:,} replies"


def _mib(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:,.1f} MiB"


def _moment(time_s: float) -> str:
    return datetime.fromtimestamp(time_s).astimezone().isoformat(" ", "seconds")
