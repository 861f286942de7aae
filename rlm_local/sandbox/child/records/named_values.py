"""What the fields of the records are good for, and which of their values a question names.

For the engine, which picks worked examples by them; the values themselves stay here.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from rlm_local.sandbox.child.records.table import Table

__all__ = ["field_types", "values_named"]

_COUNTED = 100_000
"""Records that are looked at."""
_FREE_TEXT_WORDS, _FREE_TEXT_CHARS = 4.0, 20.0
_FEW_NUMBERS, _MOST_GRADES = 60, 10
_LEAST_CODE = 100
"""Codes such as 404, and years; below, numbers count or measure."""
_YES_OR_NO = frozenset({"yes", "no", "true", "false", "y", "n", "t", "f"})
_MOST_VALUES, _VALUE_CHARS = 50_000, 60
_MOST_NAMED = 12
_SHORT_FORMS = {"warn": "warning", "err": "error", "crit": "critical"}
_NO_VALUES = frozenset({
    "a", "all", "an", "and", "any", "are", "at", "by", "did", "do", "each", "for", "from", "had",
    "has", "have", "how", "in", "is", "it", "many", "may", "more", "most", "much", "no", "not",
    "of", "on", "one", "or", "per", "than", "that", "the", "their", "there", "to", "was", "were",
    "what", "when", "which", "who", "with", "first", "last", "total", "average", "other", "none",
    "order", "number", "date", "time", "name", "id", "amount", "price", "value", "count",
})  # fmt: skip
"""Words of questions that some file may hold as a value, and no question means as one."""


def field_types(table: Table) -> list[str]:
    """What each field is, in the order of the look's fields.

    Its kind ("number", "date", "text", ...), or of these "free text" for sentences, "main text"
    where the format has a field for it, "unique" where no value comes twice, "few numbers" where
    a number stands for a kind of thing, "grade" for few small ones; "judged" of derived ones.
    """
    return [*(_type(table, name) for name in table.names), *("judged" for _ in table.derived)]


def values_named(table: Table, question: str, types: Sequence[str]) -> list[tuple[str, str]]:
    """The fields and their values that stand in a question as words, at most a dozen.

    Args:
        table: of the records.
        question: as it was asked.
        types: of the fields, as `field_types` tells them.
    """
    words = " ".join(_words(question))
    if not words:
        return []
    found: list[tuple[str, str]] = []
    for name, kind in zip(table.names, types, strict=False):
        if answer := _yes(table, name, kind):
            parts = [form for word in name.split("_") for form in (word, f"un{word}")]
            if any(_is_named(word, words, question) for word in parts):
                found.append((name, answer))
        elif kind in ("text", "unique", "id", "few numbers"):
            for value in _distinct(table, name):
                if len(found) < _MOST_NAMED and _is_named(value, words, question):
                    found.append((name, value))
    return [one for one in found if not any(_is_within(one, other) for other in found)]


def _is_within(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether a value is some of the words of another of its field: "York" of "New York"."""
    return one != other and one[0] == other[0] and f" {one[1]} " in f" {other[1]} "


def _type(table: Table, name: str) -> str:
    kind = table.kinds[name]
    if kind not in ("text", "id", "number"):
        return kind
    filled = [value for value in _values(table, name) if value not in (None, "")]
    n_different = len(set(filled[:_COUNTED]))
    if kind == "number":
        whole = [value for value in filled if isinstance(value, int)]
        return kind if len(whole) < len(filled) else _type_of_whole_numbers(whole, n_different)
    if kind == "text" and filled:
        mean_chars = sum(len(str(value)) for value in filled) / len(filled)
        mean_words = sum(len(str(value).split()) for value in filled[:1000]) / len(filled[:1000])
        is_main = name == table.text_name
        is_repeated = n_different <= len(filled) / 10
        is_long = mean_chars >= _FREE_TEXT_CHARS and mean_words >= _FREE_TEXT_WORDS
        if is_long and (is_main or not is_repeated):
            return "free text"
        if is_main and not is_repeated:
            return "main text"
    return "unique" if len(filled) > 1 and n_different == len(filled) else kind


def _type_of_whole_numbers(values: list[int], n_different: int) -> str:
    if n_different == len(values) > 2 and set(values) == {
        *range(values[0], values[0] + len(values))
    }:
        return "unique"  # they number the records
    if not 1 < n_different <= min(_FEW_NUMBERS, len(values) // 2):
        return "number"
    if min(values) >= _LEAST_CODE:
        return "few numbers"
    return "grade" if n_different <= _MOST_GRADES and max(values) <= _MOST_GRADES else "number"


def _values(table: Table, name: str) -> Iterable[object]:
    return (dict.get(row, name) for row in table.rows[:_COUNTED])


def _distinct(table: Table, name: str) -> list[str]:
    counts = Counter(str(value) for value in _values(table, name) if value not in (None, ""))
    if len(counts) > _MOST_VALUES:
        return []
    return [value for value in counts if len(value) <= _VALUE_CHARS]


def _yes(table: Table, name: str, kind: str) -> str:
    """What a field of yes and no says for yes; "" for any other field."""
    if kind == "yes/no":
        return "True"
    values = _distinct(table, name) if kind == "text" else []
    if not values or not {value.casefold() for value in values} <= _YES_OR_NO:
        return ""
    return next((value for value in values if value[:1] in "yYtT"), values[0])


def _is_named(value: str, words: str, question: str) -> bool:
    bare = " ".join(_words(value))
    bare = _SHORT_FORMS.get(bare, bare)
    if bare in _NO_VALUES:  # but for a name such as IT, in capitals
        return (
            value.isupper() and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", question) is not None
        )
    if len(bare) < 2 or (bare.isdigit() and len(bare) < 3):
        return False
    return (
        bare in words and re.search(rf"(?<!\S){re.escape(bare)}(?:e?s)?(?!\S)", words) is not None
    )


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())
