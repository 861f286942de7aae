"""Sentences that answer a question literally: they hold its name and all that is asked of it.

For questions such as "What is the door code of hall B-12?", where the text says so in one
sentence. Where that sentence says all that is asked, the value and nothing else, no model has to
read it; any word more or less, such as "not", "old" or another year, may mean that the value is no
answer, and so may what stands right before and behind it. Pure.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

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
above another any anything as ask be before below changed classified either everything false
forgotten he her here hidden his i if it its later lost missing my neither never no nobody none
nothing not now null old one our pending planned redacted removed same secret see she some someone
something soon tba tbc tbd that their there these they this those to todo unavailable uncertain
unchanged unclear undecided undefined unknown unset until was we were what which who wrong you your
"""
_NO_VALUE = frozenset(_NO_VALUE_WORDS.split())
"""Words of what stands in the place of a value and is none."""
_JOINING_WORDS = """
a an and de for in la of on the van von
"""
_JOINING = frozenset(_JOINING_WORDS.split())
_BREAKS_A_VALUE = re.compile(r"[\"“”(){}\[\]<>?!]|[,;:](?=\s|$)")
_STAND_IN = re.compile(r"[\W_]*(?:n/?a|(?P<one>x)(?P=one)+|(?P<zero>0)(?P=zero){4,})?[\W_]*", re.I)
"""What fills the place of a value that is not there: "n/a", "xxxx", "----"."""
_MARKED_UP = re.compile(r"(?:#|//|--|~|;|%|<!)|.*~~", re.DOTALL)
"""A comment, or struck out."""
_QUOTATION = re.compile(r"[\"'“‘«].*[.!][\"'”’»]", re.DOTALL)
_DOUBT_WORDS = """
actually allegedly cancelled changed corrected correction draft error example fake false former
formerly hoax however if imagine incorrect instead invalid joke lie longer mistake mistaken myth
never no not now obsolete old outdated past planned previous previously proposed replaced revoked
rumor rumour since suppose superseded till true untrue until whether wrong wrongly
"""
_DOUBT = frozenset(_DOUBT_WORDS.split())
"""In what stands right before a sentence: they may say that it does not hold."""
_TAKES_BACK = re.compile(
    r"\b(?:cancelled|changed|corrected|error|false|hoax|incorrect|invalid|joke|lie|mistake"
    r"|mistaken|myth|now|obsolete|outdated|replaced|revoked|superseded|until|untrue|wrong|wrongly"
    r"|(?:not?|n['’]t) (?:\w+ )?(?:accurate|correct|current|longer|more|right|so|true|valid|yet))\b"
)
_POINTING = frozenset(("it", "that", "these", "this", "those"))
_LEAD_WORDS, _MOST_FOLLOW_WORDS, _CURT_WORDS, _FOLLOW_CHARS = 3, 12, 4, 160
_FROM_THEN = re.compile(r"(?:as of|from|since)\b.{0,40}\b(?:it|this|that) (?:is|was|has)\b")
_OF_THIS_TEXT = re.compile(r"\b(?:from|in|of) (?:these|this) \w+", re.IGNORECASE)
_LISTED = re.compile(r"\s*(?:,|\band\b|&|\bor\b)|,", re.IGNORECASE)
_SEVERAL_ASKED = re.compile(
    r"\b(?:all|every|each|list|(?:what|which|who|where)\s+are)\b", re.IGNORECASE
)
_ASKS_FOR_VALUE = re.compile(
    r"\b(?:what|which|where|when|who|whose|list|find|give|name|tell)\b", re.I
)
_ASKING = re.compile(r"\b(?:what|which|where|when|who|whose|whom)\b", re.I)
_REASONING = re.compile(
    r"\b(?:how\s+many|why|how|more|less|fewer|same|compare|difference|between|before|after|most"
    r"|least|first|last|total|sum|average|count|not|no|never|except|without|other|others|only"
    r"|until|was|were|did|had|will|would)\b",
    re.IGNORECASE,
)
"""Words after which a sentence is no answer unless it has them too."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence with the name it was found by.

    Attributes:
        name: of the question.
        start: where the sentence begins.
        text: the sentence, with what stands beside it where that may say that it does not hold.
        value: what it says of the name; empty where no rule can tell it.
        says_all: whether it holds every word that is asked for, and not only most.
    """

    name: str
    start: int
    text: str
    value: str
    says_all: bool = True


def find_evidence(text: str, question: str) -> list[Evidence]:
    """The sentences that hold a name of the question and its other key words, by name and place."""
    asked = asked_part(question)
    if is_yes_no(asked):
        return []
    names = _names_asked(asked)
    in_names = {word for name in names for word in stems(name)}
    told = key_words(_OF_THIS_TEXT.sub(" ", asked))
    others = [word for word in told if word not in in_names]
    is_marked = bool(marked_names(asked))
    if not names or len(others) < (1 if is_marked else _LEAST_BESIDE_A_PROPER_NAME):
        return []
    # A proper name stands in many sentences; a code hardly in any that is not about it.
    least = max(1, round(_SHARE_HELD * len(others))) if is_marked else len(others)
    wanted = _Wanted(tuple(others), least, frozenset() if _are_listed(asked) else in_names)
    return [one for name in names for one in _sentences(text, name, wanted)]


