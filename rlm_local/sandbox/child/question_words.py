"""What a question asks with: its key words, the names in it, and whether yes or no answers it.

English words; a question in another language keeps all its words. Pure; reads no text but the
question.
"""

import re
from collections.abc import Iterable

from rlm_local.sandbox.child.searching import rare_words

__all__ = ["asked_part", "is_yes_no", "key_words", "marked_names", "proper_names", "stem", "stems"]

_WORD = re.compile(r"\w+")
_EMPTY_WORDS = """
a about after all also an and any are as at be been before being between both but by can
could did do does during each for from had has have he her his how i if in into is it
its many may me more most much my no not of on one or other our out over own same she
should so some such than that the their them then there these they this those through to
under until up was we were what when where which while who whom whose why will with
would you your
"""
_EMPTY = frozenset(_EMPTY_WORDS.split())
_ABOUT_THE_TEXT_WORDS = """
according answer answers context document documents find following give given list
mentioned name named passage passages please provided question says stated tell text
texts
"""
_ABOUT_THE_TEXT = frozenset(_ABOUT_THE_TEXT_WORDS.split())
_YES_NO_WORDS = """
are can could did do does had has have is should was were will would
"""
_YES_NO = frozenset(_YES_NO_WORDS.split())
_OPENING = re.compile(r"\bquestion\s*:\s*(?=\S)", re.IGNORECASE)
_ORDER = re.compile(
    r"\s*(?:answer|do not|don't|give|only|please|reply|respond|return|use|write|your answer)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])|\n+")
_QUOTED = re.compile(r"[\"“„«`]([^\"“”„«»`\n]{2,80})[\"”“»`]|(?<!\w)'([^'\n]{2,80})'(?!\w)")
_JOINING = r"(?:of|the|for|in|on|de|la|van|von|&)"
_CAPITAL = r"(?:[A-Z\u00c0-\u00de][\w'’.-]*|\d[\w.-]*)"
_NAME = re.compile(rf"(?<!\w){_CAPITAL}(?:\s+(?:{_JOINING}\s+){{0,2}}{_CAPITAL})*")
_CHOICE = re.compile(rf"{_CAPITAL}\s+or\s+(?:(?:the|a|an)\s+)?{_CAPITAL}")
_ENDINGS = ("ing", "ies", "ed", "es", "ly", "s")
_LEAST_STEM = 4


def asked_part(question: str) -> str:
    """The question without what is said around it: `Question:`, orders on how to answer."""
    asked = _OPENING.split(question)[-1]
    sentences = [part for part in _SENTENCE_END.split(asked) if part.strip()]
    kept = [part for part in sentences if "?" in part or not _ORDER.match(part)]
    return " ".join(kept or sentences).strip()


def key_words(question: str) -> list[str]:
    """The words that carry the question, as stems, in order, each once."""
    words = _WORD.findall(question.lower())
    kept = [word for word in words if word not in _EMPTY and word not in _ABOUT_THE_TEXT]
    return list(dict.fromkeys(map(stem, kept or words)))


def is_yes_no(question: str) -> bool:
    """Whether it asks for yes or no: told by its first word, unless it offers a choice."""
    first = _WORD.search(question)
    if first is None or first[0].lower() not in _YES_NO:
        return False
    return not _CHOICE.search(question)


def marked_names(question: str) -> list[str]:
    """Codes, identifiers and quoted words: what a text can be searched for as it stands."""
    quoted = [(one or other).strip() for one, other in _QUOTED.findall(question)]
    words = rare_words(question) if len(question.split()) > 1 else []
    marked = [word.removesuffix("'s").removesuffix("’s") for word in words]
    alone = [word for word in marked if not any(word in name for name in quoted)]
    return list(dict.fromkeys([*(name for name in quoted if name), *alone]))


def proper_names(question: str) -> list[str]:
    """Runs of capitalised words; a first word of the question that is capitalised anyway is not."""
    names = []
    for match in _NAME.finditer(question):
        words = match[0].split()
        if not question[: match.start()].strip(" \"'(") and _is_plain(words[0]):
            words = words[1:]
        while words and words[0] in {"of", "the", "for", "in", "on", "&"}:
            words = words[1:]
        name = " ".join(words).strip(".-'’").removesuffix("'s").removesuffix("’s")
        if len(name) > 1 and not name.isnumeric():
            names.append(name)
    return list(dict.fromkeys(names))


def stem(word: str) -> str:
    """A lower-case word without the endings that questions and texts differ in."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _LEAST_STEM:
            return word[: -len(ending)]
    return word


def stems(text: str) -> Iterable[str]:
    """The stems of all words of a text, in order."""
    return map(stem, _WORD.findall(text.lower()))


def _is_plain(word: str) -> bool:
    lowered = word.lower()
    return lowered in _EMPTY or lowered in _ABOUT_THE_TEXT
