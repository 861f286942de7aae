"""Makes text from models, cells and contexts safe to print on a terminal.

Escapes what moves the cursor, sets the clipboard, hides or reorders text. Knows no colours.
"""

import re

__all__ = ["one_line", "printable"]

# C0 but tab and newline, DEL, C1; direction marks and overrides, invisible joiners and tags,
# line separators; lone surrogates, which no terminal's encoding can carry.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_SPACE = re.compile(r"\s+")


def printable(text: str) -> str:
    """The text with every unsafe character spelled out in hex; tabs and newlines stay."""
    return _UNSAFE.sub(_spell, text)


def one_line(text: str, max_chars: int) -> str:
    """The text on one line of at most `max_chars` characters, cut at the end, safe to print."""
    line = printable(_SPACE.sub(" ", text[: 4 * max_chars])).strip()
    return line if len(line) <= max_chars else line[: max_chars - 1] + "…"


def _spell(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code == 0x0D:
        return "\\r"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
