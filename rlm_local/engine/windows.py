"""Cuts a text to a model's window, in the middle and where it can be seen. Pure."""

from rlm_local.engine.observations import cut_middle
from rlm_local.interfaces import TokenCounter

__all__ = ["cut_to_window", "surely_fits"]

_BYTES_PER_CHAR = 4
_CHARS_PER_TOKEN = 16
"""No text that a worker should read has longer tokens on average; beyond it, do not even count."""
_MARKER_TOKENS = 40
_SHRINK = 0.95
_FEWEST_CHARS = 16


def surely_fits(text: str, room_tokens: int) -> bool:
    """Whether a text fits without counting: no tokenizer makes more tokens than UTF-8 bytes."""
    return len(text) * _BYTES_PER_CHAR <= room_tokens or (
        len(text) <= room_tokens and len(text.encode("utf-8", "replace")) <= room_tokens
    )


def cut_to_window(text: str, counter: TokenCounter, room_tokens: int) -> str:
    """The text itself if it fits, else both its ends with a marker between that says how much.

    Costs time in proportion to the window, not to the text.
    """
    if surely_fits(text, room_tokens):
        return text
    kept_chars = len(text)
    if kept_chars > room_tokens * _CHARS_PER_TOKEN:
        kept_chars = room_tokens * _CHARS_PER_TOKEN
    cut = cut_middle(text, kept_chars)
    while kept_chars > _FEWEST_CHARS and (tokens := counter.count(cut)) > room_tokens:
        share = max(1, room_tokens - _MARKER_TOKENS) / tokens
        kept_chars = min(kept_chars - 1, max(_FEWEST_CHARS, int(kept_chars * share * _SHRINK)))
        cut = cut_middle(text, kept_chars)
    return cut
