"""What one cell may use: the limits, their ranges, and how they are written on a command line."""

import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from rlm_local.errors import ConfigError

__all__ = ["CellLimits", "check_cell_limits", "read_cell_limits"]

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


@dataclass(frozen=True, slots=True)
class CellLimits:
    """What one cell, or the REPL process it runs in, may use; `Limits` has its time and memory."""

    threads: int = 64
    """Threads of the REPL process, its own main thread included."""
    descriptors: int = 256
    """Open file descriptors of the REPL process."""
    scratch_bytes: int = 0
    """Size of a folder in memory a cell may write files to; 0: there is none."""
    cpu_s: float | None = None
    """Processor seconds of one cell over all its threads; `None`: twice `cell_timeout_s`."""
    grace_s: float = 1.0
    """Seconds between the interrupt of a cell and the kill of its process."""
    output_chars: int = 20_000
    """Characters of a cell's output that are kept; the rest is counted."""
    calls_at_once: int = 1024
    """Calls of the host that one cell may have under way."""
    prompt_bytes: int = 16_000_000
    """UTF-8 bytes of one prompt."""
    cell_prompt_bytes: int = 1 << 30
    """UTF-8 bytes of all the prompts of one cell."""
    restarts: int = 3
    """Restarts in a row before the run gives up."""


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
