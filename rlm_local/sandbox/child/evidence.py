"""Sentences that answer a question literally: they hold its name and all that is asked of it.

For questions such as "What is the door code of hall B-12?", where the text says so in one
sentence. Where that sentence ends in the value, no model has to read it. Pure.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rlm_local.sandbox.child.finding import literal_spans
from rlm_local.sandbox.child.question_words import (
    asked_part,
    is_yes_no,
    key_words,
    marked_names,
    proper_names,
    stems,
)

__all__ = ["Evidence", "find_evidence", "literal_answer"]

_PLACES_PER_NAME = 300
_SENTENCE_CHARS = 400
_MOST_NAMES = 20
_SHARE_HELD = 0.8
_VALUE_CHARS = 60
_VALUE_WORDS = 6
_MOST_VALUES = 50
_LEAST_BESIDE_A_PROPER_NAME = 2
_CASE_FOLDED_CHARS = 8_000_000
_SENTENCE_END = re.compile(r"[.!?][\"'”’)\]]?(?=\s)|\n")
_VALUE_BEHIND = re.compile(r"(?:is|are|was|were|=|:)\s*:?\s*(?P<value>\S.*?)\s*[.;,]?", re.DOTALL)
_VALUE_BEFORE = re.compile(
    r"(?P<value>\S.*?)\s+(?:is|are|was|were)\s+(?:one\s+of\s+)?(?:the|a|an)?"
)
_ASKS_FOR_VALUE = re.compile(
    r"\b(?:what|which|where|when|who|whose|list|find|give|name|tell)\b", re.I
)
_REASONING = re.compile(
    r"\b(?:how\s+many|why|how|more|less|fewer|same|compare|difference|between|before|after|most"
    r"|least|first|last|total|sum|average|count)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence with the name it was found by. `value` is empty where no rule can tell it."""

    name: str
    start: int
    text: str
    value: str


def find_evidence(text: str, question: str) -> list[Evidence]:
    """The sentences that hold a name of the question and its other key words, by name and place."""
    asked = asked_part(question)
    if is_yes_no(asked):
        return []
    marked = marked_names(asked)
    names = (marked or proper_names(asked))[:_MOST_NAMES]
    in_names = {word for name in names for word in stems(name)}
    others = [word for word in key_words(asked) if word not in in_names]
    if not names or len(others) < (1 if marked else _LEAST_BESIDE_A_PROPER_NAME):
        return []
    # A proper name stands in many sentences; a code hardly in any that is not about it.
    least = max(1, round(_SHARE_HELD * len(others))) if marked else len(others)
    return [one for name in names for one in _sentences(text, name, others, least)]


def literal_answer(question: str, evidence: Sequence[Evidence]) -> str | None:
    """The values, each once, joined by commas; `None` where a model has to read the sentences."""
    asked = asked_part(question)
    if not evidence or not _ASKS_FOR_VALUE.search(asked):
        return None
    # "the first", "how many": not asked for what a sentence says, unless it says so itself.
    said = {word.lower() for word in _REASONING.findall(asked)}
    if any(word not in one.text.lower() for word in said for one in evidence):
        return None
    values = list(dict.fromkeys(one.value for one in evidence))
    if not all(values) or len(values) > _MOST_VALUES:
        return None
    return ", ".join(values)


def _sentences(text: str, name: str, others: Sequence[str], least: int) -> Iterator[Evidence]:
    seen: set[int] = set()
    n_places = 0
    for start, end in _places(text, name):
        if _goes_on(text, start - 1, start) or _goes_on(text, end, end - 1):
            continue
        n_places += 1
        if n_places > _PLACES_PER_NAME:
            return
        first, last = _sentence_around(text, start, end)
        if first in seen:
            continue
        seen.add(first)
        sentence = text[first:last]
        held = set(stems(sentence))
        if sum(word in held for word in others) >= least and "?" not in sentence[-2:]:
            yield Evidence(name, first, " ".join(sentence.split()), _value(sentence, name, others))


def _places(text: str, name: str) -> Iterator[tuple[int, int]]:
    """As it is written; only in a text of moderate length also in other case, which is slower."""
    places = literal_spans(text, name, ignore_case=False)
    first = next(places, None)
    if first is not None:
        yield first
        yield from places
    elif len(text) <= _CASE_FOLDED_CHARS:
        yield from literal_spans(text, name, ignore_case=True)


def _goes_on(text: str, at: int, inside: int) -> bool:
    """Whether the word or code at `inside` goes on at `at`."""
    if not 0 <= at < len(text) or not text[inside].isalnum():
        return False
    beyond = 2 * at - inside
    if text[at] in "-_/":
        return 0 <= beyond < len(text) and text[beyond].isalnum()
    return text[at].isalnum()


def _sentence_around(text: str, start: int, end: int) -> tuple[int, int]:
    first = max(0, start - _SENTENCE_CHARS)
    for match in _SENTENCE_END.finditer(text, first, start):
        first = match.end()
    stop = _SENTENCE_END.search(text, end, min(len(text), end + _SENTENCE_CHARS))
    last = stop.end() if stop else min(len(text), end + _SENTENCE_CHARS)
    while first < start and text[first].isspace():
        first += 1
    return first, last


def _value(sentence: str, name: str, others: Sequence[str]) -> str:
    """What the sentence says of the name, where it stands right behind or before all the rest."""
    sentence = sentence.strip()
    wanted = {*others, *stems(name)}
    places = [m for m in re.finditer(r"\w+", sentence) if next(iter(stems(m[0]))) in wanted]
    if not places:
        return ""
    behind = _VALUE_BEHIND.fullmatch(sentence[places[-1].end() :].strip(" \"'”’)]"))
    before = _VALUE_BEFORE.fullmatch(sentence[: places[0].start()].strip())
    found = behind or before
    value = found["value"].strip(" \"'“”`*") if found else ""
    is_short = len(value) <= _VALUE_CHARS and len(value.split()) <= _VALUE_WORDS
    return value if is_short else ""
