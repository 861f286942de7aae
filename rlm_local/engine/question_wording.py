"""The words that tell kinds of questions apart: regular expressions, and a question's own part.

What they mean together is `question_kinds`' business.
"""

import re
from collections.abc import Sequence

__all__ = [
    "COUNT",
    "DATE",
    "MONTH",
    "asked_part",
    "ends_of",
    "names_a_label",
    "people_words",
    "without_form",
]

MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAY = r"\d\d?(?:st|nd|rd|th)?"
DATE = (
    r"(?:\d{4}-\d\d?-\d\d?|\d\d?[/.]\d\d?[/.]\d{2,4}"
    rf"|{MONTH}\.? {_DAY},? ?\d{{4}}|{_DAY}(?: of)? {MONTH}\.?,? ?\d{{4}}"
    rf"|{MONTH}\.? {_DAY}\b|{_DAY}(?: of)? {MONTH}\b)"
)
_HEAD_CHARS, _TAIL_CHARS = 1_500, 2_500
_PEOPLE = (
    "user", "customer", "author", "sender", "member", "client", "account", "person", "people",
    "writer", "reader", "reporter", "reviewer", "employee", "speaker", "buyer", "seller",
    "patient", "student", "contact", "subscriber", "caller", "recipient",
)  # fmt: skip
_FORM = re.compile(
    r"\bin (?:the|this) (?:following )?(?:form|format)\b|\byour (?:final )?answer\b|\bwrite it as\b"
    r"|\banswer (?:with|in|as|only)\b|\bdo not (?:write|output|provide|explain|try)\b"
    r"|\bonly give me the answer\b|\bformat:",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(
    r"(?<=[.?!])(?<!\b[A-Z]\.)(?<!\bMr\.)(?<!\bDr\.)(?<!\bSt\.)\s+(?=[\"'A-Z(])"
)
_LABEL_WORDS = re.compile(
    r"\b(?:labels?|labell?ed|categor(?:y|ies|ised|ized)|class(?:es|ified)?|(?:kind|type|sort|topic|tag)s?)\b"
)
COUNT = r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten)"
"""A count in digits or in words."""


def ends_of(question: str) -> str:
    """A question without its middle, where it is so long that patterns would take their time."""
    if len(question) <= _HEAD_CHARS + _TAIL_CHARS:
        return question
    return f"{question[:_HEAD_CHARS]}\n{question[-_TAIL_CHARS:]}"


def asked_part(question: str) -> str:
    """What stands behind the last `Question:`, where a question has such a line."""
    _, mark, tail = question.rpartition("Question:")
    return tail.strip() if mark and tail.strip() else question.strip()


def without_form(question: str) -> str:
    """A question without its sentences about the answer's form; itself if they are all it has."""
    sentences = _SENTENCE_END.split(question)
    kept = [sentence for sentence in sentences if not _FORM.search(sentence)]
    return " ".join(kept) if kept else question


def names_a_label(text: str, labels: Sequence[str]) -> bool:
    """Whether a label stands in the text, or the word for one."""
    return bool(_LABEL_WORDS.search(text)) or any(
        re.search(rf"(?<!\w){re.escape(label.casefold())}(?!\w)", text) for label in labels
    )


def people_words(fields: Sequence[str]) -> str:
    """A pattern for who wrote a line, by the usual words and by the field that holds them."""
    named = [field.casefold() for field in fields if re.search(r"name|user|author|sender", field)]
    words = dict.fromkeys([*map(re.escape, named), *_PEOPLE])
    return rf"(?:{'|'.join(words)})s?"
