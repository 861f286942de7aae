"""What the files of a model say before anything is loaded: its configuration, its bytes.

Reads headers and config.json only. Files that cannot be read are as good as absent: models.yaml
has its own figures.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["ModelFacts", "read_facts"]

_LENGTH_BYTES = 8
_LONGEST_HEADER_BYTES = 100_000_000
_NOT_SERVED = ("mtp.", "model.mtp.")
"""Heads for speculation are loaded only when speculation is asked for."""
_TOWERS = ("visual.", "model.visual.", "vision_tower.", "model.vision_tower.", "audio_tower.")
"""Left out under --language-model-only."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of one model; `weight_bytes` is `None` where it is not on disk.

    Attributes:
        weight_bytes: of the tensors a text server loads.
        tower_bytes: of these, what belongs to other senses than text.
        config: its config.json, or as much of it as models.yaml holds.
    """

    weight_bytes: int | None = None
    tower_bytes: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)


def read_facts(folder: Path) -> ModelFacts:
    """What a folder of safetensors holds; never raises."""
    sizes: dict[str, int] = {}
    for path in _weight_files(folder):
        header = _header(path)
        if header is None:
            return ModelFacts(config=_json(folder / "config.json"))
        sizes |= header
    served = {name: size for name, size in sizes.items() if not name.startswith(_NOT_SERVED)}
    return ModelFacts(
        weight_bytes=sum(served.values()) or None,
        tower_bytes=sum(size for name, size in served.items() if name.startswith(_TOWERS)),
        config=_json(folder / "config.json"),
    )


def _weight_files(folder: Path) -> list[Path]:
    """Those the index names; a repository may hold the same weights twice."""
    named = _json(folder / "model.safetensors.index.json").get("weight_map")
    if isinstance(named, dict):
        return [folder / str(name) for name in sorted(set(named.values()))]
    return sorted(folder.glob("*.safetensors"))


def _header(path: Path) -> dict[str, int] | None:
    """Bytes of each tensor of a file, by name."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if not 0 < length <= _LONGEST_HEADER_BYTES:
                return None
            entries = json.loads(file.read(length))
        return {
            name: entry["data_offsets"][1] - entry["data_offsets"][0]
            for name, entry in entries.items()
            if name != "__metadata__"
        }
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
