"""What earlier starts have shown to be otherwise than planned, kept in a file.

One entry for each model, card and version of vLLM. A damaged file is an empty one: it holds
nothing that the next start does not tell again.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = ["Correction", "Corrections", "read_corrections", "release_of", "write_correction"]


class Correction(BaseModel):
    """What one server reported, per card; absent where it said nothing."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    weight_bytes: int | None = Field(default=None, gt=0)
    overhead_bytes: int | None = Field(default=None, gt=0)
    cache_costs: float = Field(default=1.0, ge=0.5, le=4.0)
    """By how much a token takes more than planned."""
    n_cards: int = Field(default=1, ge=1)


class _Entry(Correction):
    model: str
    device: str
    vllm_version: str


class _File(BaseModel):
    entries: tuple[_Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Corrections:
    """Corrections by model, device (a card's name, or `cpu`) and version of vLLM."""

    entries: Mapping[tuple[str, str, str], Correction] = field(default_factory=dict)

    def of(self, model: str, device: str, vllm_version: str, n_cards: int) -> Correction | None:
        """What is known of that model there, cut over so many cards."""
        found = self.entries.get((model, device, release_of(vllm_version)))
        return found if found is not None and found.n_cards == n_cards else None


def release_of(version: str) -> str:
    """A version without the name of its build, which a server and its package may tell apart."""
    return version.partition("+")[0]


def read_corrections(path: Path) -> Corrections:
    """The corrections of a file; none where it is absent or damaged."""
    try:
        found = _File.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return Corrections()
    return Corrections(
        {(entry.model, entry.device, entry.vllm_version): entry for entry in found.entries}
    )


def write_correction(path: Path, key: tuple[str, str, str], correction: Correction) -> None:
    """Put one into the file; the last writer wins, and no reader sees half a file.

    Raises:
        OSError: it cannot be written.
    """
    entries = {**read_corrections(path).entries, key: correction}
    whole = {
        "entries": [
            {**one.model_dump(), "model": model, "device": device, "vllm_version": version}
            for (model, device, version), one in entries.items()
        ]
    }
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(whole, indent=1), encoding="utf-8")
    beside.replace(path)
