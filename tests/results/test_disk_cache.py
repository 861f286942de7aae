import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from rlm_local.interfaces import ResultCache
from rlm_local.results.disk_cache import DiskCache, ScopedCache
from tests.results.hammer import key_of, reply_of

_protocol: type[ResultCache] = ScopedCache


class _Told:
    def __init__(self) -> None:
        self.messages: list[str] = []

    def __call__(self, message: str) -> None:
        self.messages.append(message)


@pytest.fixture
def told() -> _Told:
    return _Told()


@pytest.fixture
async def cache(tmp_path: Path, told: _Told) -> AsyncIterator[DiskCache]:
    with DiskCache(tmp_path / "cache", warn=told) as opened:
        yield opened
    assert told.messages == []


def hammers(folder: Path, count: int, rounds: int, *options: str) -> "list[subprocess.Popen[str]]":
    return [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.results.hammer"),
                *(str(folder), str(seed), str(rounds), *options),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(count)
    ]


def file_in(folder: Path) -> Path:
    (path,) = folder.glob("*.sqlite3")
    return path


async def test_a_reply_that_was_put_is_got(cache: DiskCache) -> None:
    cache.put(key_of(1), "one")
    assert await cache.get([key_of(1), key_of(2)]) == {key_of(1): "one"}


async def test_nothing_is_opened_before_it_is_used(cache: DiskCache, tmp_path: Path) -> None:
    assert await cache.get([]) == {}
    assert not (tmp_path / "cache").exists()


async def test_scopes_share_nothing(cache: DiskCache) -> None:
    alice, bob = cache.scoped("alice", "{}"), cache.scoped("bob", "{}")
    alice.put(key_of(1), "hers")
    assert await alice.get([key_of(1)]) == {key_of(1): "hers"}
    assert await bob.get([key_of(1)]) == {}
    assert await cache.scoped("alice", '{"a":1}').get([key_of(1)]) == {}
    assert await cache.scoped("alice", "{}").get([key_of(1)]) == {key_of(1): "hers"}
    assert await cache.scoped("alice{}", "").get([key_of(1)]) == {}


async def test_other_processes_see_what_was_put_before_closing(tmp_path: Path, told: _Told) -> None:
    with DiskCache(tmp_path, warn=told) as first:
        for number in range(1000):
            first.put(key_of(number), reply_of(number))
    with DiskCache(tmp_path, warn=told) as second:
        found = await second.get([key_of(number) for number in range(1000)])
    assert found == {key_of(number): reply_of(number) for number in range(1000)}


async def test_the_loop_goes_on_while_the_file_is_locked(cache: DiskCache, tmp_path: Path) -> None:
    cache.put(key_of(1), "one")
    await cache.get([key_of(1)])
    path = file_in(tmp_path / "cache")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        cache.put(key_of(2), "two")
        waiting = asyncio.ensure_future(cache.get([key_of(2)]))
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert not waiting.done()
        other.execute("ROLLBACK")
    assert await waiting == {key_of(2): "two"}


async def test_a_closed_cache_knows_nothing_and_says_nothing(tmp_path: Path, told: _Told) -> None:
    cache = DiskCache(tmp_path, warn=told)
    cache.close()
    cache.close()
    cache.put(key_of(1), "one")
    assert await cache.get([key_of(1)]) == {}
    assert told.messages == []


def test_processes_that_hammer_one_file_read_only_right_replies(tmp_path: Path) -> None:
    started = hammers(tmp_path, 4, 60, "--max-bytes", "600000")
    printed = [process.communicate()[0] for process in started]
    assert printed == ["ready\nwrong: 0\n"] * 4


async def test_kill_in_the_middle_of_writing_leaves_a_readable_file(
    tmp_path: Path, told: _Told
) -> None:
    for delay_s in (0.0, 0.02, 0.05, 0.1):
        started = hammers(tmp_path, 2, 1_000_000)
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        await asyncio.sleep(delay_s)
        for process in started:
            process.kill()
            process.communicate()
        with DiskCache(tmp_path, warn=told) as cache:
            found = await cache.get([key_of(number) for number in range(4000)])
            assert found
            assert all(found[key_of(n)] == reply_of(n) for n in range(4000) if key_of(n) in found)
            cache.put(key_of(5000), "after")
            assert await cache.get([key_of(5000)]) == {key_of(5000): "after"}
    with contextlib.closing(sqlite3.connect(file_in(tmp_path))) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert told.messages == []


async def test_a_damaged_file_is_set_aside_with_a_warning_and_begun_anew(
    tmp_path: Path, told: _Told
) -> None:
    with DiskCache(tmp_path, warn=told) as cache:
        cache.put(key_of(1), "one")
    path = file_in(tmp_path)
    path.write_bytes(b"no database at all" * 1000)
    with DiskCache(tmp_path, warn=told) as cache:
        assert await cache.get([key_of(1)]) == {}
        cache.put(key_of(1), "again")
        assert await cache.get([key_of(1)]) == {key_of(1): "again"}
    (message,) = told.messages
    assert "damaged" in message
    assert str(path) + ".broken" in message


async def test_damage_that_is_met_in_the_middle_of_a_run_is_told_once(
    tmp_path: Path, told: _Told
) -> None:
    with DiskCache(tmp_path, warn=told) as cache:
        cache.put(key_of(1), "one")
    path = file_in(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE results SET reply = x'00'")
    with DiskCache(tmp_path, warn=told) as cache:
        for _ in range(3):
            assert await cache.get([key_of(1)]) == {}
    assert len(told.messages) == 1


async def test_a_folder_that_cannot_be_made_is_told_once_and_the_run_goes_on(
    tmp_path: Path, told: _Told
) -> None:
    (tmp_path / "file").write_text("in the way")
    with DiskCache(tmp_path / "file" / "cache", warn=told) as cache:
        for number in range(3):
            cache.put(key_of(number), "x")
            assert await cache.get([key_of(number)]) == {}
    assert len(told.messages) == 1
    assert "goes on without" in told.messages[0]


def test_a_full_disk_is_told_once_and_the_run_goes_on(tmp_path: Path) -> None:
    (process,) = hammers(tmp_path, 1, 300, "--file-bytes", "400000")
    lines = process.communicate()[0].splitlines()
    assert process.returncode == 0
    assert lines[-1] == "wrong: 0"
    (warning,) = (line for line in lines if line not in ("ready", "wrong: 0"))
    assert warning.startswith(f"nothing more is kept in the result cache {tmp_path}: ")


async def test_what_was_kept_before_the_disk_was_full_can_still_be_read(
    tmp_path: Path, told: _Told
) -> None:
    (process,) = hammers(tmp_path, 1, 300, "--file-bytes", "400000")
    process.communicate()
    with DiskCache(tmp_path, warn=told) as cache:
        assert await cache.get([key_of(number) for number in range(4000)])
    assert told.messages == []


@pytest.fixture
def descriptors() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    yield
    assert set(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


async def test_closing_leaves_no_descriptor_open(
    descriptors: None, tmp_path: Path, told: _Told
) -> None:
    with DiskCache(tmp_path, warn=told) as cache:
        cache.put(key_of(1), "one")
        await cache.get([key_of(1)])


async def test_info_and_clear_work_on_what_others_have_open(cache: DiskCache) -> None:
    cache.put(key_of(1), "one")
    facts = cache.facts()
    assert facts is not None
    assert facts.entries == 1
    assert cache.clear() == 1
    assert await cache.get([key_of(1)]) == {}
