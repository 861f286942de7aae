"""What of a text and of a query is matched: pure rules, no index.

Words are matched by the index itself (folded, stemmed). Scripts written without spaces
(Chinese, Japanese, Thai) are matched by pairs of characters, which are made here.
"""

import re
from dataclasses import dataclass

__all__ = ["QueryTerms", "character_pairs", "split_query"]

_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003134f"
)
_UNSPACED_RUN = re.compile(f"[{_UNSPACED}]+")
_WORD = re.compile(rf"[^\W_{_UNSPACED}]+")
_QUOTED = re.compile(r"[\"“„«]([^\"“”„«»]{1,200})[\"”“»]")
_MOST_WORDS = 256


@dataclass(frozen=True, slots=True)
class QueryTerms:
    """A query taken apart: any of these may match, and the more do, the better."""

    words: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]
    """What stood in quotation marks, two words or more."""
    pairs: tuple[str, ...]


def character_pairs(text: str) -> list[str]:
    """Every two neighbouring characters of unspaced scripts; single ones alone."""
    if text.isascii():
        return []
    return [
        run[n : n + 2] for run in _UNSPACED_RUN.findall(text) for n in range(max(1, len(run) - 1))
    ]


def split_query(query: str) -> QueryTerms:
    """Take a query apart. Nothing in it is syntax but quotation marks; any text is a query."""
    phrases = (tuple(_WORD.findall(quoted)) for quoted in _QUOTED.findall(query))
    return QueryTerms(
        words=tuple(dict.fromkeys(_WORD.findall(query)))[:_MOST_WORDS],
        phrases=tuple(phrase for phrase in phrases if len(phrase) > 1),
        pairs=tuple(dict.fromkeys(character_pairs(query)))[:_MOST_WORDS],
    )
