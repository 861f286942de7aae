"""One SQLite file of replies by key: looked up in batches, bounded in size, oldest use out first.

Blocking, and for one thread. Several processes may use the same file at once, and any of them may
be killed at any moment. Raises what SQLite raises; who decides what then is `results.disk_cache`.
"""

import contextlib
import fcntl
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BrokenFile", "FileFacts", "ResultFile", "set_aside"]

_NAME = "results-1.sqlite3"
"""The number is the table's format: a new one begins a new file."""
_ASIDE_SUFFIX = ".broken"
_SCHEMA = {
    "results": "CREATE TABLE results (key BLOB PRIMARY KEY, reply BLOB NOT NULL, "
    "checksum BLOB NOT NULL, used_s REAL NOT NULL)",
    "by_use": "CREATE INDEX by_use ON results (used_s)",
}
_KEYS_A_QUERY = 500
_BUSY_S = 5.0
_TOUCH_AFTER_S = 60.0
"""A use is written down at most this often, so that a lookup is seldom a write."""
_KEPT_SHARE = 0.95
"""What is left of the bound after making room, so that not every write has to."""
_LARGEST_SHARE = 1 / 16
"""A reply that alone takes more of the bound is not kept: it would push out all others."""


class BrokenFile(Exception):
    """The file is no cache of ours, or damaged."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the file holds.

    Attributes:
        bytes: on disk, write-ahead log included.
        oldest_use_s: Unix time of the use longest ago; None of an empty file.
    """

    path: Path
    entries: int
    bytes: int
    oldest_use_s: float | None
    newest_use_s: float | None


class ResultFile:
    """An open file; made with its folder if absent, both for the owner only.

    Raises (all methods):
        BrokenFile: the file is damaged or not ours.
        sqlite3.OperationalError: the disk is full, the file not writable or locked for too long.
        OSError: the folder cannot be made.
    """

    def __init__(
        self, folder: Path, *, max_bytes: int, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = folder / _NAME
        self._max_bytes = max_bytes
        self._clock = clock
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(folder):  # switching to a write-ahead log does not wait for other processes
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._database = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
            with contextlib.ExitStack() as undone, _damage_told():
                undone.callback(self._database.close)
                self._prepare()
                undone.pop_all()

    def close(self) -> None:
        """Close it. Safe to call twice."""
        self._database.close()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        """The replies that are known; notes their use."""
        found: dict[bytes, str] = {}
        stale: list[bytes] = []
        now_s = self._clock()
        with _damage_told():
            for start in range(0, len(keys), _KEYS_A_QUERY):
                some = keys[start : start + _KEYS_A_QUERY]
                marks = ",".join("?" * len(some))
                rows = self._database.execute(
                    f"SELECT key, reply, checksum, used_s FROM results WHERE key IN ({marks})", some
                )
                for key, reply, checksum, used_s in rows:
                    found[key] = _checked(key, reply, checksum)
                    if used_s < now_s - _TOUCH_AFTER_S:
                        stale.append(key)
            self._touch(stale, now_s)
        return found

    def add(self, replies: Mapping[bytes, str]) -> None:
        """Keep replies, then make room if the file has outgrown its bound. The first one stays."""
        now_s = self._clock()
        rows = []
        for key, reply in replies.items():
            data = reply.encode("utf-8", "surrogatepass")
            if len(data) <= self._max_bytes * _LARGEST_SHARE:
                rows.append((key, data, _checksum(key, data), now_s))
        with _damage_told():
            with self._transaction():
                self._database.executemany(
                    "INSERT INTO results VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (key) DO UPDATE SET used_s = excluded.used_s",
                    rows,
                )
            if self._bytes_used() > self._max_bytes:
                self._make_room()

    def clear(self) -> int:
        """Forget everything and give the disk space back.

        Returns:
            How many replies there were.
        """
        with _damage_told():
            n_removed = self._database.execute("DELETE FROM results").rowcount
            self._give_back_pages()
        return n_removed

    def facts(self) -> FileFacts:
        """Entries, bytes and times of use."""
        with _damage_told():
            row = self._database.execute("SELECT count(*), min(used_s), max(used_s) FROM results")
            entries, oldest_s, newest_s = row.fetchone()
        n_bytes = 0
        for name in _names_of(self.path):
            with contextlib.suppress(OSError):
                n_bytes += name.stat().st_size
        return FileFacts(self.path, entries, n_bytes, oldest_s, newest_s)

    def _prepare(self) -> None:
        run = self._database.execute
        run("PRAGMA trusted_schema = OFF")
        run("PRAGMA cell_size_check = ON")
        run("PRAGMA auto_vacuum = INCREMENTAL")
        run("PRAGMA journal_mode = WAL").fetchall()
        run("PRAGMA synchronous = NORMAL")
        run("PRAGMA journal_size_limit = 4194304").fetchall()
        there = dict(run("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall())
        if not there:
            with self._transaction():
                for statement in _SCHEMA.values():
                    run(statement)
        elif there != _SCHEMA:
            raise BrokenFile("it is another program's database")

    def _touch(self, keys: Sequence[bytes], now_s: float) -> None:
        if not keys:
            return
        # Suppressed: a full disk is no reason not to read.
        with contextlib.suppress(sqlite3.OperationalError), self._transaction():
            self._database.executemany(
                "UPDATE results SET used_s = ? WHERE key = ?", [(now_s, key) for key in keys]
            )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._database:  # commits, or rolls back after an error
            self._database.execute("BEGIN IMMEDIATE")
            yield

    def _bytes_used(self) -> int:
        pages, free, size = (
            int(self._database.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def _make_room(self) -> None:
        entries = int(self._database.execute("SELECT count(*) FROM results").fetchone()[0])
        step = max(1, entries // 32)
        while self._bytes_used() > self._max_bytes * _KEPT_SHARE:
            with self._transaction():
                removed = self._database.execute(
                    "DELETE FROM results WHERE key IN "
                    "(SELECT key FROM results ORDER BY used_s LIMIT ?)",
                    (step,),
                ).rowcount
            if not removed:
                break
        self._give_back_pages()

    def _give_back_pages(self) -> None:
        # As a script: `execute` takes only the first step of this statement, which is one page.
        self._database.executescript("PRAGMA incremental_vacuum")
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def set_aside(folder: Path) -> Path:
    """Move a damaged file out of the way, over one moved there before.

    Another process that still has it open goes on with the old one.

    Returns:
        Where it is now.
    """
    path = folder / _NAME
    aside = path.with_name(path.name + _ASIDE_SUFFIX)
    with _locked(folder):
        database, *others = _names_of(path)
        with contextlib.suppress(FileNotFoundError):
            database.rename(aside)
        for name in others:
            name.unlink(missing_ok=True)
    return aside


def _names_of(path: Path) -> list[Path]:
    return [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))]


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time opens the file or sets it aside."""
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise BrokenFile(str(error)) from error


def _checksum(key: bytes, reply: bytes) -> bytes:
    return hashlib.blake2b(reply, key=key[:64], digest_size=8).digest()


def _checked(key: object, reply: object, checksum: object) -> str:
    """SQLite does not notice a bit that turned on the disk; a wrong reply would be believed."""
    if not isinstance(key, bytes) or not isinstance(reply, bytes):
        raise BrokenFile("a row is not of the kind it was written as")
    if _checksum(key, reply) != checksum:
        raise BrokenFile("a reply is not as it was written")
    try:
        return reply.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise BrokenFile(str(error)) from error
