"""Regular expressions for texts inside JSON, where quotes, backslashes and controls do not stand.

Pure. Patterns with what no automaton has (looking around, going back) are given up.
"""

import re

__all__ = ["FORMATS", "inside_quotes", "plain_text"]

_NOT_PLAIN = r'"\\\x00-\x1F\x7F-\x9F'
_BEYOND_AUTOMATA = re.compile(r"\(\?[^:]|\\[1-9bBAZzGkK]|[*+?}][+?]")
"""Looking around, flags, names, going back, borders of words, possessive and lazy counts."""
_NEGATED = {"S": r"\s", "W": r"\w", "D": r"\d"}
_YEAR_TO_DAY = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
FORMATS = {
    "date": _YEAR_TO_DAY,
    "date-time": f"{_YEAR_TO_DAY}T{_TIME}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?",
    "time": _TIME,
    "uuid": "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}
"""Patterns of the formats that are written in one way only, as Python reads them."""


def plain_text(low: int, high: int | str) -> str:
    """A pattern of texts by their length; `high` may be "": no limit."""
    return f"[^{_NOT_PLAIN}]{{{low},{high}}}"


def inside_quotes(pattern: str) -> str | None:
    """The pattern as one of the whole text between quotes, or None where that cannot be.

    Where a schema's pattern is found anywhere in a text, this one is the whole text.
    """
    if _BEYOND_AUTOMATA.search(pattern.replace(r"\\", "")):
        return None
    bare = pattern.removeprefix("^")
    if bare.endswith("$") and not bare.endswith(r"\$"):
        bare = bare[:-1]
    try:
        re.compile(bare)
    except (re.error, RecursionError, OverflowError):
        return None
    written = _without_quotes(bare)
    return None if written is None else f"({written})"


def _without_quotes(pattern: str) -> str | None:
    """Narrow what would match a quote or a backslash; None where one is asked for."""
    out: list[str] = []
    in_class = False
    at = 0
    while at < len(pattern):
        char = pattern[at]
        step = 2 if char == "\\" else 1
        token = pattern[at : at + step]
        at += step
        if char in '"^$' and not (char == "^" and out and out[-1] == "["):
            return None
        if token == r"\\" or (in_class and token[1:] in _NEGATED):
            return None
        if token[1:] in _NEGATED and step == 2:
            token = f"[^{_NEGATED[token[1:]]}{_NOT_PLAIN}]"
        elif char == "." and not in_class:
            token = f"[^{_NOT_PLAIN}]"
        elif char == "[" and not in_class:
            in_class = True
            if pattern[at : at + 1] == "^":
                token = f"[^{_NOT_PLAIN}"
                at += 1
        elif char == "]":
            in_class = False
        out.append(token)
    return "".join(out)
