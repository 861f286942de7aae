"""The folder in which search indexes are kept between runs.

Each index has a folder named by its key. It is built under a temporary name and renamed when
complete, so that a key is there whole or not at all, whoever builds it or dies building it.
The folder's size is bounded: the indexes used longest ago go first. Knows nothing of what an
index holds.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["MOST_BYTES", "IndexFolder"]

MOST_BYTES = 4 << 30
"""All indexes together take at most this much."""

_TEMPORARY = "building-"
_GRACE_S = 60.0


class IndexFolder:
    """Keeps indexes by key. Several processes may use one folder at once."""

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes

    def find(self, key: str) -> Path | None:
        """Where the index of that key is, noted as used now; None when there is none."""
        path = self._folder / key
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def discard(self, key: str) -> None:
        """Remove an index, such as one that cannot be opened."""
        self._remove(self._folder / key)

    @contextlib.contextmanager
    def building(self) -> Iterator[Path]:
        """A new folder to build in, removed at the end unless `keep` took it.

        Locked for as long as it is built in, so that it can be told from what a killed process
        left behind; such leavings are removed here.

        Raises:
            OSError: no folder can be made.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove_leavings()
        path = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=self._folder))
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield path
        finally:
            os.close(lock)
            shutil.rmtree(path, ignore_errors=True)

    def keep(self, built: Path, key: str) -> Path:
        """Give a finished index its key. When another process was quicker, theirs is kept.

        Raises:
            OSError: it cannot be renamed.
        """
        path = self._folder / key
        try:
            built.rename(path)
        except OSError:
            if not path.is_dir():
                raise
        self._make_room(path)
        return path

    def free_bytes(self) -> int:
        """Room on the disk that holds the folder; 0 when it cannot be told."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return shutil.disk_usage(self._folder).free
        except OSError:
            return 0

    def _remove_leavings(self) -> None:
        for path in self._folder.glob(f"{_TEMPORARY}*"):
            with contextlib.suppress(OSError):
                # A builder locks its folder a moment after making it: leave young ones alone.
                if time.time() - path.stat().st_mtime > _GRACE_S and _is_unlocked(path):
                    shutil.rmtree(path, ignore_errors=True)

    def _make_room(self, newest: Path) -> None:
        kept = sorted(
            (usage for path in self._folder.iterdir() if (usage := _Usage.of(path)) is not None),
            key=lambda usage: usage.used_at_s,
        )
        excess = sum(usage.n_bytes for usage in kept) - self._most_bytes
        for usage in kept:
            if excess <= 0:
                return
            if usage.path != newest:
                self._remove(usage.path)
                excess -= usage.n_bytes

    def _remove(self, path: Path) -> None:
        """Take the name away first: nobody is to open a folder that is half gone."""
        with contextlib.suppress(OSError):
            doomed = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=self._folder))
            path.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)


class _Usage:
    def __init__(self, path: Path, n_bytes: int, used_at_s: float) -> None:
        self.path = path
        self.n_bytes = n_bytes
        self.used_at_s = used_at_s

    @classmethod
    def of(cls, path: Path) -> "_Usage | None":
        """Size and last use of one index; None for what is no index, or just went."""
        if path.name.startswith(_TEMPORARY):
            return None
        try:
            with os.scandir(path) as entries:
                n_bytes = sum(entry.stat().st_size for entry in entries)
            return cls(path, n_bytes, path.stat().st_mtime)
        except OSError:
            return None


def _is_unlocked(path: Path) -> bool:
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
