"""Settings of a run and of this machine: defaults < environment < arguments.

Knows where things are kept (`RLM_LOCAL_HOME`); knows nothing of models.
"""

import math
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import platformdirs

from rlm_local.errors import ConfigError
from rlm_local.types import CellLimits, Limits, RunMode

__all__ = [
    "HOME_VARIABLE",
    "Home",
    "RunConfig",
    "SandboxPolicy",
    "check_cell_limits",
    "check_sandbox_policy",
    "read_cell_limits",
]

HOME_VARIABLE = "RLM_LOCAL_HOME"
_CELL_LIMITS: dict[str, tuple[float, float]] = {
    "threads": (1, 4096),
    "descriptors": (32, 1 << 20),
    "scratch_bytes": (0, 1 << 40),
    "cpu_s": (0.1, 1e6),
    "grace_s": (0.1, 60),
    "output_chars": (200, 10_000_000),
    "calls_at_once": (1, 1_000_000),
    "prompt_bytes": (1, 60 << 20),  # what fits one frame of the REPL's protocol
    "cell_prompt_bytes": (1, 1 << 50),
    "restarts": (0, 1000),
}
"""Field of `CellLimits` -> least and most."""
_SUFFIXES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)([kmg]?)", re.IGNORECASE)

SandboxPolicy = Literal["auto", "require-full", "sealed", "off"]


@dataclass(frozen=True, slots=True)
class Home:
    """The folder where weights, traces, indexes and server records live.

    `RLM_LOCAL_HOME`, or `rlm_local` in the user's cache folder. Folders are made at first use,
    readable for the user only.
    """

    root: Path

    @classmethod
    def from_environment(cls) -> "Home":
        """The folder the environment names.

        Raises:
            ConfigError: the variable is set to a path that is not absolute.
        """
        named = os.environ.get(HOME_VARIABLE)
        if not named:
            return cls(Path(platformdirs.user_cache_dir("rlm_local")))
        path = Path(named).expanduser()
        if not path.is_absolute():
            raise ConfigError(f"{HOME_VARIABLE} must be an absolute path, not {named!r}")
        return cls(path)

    def folder(
        self, name: Literal["cache", "weights", "traces", "indexes", "servers", "tmp"]
    ) -> Path:
        """One of the folders under the root, made if absent.

        Raises:
            ConfigError: it cannot be made; says why and names the variable to set.
        """
        path = self.root / name
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot make {path}: {error.strerror or error}; "
                f"set {HOME_VARIABLE} to a folder you can write to"
            ) from error
        return path


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What one run is told besides its question and context."""

    limits: Limits = field(default_factory=Limits)
    mode: RunMode = "auto"
    direct_tokens: int = 8192
    """In mode `auto`, contexts up to this many tokens go straight to the root."""
    seed: int | None = None
    stack: str = "custom"
    """Name of the stack, for answers and traces."""
    sandbox: dict[str, str] = field(default_factory=dict)
    """How cells are confined, for traces; `sandbox.properties` says it."""


def check_sandbox_policy(text: str) -> SandboxPolicy:
    """The policy of that name.

    Raises:
        ConfigError: there is none; lists them.
    """
    for policy in get_args(SandboxPolicy):
        if policy == text:
            return text  # type: ignore[return-value]  # membership is what narrows it
    raise ConfigError(
        f"no sandbox policy {text!r}; use one of {', '.join(get_args(SandboxPolicy))}"
    )


def check_cell_limits(limits: CellLimits) -> CellLimits:
    """The limits, where each is in its range.

    Raises:
        ConfigError: one is not; names it and its range.
    """
    for name, value in asdict(limits).items():
        low, high = _CELL_LIMITS[name]
        if value is None:
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            raise ConfigError(
                f"cell limit {name} must be from {_plain(low)} to {_plain(high)}, not {value!r}"
            )
    return limits


def read_cell_limits(settings: Iterable[str]) -> CellLimits:
    """Limits from texts such as `grace_s=2` and `prompt_bytes=4M`; the rest is as usual.

    K, M and G are 2**10, 2**20 and 2**30.

    Raises:
        ConfigError: a text is not of that form, or names no limit, or is out of range.
    """
    changed: dict[str, float | int] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in _CELL_LIMITS:
            raise ConfigError(f"no cell limit {name!r}; use one of {', '.join(_CELL_LIMITS)}")
        changed[name] = _amount(name, text)
    return check_cell_limits(replace(CellLimits(), **changed))  # type: ignore[arg-type]  # names and kinds were checked above, which no type says


def _amount(name: str, text: str) -> float | int:
    match = _AMOUNT.fullmatch(text.strip())
    is_seconds = name.endswith("_s")
    if match is None or (is_seconds and match.group(2)):
        example = "2.5" if is_seconds else "64, 4M or 1G"
        raise ConfigError(f"cell limit {name} must be a number such as {example}, not {text!r}")
    amount = float(match.group(1)) * _SUFFIXES[match.group(2).lower()]
    return amount if is_seconds else math.floor(amount)


def _plain(number: float) -> str:
    return f"{number:,.0f}" if number == math.floor(number) else f"{number:g}"
