"""Finds the labels that a text or a question names: quoted, listed, or "as spam or ham".

What is found is only ever used as names; nothing is asked here.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["NamedLabels", "labels_in_question", "labels_in_text", "spelled_in"]

_MOST_CHARS = 12_000
_MOST_LABELS = 40
_LABEL_CHARS = 60
_LABEL_WORDS = 6
_LEAD_CHARS = 240
_SENTENCE_CHARS = 400
_WORDS = (
    r"labels?|categor(?:y|ies)|class(?:es)?|types?|kinds?|sentiments?|topics?|tags?|groups?|"
    r"sections?|tones?|intents?|emotions?|genres?|ratings?|stances?|subjects?|relationships?"
)
_LEAD = re.compile(
    rf"\b(?:{_WORDS}|one of|either|classified|described|labell?ed|categori[sz]ed|rated|tagged)\b",
    re.I,
)
_FIRM_LEAD = re.compile(r"\b(?:labels?|categor(?:y|ies)|class(?:es)?|classified|one of)\b", re.I)
_QUOTED = r"""(?:'[^'\n]{1,60}'|"[^"\n]{1,60}"|“[^”\n]{1,60}”|‘[^’\n]{1,60}’|`[^`\n]{1,60}`)"""
_QUOTED_LIST = re.compile(rf"{_QUOTED}(?:(?:\s?[,;/|]\s?(?:and |or )?|\s(?:and|or)\s){_QUOTED})+")
_ONE_QUOTED = re.compile(_QUOTED)
_NAMED_LIST = re.compile(rf"\b({_WORDS})\b[^.:?!\n]{{0,80}}(:|\bare)\s+([^.:?!\n]{{3,600}})", re.I)
_AS_LIST = re.compile(
    r"\b(?:classified|described|labell?ed|categori[sz]ed|judged|marked|tagged|rated)\s+(?:as|into)\s+"
    r"(?:either\s+|being\s+|one of\s+)?((?:[\w-]{2,30}, ){0,12}[\w-]{2,30},? or [\w-]{2,30})",
    re.I,
)
_EITHER = re.compile(r"\beither ((?:[\w-]{2,30}, ){0,12}[\w-]{2,30},? or [\w-]{2,30})", re.I)
_LABEL_QUOTED = re.compile(rf"\b(?:labels?|category|class|topic|type)\s+({_QUOTED})", re.I)
_FORM = re.compile(r"\[\w+\]|\bform\b[^.]{0,40}$|\bformat\b", re.I)
_NO_LABEL = re.compile(
    r"\b(?:answer|form|following|lines?|examples?|datapoints?|is|are|was|were|the)\b", re.I
)
_NUMBERED = re.compile(r"\d{3,}")
_ENDS = (". ", "! ", "? ", "\n", ".' ", '." ')


class NamedLabels(NamedTuple):
    """Labels, and the sentence that names them."""

    labels: list[str]
    sentence: str


def labels_in_text(text: str) -> NamedLabels | None:
    """The labels that a header or a footer says its lines have."""
    if len(text) > 2 * _MOST_CHARS:
        text = f"{text[:_MOST_CHARS]}\n{text[-_MOST_CHARS:]}"
    found = (
        *_quoted(text, _LEAD),
        *_listed(text, _AS_LIST),
        *_named(text),
        *_listed(text, _EITHER),
    )
    return found[0] if found else None


def labels_in_question(question: str) -> NamedLabels | None:
    """The labels that a question names; "Which kind are X and Y?" names none."""
    question = question[:_MOST_CHARS]
    found = (*_quoted(question, _FIRM_LEAD), *_listed(question, _AS_LIST), *_named(question, ":"))
    if found:
        return found[0]
    labels = _checked([_bare(each.group(1)) for each in _LABEL_QUOTED.finditer(question)])
    return NamedLabels(labels, "") if labels else None


def spelled_in(question: str, label: str) -> str | None:
    """A label as the question writes it between quotes; None if it does not."""
    found = re.search(rf"'({re.escape(label)})'", question, re.I)
    return found.group(1) if found else None


def _quoted(text: str, leads: re.Pattern[str]) -> Iterator[NamedLabels]:
    for found in _QUOTED_LIST.finditer(text):
        lead = text[max(0, found.start() - _LEAD_CHARS) : found.start()].rpartition("\n")[2]
        if leads.search(lead) and not _FORM.search(lead[-60:]):
            labels = _checked([_bare(each) for each in _ONE_QUOTED.findall(found.group(0))])
            if labels:
                yield NamedLabels(labels, _sentence(text, *found.span()))


def _listed(text: str, pattern: re.Pattern[str]) -> Iterator[NamedLabels]:
    for found in pattern.finditer(text):
        if labels := _checked(_split(found.group(1))):
            yield NamedLabels(labels, _sentence(text, *found.span()))


def _named(text: str, *marks: str) -> Iterator[NamedLabels]:
    """After "labels:" or "labels are"; `marks` may allow the colon alone."""
    for found in _overlapping(_NAMED_LIST, text):
        if marks and found.group(2) not in marks:
            continue
        if labels := _checked(_split(found.group(3)), plain=True):
            yield NamedLabels(labels, _sentence(text, *found.span()))


def _overlapping(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """All matches, also those that begin inside another's last group."""
    at = 0
    while found := pattern.search(text, at):
        yield found
        at = found.start(3)


def _split(listed: str) -> list[str]:
    """The items of `a, b and c`; an "and" inside an item of several words stays."""
    items = [item.strip() for item in re.split(r"[,;|]", listed)]
    items = [re.sub(r"^(?:and|or)\s+", "", item, flags=re.I) for item in items if item]
    last = re.fullmatch(r"(.+?)\s+(or|and)\s+(.+)", items[-1]) if items else None
    has_plain_others = all(" " not in item for item in items[:-1])
    if last and (last.group(2) == "or" or has_plain_others):
        items[-1:] = [last.group(1), last.group(3)]
    return [_bare(item) for item in items]


def _bare(quoted: str) -> str:
    return quoted.strip().strip("'\"“”‘’`").strip().rstrip(".,;:").strip()


def _checked(labels: list[str], *, plain: bool = False) -> list[str]:
    """The labels, each once; none unless they are two or more that can be labels."""
    names = list(dict.fromkeys(labels))
    if not 2 <= len(names) <= _MOST_LABELS or not all(names):
        return []
    if any(len(n) > _LABEL_CHARS or len(n.split()) > _LABEL_WORDS or "[" in n for n in names):
        return []
    if any(_NUMBERED.search(name) for name in names):  # users, orders: values and no labels
        return []
    if plain and any(_NO_LABEL.search(name) for name in names):
        return []
    return names


def _sentence(text: str, start: int, end: int) -> str:
    before = max(
        text.rfind(mark, 0, start) + len(mark) if mark in text[:start] else 0 for mark in _ENDS
    )
    after = min(
        (at for mark in (". ", ".\n", "\n") if (at := text.find(mark, end)) >= 0), default=len(text)
    )
    return " ".join(text[max(before, start - _SENTENCE_CHARS) : min(after + 1, end + 200)].split())
