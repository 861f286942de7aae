"""What the root is shown of a cell: printed text, value, error, cut in the middle. Pure."""

import re

from rlm_local.engine.prompts import say
from rlm_local.types import CellResult

__all__ = ["cut_middle", "is_evidence", "observe", "shown"]

_NAMES_SHOWN = 20
_NOTHING = re.compile(
    r"|None|\[\]|\(\)|\{\}|''|set\(\)|0|\(0 (matching lines|passages) for .*\)"
    r"|\[?(<sub-call failed: ((?!>, ).)*>(, )?)+\]?"
)
"""Lines that tell that nothing was found, as `grep`, `search` and failed sub-calls say it."""


def cut_middle(text: str, n_chars: int, *, true_chars: int | None = None) -> str:
    """Keep both ends of a long text and say how much is left out.

    Args:
        text: what to cut.
        n_chars: how much to keep, the marker not counted.
        true_chars: length before anyone cut it, when `text` is itself a cut.
    """
    total = max(len(text), true_chars or 0)
    if len(text) <= n_chars:
        return text
    head = n_chars * 2 // 3
    tail = n_chars - head
    left_out = total - head - tail
    return (
        f"{text[:head]}\n[... {left_out:,} of {total:,} characters left out ...]\n"
        f"{text[len(text) - tail :]}"
    )


def shown(result: CellResult, n_chars: int) -> str:
    """Output, value and error of one cell, together at most about `n_chars`."""
    parts = []
    if result.error:
        parts.append(cut_middle(result.error.strip(), n_chars // 2))
    if result.result is not None:
        parts.insert(0, cut_middle(result.result.strip(), n_chars // 2 if parts else n_chars))
    left = max(n_chars // 4, n_chars - sum(len(part) for part in parts))
    if result.stdout.strip():
        printed = result.stdout.strip("\n")
        parts.insert(0, cut_middle(printed, left, true_chars=result.stdout_chars))
    return "\n".join(parts)


def observe(result: CellResult, n_chars: int) -> str:
    """The text the root reads after a cell."""
    text = shown(result, n_chars) or say("nothing-printed")
    if result.restarted:
        names = ", ".join(result.lost_names[:_NAMES_SHOWN]) or "nothing"
        text += "\n" + say("restarted", names=names)
    return text


def is_evidence(result: CellResult) -> bool:
    """Whether the cell showed the root anything that an answer may rest on."""
    value = "" if result.error else result.result or ""
    return any(
        not _NOTHING.fullmatch(line.strip()) for line in f"{result.stdout}\n{value}".split("\n")
    )
