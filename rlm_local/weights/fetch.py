"""Bring the files of a listing into a staging folder, each checked before it gets its name.

What is there already and has the right hash is used again. Knows nothing of conversion, of locks
between processes, or of where the finished folder goes.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rlm_local.errors import WeightsError
from rlm_local.weights.lock_file import FileRecord, hash_file
from rlm_local.weights.origins import (
    Listing,
    Origin,
    Progress,
    WantedFile,
    refuse_remote_code,
)

__all__ = ["Staging", "bytes_to_fetch", "fetch_files"]

_CONFIGURATIONS = ("config.json", "tokenizer_config.json")


@dataclass(frozen=True, slots=True)
class Staging:
    """Folders of a pull that is under way.

    `download` has what is not complete, `ready` what was checked, `kept` what an earlier pull
    left in place.
    """

    download: Path
    ready: Path
    kept: Path


def bytes_to_fetch(listing: Listing, staging: Staging) -> int:
    """Bytes that are not on this disk yet, as far as the listing tells sizes."""
    return sum(max(0, (file.bytes or 0) - _bytes_so_far(file, staging)) for file in listing.files)


def fetch_files(
    origin: Origin, listing: Listing, staging: Staging, *, progress: Progress
) -> tuple[FileRecord, ...]:
    """Fetch and check every file of the listing.

    Raises:
        OriginFailed: the place broke off; a later call goes on from there.
        WeightsError: a file has wrong bytes (it is deleted), or is refused.
    """
    for folder in (staging.download, staging.ready):
        folder.mkdir(parents=True, exist_ok=True)
    total = sum(file.bytes or 0 for file in listing.files)
    done = 0
    records = []
    for file in listing.files:
        tell = _offset(progress, done, total)
        record = _reuse(file, staging) or _fetch_one(origin, file, staging, tell)
        if file.name in _CONFIGURATIONS:
            text = (staging.ready / file.name).read_text("utf-8", errors="replace")
            refuse_remote_code(f"{origin.title}: {file.name}", text)
        done += record.bytes
        progress("download", done, total)
        records.append(record)
    return tuple(records)


def _bytes_so_far(file: WantedFile, staging: Staging) -> int:
    places = (staging.ready / file.name, staging.kept / file.name, _part(file, staging))
    return max((path.stat().st_size for path in places if path.is_file()), default=0)


def _part(file: WantedFile, staging: Staging) -> Path:
    return staging.download / (file.name + ".part")


def _reuse(file: WantedFile, staging: Staging) -> FileRecord | None:
    """The file as it lies here already, if its hash is known beforehand and right."""
    ready = staging.ready / file.name
    for path in (ready, staging.kept / file.name):
        if file.sha256 is None or not path.is_file() or path.stat().st_size != file.bytes:
            continue
        if hash_file(path) == file.sha256:
            if path != ready:
                _link_or_copy(path, ready)
            return _record(file, ready, file.sha256)
    return None


def _fetch_one(
    origin: Origin, file: WantedFile, staging: Staging, tell: Callable[[int], None]
) -> FileRecord:
    part = _part(file, staging)
    if file.sha256 is None:
        part.unlink(missing_ok=True)  # nothing would tell whether two halves belong together
    if not (file.bytes and part.is_file() and part.stat().st_size == file.bytes):
        origin.fetch(file, part, tell)
    size = part.stat().st_size
    if file.bytes is not None and size != file.bytes:
        part.unlink()
        raise WeightsError(
            f"{file.name} from {origin.title} has {size} bytes, expected {file.bytes}; "
            "it was deleted: pull again"
        )
    found = hash_file(part)
    if file.sha256 is not None and found != file.sha256:
        part.unlink()
        raise WeightsError(
            f"{file.name} from {origin.title} has SHA-256 {found}, expected {file.sha256}; "
            "it was deleted: pull again"
        )
    ready = staging.ready / file.name
    part.replace(ready)
    return _record(file, ready, found)


def _record(file: WantedFile, path: Path, sha256: str) -> FileRecord:
    return FileRecord(path=f"source/{file.name}", bytes=path.stat().st_size, sha256=sha256)


def _link_or_copy(path: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(path, target)


def _offset(progress: Progress, before: int, total: int) -> Callable[[int], None]:
    def tell(so_far: int) -> None:
        progress("download", before + so_far, total)

    return tell
