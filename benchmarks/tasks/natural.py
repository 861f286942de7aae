"""The natural text that other tasks hide things in: RULER's essays, SQuAD and HotpotQA.

Reads each source once per archive. Knows nothing of what is hidden in it.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.tasks.data import DataFolder, member_text
from benchmarks.tasks.haystack import cycled, passages, sentences_of
from benchmarks.tasks.task import Request
from benchmarks.texts import read_corpus

__all__ = [
    "Background",
    "WordLists",
    "background",
    "essay",
    "json_object",
    "json_rows",
    "word_lists",
]

_ESSAY_TOKENS = 600_000
"""Up to this length the essays suffice."""


@dataclass(frozen=True, slots=True)
class Background:
    """Sentences or passages without end, and what stands between two."""

    name: str
    pieces: Callable[[], Iterator[str]]
    separator: str
    chars_per_token: float | None = None
    """Of Qwen's tokenizer, measured; absent where it depends on what is hidden."""


@dataclass(frozen=True, slots=True)
class WordLists:
    """RULER's words for keys and for lists of words."""

    nouns: tuple[str, ...]
    adjectives: tuple[str, ...]
    verbs: tuple[str, ...]


def background(request: Request) -> Background:
    """`haystack=essay` is RULER's own, `natural` all its texts by passages.

    `auto` takes the essays as long as they suffice, for they hold 700K tokens.
    """
    wanted = request.option("haystack", "auto", ("auto", "essay", "natural"))
    archive = request.data.find("ruler")
    if wanted == "natural" or (wanted == "auto" and request.tokens > _ESSAY_TOKENS):
        seed = f"{request.seed}"
        return Background("natural", passages(_all_passages(archive), seed), "\n\n", 4.19)
    return Background("essay", cycled(_sentences(archive), f"{request.seed}"), " ", 4.6)


def essay(archive: Path) -> str:
    """The essays, one text."""
    text: str = json_object(archive, "PaulGrahamEssays.json")["text"]
    return text


@lru_cache(maxsize=2)
def json_rows(archive: Path, name: str) -> list[dict[str, Any]]:
    """One of RULER's JSON files that is a list, kept in memory."""
    rows: list[dict[str, Any]] = json.loads(member_text(archive, f"/{name}"))
    return rows


@lru_cache(maxsize=2)
def json_object(archive: Path, name: str) -> dict[str, Any]:
    """One of RULER's JSON files that is an object, kept in memory."""
    read: dict[str, Any] = json.loads(member_text(archive, f"/{name}"))
    return read


@lru_cache(maxsize=2)
def _sentences(archive: Path) -> tuple[str, ...]:
    return tuple(sentences_of(essay(archive)))


@lru_cache(maxsize=2)
def _all_passages(archive: Path) -> tuple[str, ...]:
    return read_corpus(archive).passages


@lru_cache(maxsize=2)
def _lists(archive: Path) -> WordLists:
    nouns, adjectives, verbs = (
        tuple(dict.fromkeys(member_text(archive, f"/{kind}list.txt").split()))
        for kind in ("noun", "adjective", "verb")
    )
    return WordLists(nouns, adjectives, verbs)


def word_lists(data: DataFolder) -> WordLists:
    """The lists in the archive that `fetch words` gets."""
    return _lists(data.find("words"))
