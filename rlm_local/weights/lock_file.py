"""The lock file of one model: which bytes were pulled, from where, and what was made of them.

Written at the end of a pull and compared at every use. Decides nothing about what to fetch.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rlm_local.errors import WeightsError
from rlm_local.registry import Source

__all__ = [
    "FILE_NAME",
    "LOCK_NAME",
    "FileRecord",
    "WeightsLock",
    "hash_file",
    "read_lock",
    "write_lock",
]

LOCK_NAME = "lock.json"
_CHUNK_BYTES = 1 << 22

FILE_NAME = r"[\w+-][\w.+-]*"
"""Names a lock may hold: no way up, no hidden file. One from elsewhere must not point outside."""

RelativePath = Annotated[str, Field(pattern=rf"^(source|served)/{FILE_NAME}$")]


class FileRecord(BaseModel):
    """One file of the model folder, as it was when it had been checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: RelativePath
    """Relative to the model's folder: `source/...` or `served/...`."""
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.partition("/")[2]


class WeightsLock(BaseModel):
    """Everything known of one model's weights on this disk."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    repo: str
    revision: str | None
    """Commit on the hub; `None` for a local folder that did not say."""
    origin: Literal["folder", "hub", "mirror"]
    source: tuple[FileRecord, ...] = Field(min_length=1)
    served: tuple[FileRecord, ...] = ()
    """What backends load. Empty: the conversion has not been done. Snapshots serve `source`."""
    tools: dict[str, str] = {}
    """Versions of what made the served files, where something made them."""

    @property
    def files(self) -> tuple[FileRecord, ...]:
        """Every file of the model, each once."""
        return tuple(dict.fromkeys(self.source + self.served))

    @property
    def digest(self) -> str:
        """Identifies the served bytes: a hash over names and hashes of the served files."""
        text = "\n".join(f"{item.sha256}  {item.name}" for item in sorted(self.served, key=_path))
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    def mismatch(self, source: Source) -> str | None:
        """What of models.yaml these weights are not, in words; `None` when they fit."""
        if self.repo != source.repo:
            return f"they are from {self.repo}, models.yaml names {source.repo}"
        if source.revision and self.revision and self.revision != source.revision:
            return f"they are of revision {self.revision}, models.yaml names {source.revision}"
        if source.file is None:
            return None
        found = next((item for item in self.source if item.name == source.file), None)
        if found is None:
            return f"they lack {source.file}, which models.yaml names"
        if source.sha256 and found.sha256 != source.sha256:
            return f"{source.file} has SHA-256 {found.sha256}, models.yaml names {source.sha256}"
        return None


def _path(record: FileRecord) -> str:
    return record.path


def read_lock(folder: Path) -> WeightsLock | None:
    """The lock of a model's folder; `None` when there is none.

    Raises:
        WeightsError: the file cannot be read or is damaged.
    """
    file = folder / LOCK_NAME
    try:
        return WeightsLock.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise WeightsError(
            f"{file} is damaged; delete it, then run: rlm-local pull {folder.name}"
        ) from error


def write_lock(folder: Path, lock: WeightsLock) -> None:
    """Write the lock so that a reader sees the old one or the new one, never half of it."""
    partial = folder / (LOCK_NAME + ".tmp")
    with partial.open("wb") as stream:
        stream.write(lock.model_dump_json(indent=1).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(folder / LOCK_NAME)


def hash_file(path: Path, report: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file, lower-case hex; `report` is told the bytes of each step."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            if report:
                report(len(chunk))
    return digest.hexdigest()