def literal_answer(question: str, evidence: Sequence[Evidence]) -> str | None:
    """The values, each once, joined by commas; `None` where a model has to read the sentences."""
    asked = asked_part(question)
    names = _names_asked(asked)
    around = asked
    for name in names:  # "grey-average" is a name and asks for no average
        around = around.replace(name, " ")
    if not evidence or not _ASKS_FOR_VALUE.search(around) or len(_ASKING.findall(around)) > 1:
        return None
    # "the first", "how many": not asked for what a sentence says, unless it says so itself.
    said = {word.lower() for word in _REASONING.findall(around)}
    if any(word not in one.text.lower() for word in said for one in evidence):
        return None
    values = list(dict.fromkeys(one.value for one in evidence))
    if not all(values) or len(values) > _MOST_VALUES:
        return None
    if not _SEVERAL_ASKED.search(asked) and _differ(evidence):
        return None
    if _are_listed(asked) and {one.name for one in evidence} != set(names):
        return None  # of one of them the text says it otherwise, or not at all
    return ", ".join(values)


def _names_asked(asked: str) -> list[str]:
    return (marked_names(asked) or proper_names(asked))[:_MOST_NAMES]


def _are_listed(asked: str) -> bool:
    """Whether the names are those of several things that are each asked about: "A, B and C"."""
    names = _names_asked(asked)
    places = sorted((asked.find(name), len(name)) for name in names)
    gaps = [asked[at + n : behind] for (at, n), (behind, _) in pairwise(places)]
    return bool(gaps) and all(map(_LISTED.match, gaps))


class _Wanted(NamedTuple):
    """What a sentence about a name must hold.

    `others` are the words asked for, of which `least` make it evidence; `in_names` are those of
    the names that must all stand in it.
    """

    others: Sequence[str]
    least: int
    in_names: frozenset[str] | set[str]


def _differ(evidence: Sequence[Evidence]) -> bool:
    """Whether sentences give one name several values, and differ in more than these."""
    said: dict[str, dict[str, str]] = {}
    for one in evidence:
        before, _, behind = one.text.casefold().rpartition(one.value.casefold())
        rest = " ".join(re.findall(r"\w+", f"{before} {behind}"))
        said.setdefault(one.name, {})[one.value] = rest
    return any(len(set(rests.values())) > 1 for rests in said.values())


def _sentences(text: str, name: str, wanted: _Wanted) -> Iterator[Evidence]:
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
        n_held = sum(word in held for word in wanted.others)
        if n_held < wanted.least or "?" in sentence[-2:]:
            continue
        says_all = n_held == len(wanted.others) and wanted.in_names <= held
        before, behind = _doubt_before(text, first), _doubt_behind(text, last)
        is_whole = not (before or behind or _is_torn(text, first, last))
        value = _value(sentence, name, wanted.others) if says_all and is_whole else ""
        shown = " ".join(f"{before} {sentence} {behind}".split())
        at = text.rindex(before, 0, first) if before else first
        yield Evidence(name, at, shown, value, says_all=says_all)


def _doubt_before(text: str, first: int) -> str:
    """What stands right before a sentence, if it may deny it: "Draft.", "It is not true that:"."""
    head = text[max(0, first - _SENTENCE_CHARS) : first].rstrip()
    start = 0
    for match in _SENTENCE_END.finditer(head, 0, max(0, len(head) - 1)):
        start = match.end()
    lead = head[start:].strip()
    words = re.findall(r"[^\W_]+", lead.lower())
    leads_in = lead.endswith(":") or 0 < len(words) <= _LEAD_WORDS
    return lead if leads_in and not _DOUBT.isdisjoint(words) else ""


def _doubt_behind(text: str, last: int) -> str:
    """The sentence behind another, if it may take that back: "It was changed.", "Not so."."""
    rest = text[last : last + _FOLLOW_CHARS].lstrip()
    end = _SENTENCE_END.search(rest)
    follow = (rest[: end.end()] if end else rest).strip()
    words = re.findall(r"[^\W_]+", follow.lower())
    if not words or len(words) > _MOST_FOLLOW_WORDS:
        return ""
    is_about_it = words[0] in _POINTING or len(words) <= _CURT_WORDS
    takes_back = is_about_it and _TAKES_BACK.search(follow.lower())
    return follow if takes_back or _FROM_THEN.match(follow.lower()) else ""


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
    if _MARKED_UP.match(sentence) or _QUOTATION.fullmatch(sentence):
        return ""
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
    if (
        _STAND_IN.fullmatch(value)
        or _BREAKS_A_VALUE.search(value)
        or any(word.lower() in _NO_VALUE for word in words)
    ):
        return False
    plain = [word for word in words if word.isalpha() and word[0].islower()]
    if not plain:
        return True
    if len(plain) == len(words):
        return is_listed and not any(word in _JOINING for word in words)
    # "The Tower of London" is a name, "4411 are false" or "Some say North" is not.
    has_figures = any(not word.isalpha() for word in words)
    return not has_figures and all(word in _JOINING for word in plain)
