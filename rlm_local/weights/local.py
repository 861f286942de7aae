"""Weights from a folder on this machine: an unpacked snapshot, a GGUF file, another store.

Copies; the folder itself is never changed and never served from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rlm_local.errors import WeightsError
from rlm_local.registry import Source
from rlm_local.weights.lock_file import WeightsLock, read_lock
from rlm_local.weights.origins import (
    Listing,
    OriginFailed,
    OriginKind,
    WantedFile,
    choose_files,
)

__all__ = ["LocalFolder"]

_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder that holds one model, or a sub-folder for each."""

    folder: Path
    model: str
    source: Source

    @property
    def kind(self) -> OriginKind:
        """Always "folder"."""
        return "folder"

    @property
    def title(self) -> str:
        """The folder's path."""
        return str(self.folder)

    def list_files(self) -> Listing:
        """The model's files in the folder or in the sub-folder that is named like it.

        Raises:
            OriginFailed: it is not there.
            WeightsError: it holds only pickles.
        """
        if not self.folder.is_dir():
            raise OriginFailed(f"{self.folder} is not a folder")
        place = self._place()
        lock = _lock_beside(place)
        known = {item.name: item for item in lock.source} if lock else {}
        found = [
            WantedFile(
                path.name,
                path.stat().st_size,
                known[path.name].sha256 if path.name in known else None,
            )
            for path in sorted(place.iterdir())
            if path.is_file()
        ]
        revision = lock.revision if lock else _revision_in(place)
        return Listing(choose_files(found, self.source, str(place)), revision)

    def fetch(self, file: WantedFile, target: Path, report: Callable[[int], None]) -> None:
        """Copy one file, going on after the bytes that are there."""
        origin = self._place() / file.name
        with origin.open("rb") as reader, target.open("ab") as writer:
            reader.seek(writer.tell())
            while chunk := reader.read(_CHUNK_BYTES):
                writer.write(chunk)
                report(writer.tell())

    def _place(self) -> Path:
        wanted = self.source.file or self.source.configuration
        name = self.source.repo.partition("/")[2]
        adapter = f"{self.model}/adapter/{self.model}/source"
        below = (f"{self.model}/source", adapter, self.model, name, "source", "adapter", ".")
        places = [self.folder / folder for folder in below]
        return next((place for place in places if (place / wanted).is_file()), self.folder)


def _lock_beside(place: Path) -> WeightsLock | None:
    if place.name != "source":
        return None
    try:
        return read_lock(place.parent)
    except WeightsError:
        return None  # what is copied gets hashed and locked anew


def _revision_in(place: Path) -> str | None:
    """The commit, where the folder is a snapshot of the hub's own cache."""
    name = place.resolve().name
    is_commit = len(name) == 40 and all(letter in "0123456789abcdef" for letter in name)
    return name if is_commit and place.resolve().parent.name == "snapshots" else None
