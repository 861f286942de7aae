"""Compare what lies on disk with a lock file, by size or byte by byte.

Changes nothing: `rlm-local pull` mends what is found here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rlm_local.weights.lock_file import FileRecord, WeightsLock, hash_file

__all__ = ["VerifyReport", "bad_bytes", "bad_sizes", "strangers"]


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What re-hashing a model's files gave."""

    model: str
    problems: tuple[str, ...]
    """One line each, naming the file. Empty: every byte is as it was pulled."""
    files: int
    bytes: int

    def __add__(self, other: "VerifyReport") -> "VerifyReport":
        """Both, under the first one's name."""
        return VerifyReport(
            self.model,
            self.problems + other.problems,
            self.files + other.files,
            self.bytes + other.bytes,
        )

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def bad_sizes(folder: Path, records: Iterable[FileRecord]) -> list[str]:
    """Files that are missing or of another size; costs one `stat` a file."""
    problems = []
    for record in records:
        path = folder / record.path
        size = path.stat().st_size if path.is_file() else None
        if size is None:
            problems.append(f"{path} is missing")
        elif size != record.bytes:
            problems.append(f"{path} has {size} bytes instead of {record.bytes}")
    return problems


def bad_bytes(
    folder: Path, records: Iterable[FileRecord], report: Callable[[int], None]
) -> list[str]:
    """Files that are missing, of another size, or have a wrong byte; reads everything.

    `report` is told the bytes of each step.
    """
    problems = []
    for record in records:
        wrong = bad_sizes(folder, [record])
        path = folder / record.path
        if not wrong and hash_file(path, report) != record.sha256:
            wrong = [f"{path} does not have the bytes that were pulled (SHA-256 differs)"]
        problems.extend(wrong)
    return problems


def strangers(folder: Path, lock: WeightsLock) -> list[Path]:
    """Files in the model's folders that the lock does not know: an engine might load them."""
    known = {record.path for record in lock.files}
    return [
        path
        for name in ("source", "served")
        for path in sorted((folder / name).rglob("*"))
        if not path.is_dir() and path.relative_to(folder).as_posix() not in known
    ]
