"""What the places that weights come from have in common, and which of their files are taken.

Fetches nothing itself: see `local`, `hub` and `mirror`, which implement `Origin`.
"""

import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from rlm_local.errors import WeightsError
from rlm_local.registry import Source
from rlm_local.weights.lock_file import FILE_NAME

__all__ = [
    "Listing",
    "Origin",
    "OriginFailed",
    "OriginKind",
    "Progress",
    "Stage",
    "WantedFile",
    "choose_files",
    "refuse_remote_code",
]

OriginKind = Literal["folder", "hub", "mirror"]
Stage = Literal["wait", "download", "check", "convert"]
Progress = Callable[[Stage, int, int], None]
"""Told (stage, bytes done, bytes in all); 0 in all means that it is not known."""

_TAKEN = ("*.safetensors", "*.json", "*.txt", "*.jinja", "*.model", "*.tiktoken")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.msgpack", "*.h5")


class OriginFailed(WeightsError):
    """This place did not give the files; the next one may."""


@dataclass(frozen=True, slots=True)
class WantedFile:
    """One file to fetch, and what is known of it beforehand."""

    name: str
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What a place holds for a model: the files to take, small ones first."""

    files: tuple[WantedFile, ...]
    revision: str | None


class Origin(Protocol):
    """A place that weights come from."""

    @property
    def kind(self) -> OriginKind:
        """Which of the three it is; goes into the lock file."""
        ...

    @property
    def title(self) -> str:
        """How messages call it."""
        ...

    def list_files(self) -> Listing:
        """What it holds.

        Raises:
            OriginFailed: it is out of reach or does not hold the model.
            WeightsError: what it holds is refused.
        """
        ...

    def fetch(self, file: WantedFile, target: Path, report: Callable[[int], None]) -> None:
        """Write one file to `target`, going on where an earlier try stopped.

        The caller checks the bytes. `report` is told how many bytes there are by now.

        Raises:
            OriginFailed: it broke off; what came so far stays for the next try.
        """
        ...


def choose_files(found: Iterable[WantedFile], source: Source, where: str) -> tuple[WantedFile, ...]:
    """The files of a listing that are taken: the one named, or a safetensors snapshot.

    Configuration comes before weights, so that a refusal costs no download. Left out: what lies in
    sub-folders, and names that no lock file may hold, such as hidden ones.

    Raises:
        OriginFailed: the named file, or any weights, are not there.
        WeightsError: the weights come as pickles only, which could run code when loaded.
    """
    files = {item.name: item for item in found if re.fullmatch(FILE_NAME, item.name)}
    if source.file:
        if source.file not in files:
            raise OriginFailed(f"{where} holds no {source.file}")
        named = files[source.file]
        return (WantedFile(named.name, source.bytes or named.bytes, source.sha256 or named.sha256),)
    taken = [item for item in files.values() if _is_one_of(item.name, _TAKEN)]
    weights = [item for item in taken if item.name.endswith(".safetensors")]
    if not weights:
        pickles = sorted(name for name in files if _is_one_of(name, _PICKLES))
        if pickles:
            raise WeightsError(
                f"{where} has its weights only as {pickles[0]}: pickles can run code when they are "
                "loaded and are refused; name a repository with safetensors files in models.yaml"
            )
        raise OriginFailed(f"{where} holds no safetensors weights")
    if source.configuration not in files:
        hint = "; it holds an adapter" if "adapter_config.json" in files else ""
        raise OriginFailed(f"{where} holds no {source.configuration}{hint}")
    # Some makers publish the same weights twice; engines read the `model*` ones.
    if any(item.name.startswith("model") for item in weights):
        taken = [item for item in taken if not item.name.startswith("consolidated")]
    return tuple(sorted(taken, key=lambda item: (item.name.endswith(".safetensors"), item.name)))


def refuse_remote_code(file: str, text: str) -> None:
    """Refuse a configuration that asks for Python code from the repository.

    Raises:
        WeightsError: it has an `auto_map`, which only works with `trust_remote_code`.
    """
    if '"auto_map"' in text:
        raise WeightsError(
            f"{file} has an auto_map: this model runs code from its repository "
            "(trust_remote_code), which is refused; choose a model that transformers knows"
        )


def _is_one_of(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
