"""Sentences that answer a question literally: they hold its name and all that is asked of it.

For questions such as "What is the door code of hall B-12?", where the text says so in one
sentence. Where that sentence says the value and nothing else, no model has to read it; any word
more, such as "not" or "old", may mean that the value is no answer. Pure.
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
    stem,
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
# Not "was" and "were": what a text says has been is often no longer so.
_VALUE_BEHIND = re.compile(
    r"(?P<link>(?:is|are)\b\s*:?|=|:)\s*(?P<value>\S.*?)\s*[.;,]?", re.DOTALL
)
_VALUE_BEFORE = re.compile(r"(?P<value>\S.*?)\s+(?:is|are)\s+(?:one\s+of\s+)?(?:the|a|an)?")
_LINKING_WORDS = """
a all also an and are at each for in is of on one the
"""
_LINKING = frozenset(_LINKING_WORDS.split())
"""The only words that may stand beside a value, what is asked, and the name it is asked of."""
_NO_VALUE_WORDS = """
another any anything as be before changed classified either everything false forgotten he her
here hidden his i if it its lost missing my neither never no nobody none nothing not now old
one our pending redacted removed same secret she some someone something that their there these
they this those to unavailable uncertain unchanged unclear undecided unknown unset until was we
were what which who wrong you your
"""
_NO_VALUE = frozenset(_NO_VALUE_WORDS.split())
"""Words of what stands in the place of a value and is none."""
_JOINING_WORDS = """
a an and de for in la of on the van von
"""
_JOINING = frozenset(_JOINING_WORDS.split())
_BREAKS_A_VALUE = re.compile(r"[\"“”(){}\[\]<>?!]|[,;:](?=\s|$)")
_SEVERAL_ASKED = re.compile(
    r"\b(?:all|every|each|list|(?:what|which|who|where)\s+are)\b", re.IGNORECASE
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
    if not _SEVERAL_ASKED.search(asked) and _differ(evidence):
        return None
    return ", ".join(values)


def _differ(evidence: Sequence[Evidence]) -> bool:
    """Whether sentences give one name several values, and differ in more than these."""
    said: dict[str, dict[str, str]] = {}
    for one in evidence:
        before, _, behind = one.text.casefold().rpartition(one.value.casefold())
        rest = " ".join(re.findall(r"\w+", f"{before} {behind}"))
        said.setdefault(one.name, {})[one.value] = rest
    return any(len(set(rests.values())) > 1 for rests in said.values())


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
            is_whole = not _is_torn(text, first, last)
            value = _value(sentence, name, others) if is_whole else ""
            yield Evidence(name, first, " ".join(sentence.split()), value)


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


def _is_torn(text: str, first: int, last: int) -> bool:
    """Whether a line's end, or the dot of a short form, has cut a part of the sentence off.

    Told by a small letter where a sentence would begin, but for lines that follow whole ones.
    """
    head = text[max(0, first - _SENTENCE_CHARS) : first]
    before = head.rstrip()
    n_lines = head[len(before) :].count("\n")
    is_list = n_lines > 1 or (n_lines == 1 and before.endswith((".", "!", "?")))
    if text[first].islower() and before and not is_list:
        return True
    sentence, behind = text[first:last], text[last : last + _SENTENCE_CHARS].lstrip(" \t")
    is_line = sentence.endswith("\n") and not sentence.rstrip().endswith((".", "!", "?", ";", ","))
    return is_line and behind[:1].islower()


def _value(sentence: str, name: str, others: Sequence[str]) -> str:
    """What the sentence says of the name, where it says no more than that."""
    sentence = sentence.strip()
    wanted = {*others, *stems(name)}
    places = [m for m in re.finditer(r"\w+", sentence) if next(iter(stems(m[0]))) in wanted]
    if not places:
        return ""
    first, last = places[0].start(), places[-1].end()
    behind = _VALUE_BEHIND.fullmatch(sentence[last:].strip(" \"'”’)]"))
    before = None if behind else _VALUE_BEFORE.fullmatch(sentence[:first].strip())
    found = behind or before
    rest = sentence[:last] if behind else sentence[first:]
    if found is None or _says_more(rest, wanted):
        return ""
    value = found["value"].strip(" \"'“”`*.")
    is_listed = behind is not None and behind["link"][-1] in ":="
    return value if _is_value(value, is_listed=is_listed) else ""


def _says_more(rest: str, wanted: set[str]) -> bool:
    """Whether there is any word beside what is asked: "never", "old", "rumour", "in spring"."""
    words = re.findall(r"\w+", rest.lower())
    return any(word not in _LINKING and stem(word) not in wanted for word in words)


def _is_value(value: str, *, is_listed: bool) -> bool:
    """Whether it looks like a code, a number or a name, not like the rest of a sentence.

    `is_listed`: it stands behind a colon, where lower-case words may be a value too.
    """
    words = re.findall(r"[^\W_][\w'’-]*", value)
    if not words or len(value) > _VALUE_CHARS or len(words) > _VALUE_WORDS:
        return False
    if _BREAKS_A_VALUE.search(value) or any(word.lower() in _NO_VALUE for word in words):
        return False
    plain = [word for word in words if word.isalpha() and word[0].islower()]
    if not plain:
        return True
    if len(plain) == len(words):
        return is_listed and not any(word in _JOINING for word in words)
    # "The Tower of London" is a name, "4411 are false" or "Some say North" is not.
    has_figures = any(not word.isalpha() for word in words)
    return not has_figures and all(word in _JOINING for word in plain)
