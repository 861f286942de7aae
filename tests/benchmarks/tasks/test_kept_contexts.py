import asyncio
from pathlib import Path

import pytest

from benchmarks.tasks.kept_contexts import KeptContexts
from benchmarks.tasks.task import Context, ContextFile


def _one(key: str) -> Context:
    return Context.of_text(key, lambda: [key] * 3)


def _folder(key: str) -> Context:
    files = tuple(ContextFile(f"{name}/a.txt", lambda: ["text"]) for name in ("x", "y"))
    return Context(key, files)


async def test_a_context_stays_while_it_is_open_or_the_last_one_taken(tmp_path: Path) -> None:
    kept = KeptContexts(tmp_path)
    first, second = _one("a"), _folder("b")
    a = await kept.take(first)
    assert await kept.take(first) == a
    kept.give_back(first)
    kept.give_back(first)
    assert a.path.exists()
    b = await kept.take(second)
    assert not a.path.exists()
    assert b.path.is_dir()
    await kept.take(first)
    assert b.path.exists()
    kept.give_back(second)
    assert not b.path.exists()
    await kept.clear()
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240  # a test


async def test_what_is_written_when_all_ends_is_removed_too(tmp_path: Path) -> None:
    kept = KeptContexts(tmp_path)
    kept.take(_one("a"))
    await kept.clear()
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240  # a test


async def test_a_context_that_cannot_be_made_is_told_to_whoever_waits(tmp_path: Path) -> None:
    def broken() -> list[str]:
        raise ValueError("no text")

    kept = KeptContexts(tmp_path)
    context = Context.of_text("a", broken)
    writing = kept.take(context)
    with pytest.raises(ValueError, match="no text"):
        await asyncio.shield(writing)
    kept.give_back(context)
    await kept.clear()
