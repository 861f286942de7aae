"""What a session is told: limits, policies, paths. Values only."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rlm_local.cell_limits import CellLimits
from rlm_local.config import check_agreement
from rlm_local.context.sources import ReadOptions
from rlm_local.session.results import CacheSettings
from rlm_local.types import Limits, RunMode

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings shared by all runs of one `RLM`."""

    limits: Limits = field(default_factory=Limits)
    cells: CellLimits = field(default_factory=CellLimits)
    """What one cell may use; `limits` has its time and memory."""
    sandbox: str = "auto"
    """`auto`, `require-full`, `sealed` or `off`."""
    mode: RunMode = "auto"
    agreement: int = 1
    """Samples of the root, up to 9; the answer most of them give is taken. 1: one run alone."""
    seed: int | None = None
    cache_salt: str | None = None
    """`run`: a run shares no prefix with others in vLLM's cache; another text: with those that
    have the same (one a user, say)."""
    profile: str | None = None
    """Root profile of models.yaml; absent: the model's own."""
    models_file: Path | None = None
    """A models.yaml instead of the bundled one."""
    trace: Path | Literal["auto", "off"] = "auto"
    """A file for the next run, `auto` for one file a run under the home folder, or `off`."""
    read: ReadOptions = field(default_factory=ReadOptions)
    count_tokens: bool = False
    """Count the context's tokens exactly instead of estimating large ones."""
    cache: CacheSettings = field(default_factory=CacheSettings)

    def __post_init__(self) -> None:
        """Check what only fits together.

        Raises:
            ConfigError: `agreement` is out of range, or the mode has no root to sample.
        """
        check_agreement(self.agreement, self.mode)
