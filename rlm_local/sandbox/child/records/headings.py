"""Which row of a table names its columns, and which one sums the others up."""

import re
from collections.abc import Sequence

from rlm_local.sandbox.child.records.moments import read_moment

__all__ = ["are_names", "is_total"]

_NAME_CHARS = 40
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_COLUMN_WORDS = frozenset({
    "id", "name", "city", "country", "state", "region", "address", "email", "phone", "date", "day",
    "month", "year", "time", "timestamp", "title", "author", "question", "answer", "text", "label",
    "category", "type", "class", "status", "price", "cost", "amount", "qty", "quantity", "count",
    "total", "score", "rating", "department", "age", "gender", "description", "message", "comment",
    "review", "product", "item", "user", "username", "customer", "company", "code", "value", "url",
})  # fmt: skip
_TOTAL = re.compile(r"(?:grand |sub)?totals?|sums?|all|overall", re.IGNORECASE)
_Cells = Sequence[str]


def are_names(cells: _Cells, rows: Sequence[_Cells]) -> bool:
    """Whether the first row names the columns: short words, none a number or a date."""
    words = [cell.strip() for cell in cells]
    if not words[0] and len(words) > 2:  # the index of a data frame has no name
        if not all(row[0].strip().isdigit() for row in rows if row):
            return False
        words, rows = words[1:], [row[1:] for row in rows]
    elif not words[-1] and len(words) > 2:  # each row ends with a delimiter
        if any(any(row[len(words) - 1 :]) for row in rows):
            return False
        words = words[:-1]
    if len(set(words)) < len(words) or not all(words):
        return False
    is_known = any(_known_words(word) for word in words)
    if any(len(word) > _NAME_CHARS for word in words):
        return False
    if any(_is_figure(word) and not (is_known and _YEAR.fullmatch(word)) for word in words):
        return False
    if any(word == row[at].strip() for row in rows for at, word in enumerate(words[: len(row)])):
        return False  # a name is no value of its own column
    if is_known and all(word[:1].isalnum() for word in words):
        return True
    below = [cell.strip() for row in rows for cell in row]
    is_longer = max(map(len, below), default=0) > 2 * max(map(len, words))
    are_plain = all(
        word.replace(" ", "_").isidentifier() and word == word.lower() for word in words
    )
    return any(map(_is_figure, below)) or is_longer or are_plain


def _known_words(name: str) -> bool:
    """Whether it is a word that columns are called, or ends with one as "First Name" does."""
    return re.split(r"[\W_]+", name.lower().strip())[-1] in _COLUMN_WORDS


def _is_figure(cell: str) -> bool:
    bare = cell.lstrip("+-$€£").rstrip("%").replace(",", "").replace(".", "")
    return bare.isdigit() or (cell[-1:].isdigit() and read_moment(cell) is not None)


def is_total(cells: _Cells) -> bool:
    """Whether a row sums those above up: begins with "Total", a third of its cells left empty."""
    filled = [cell.strip(" :") for cell in cells if cell.strip()]
    if not filled or len(filled) > 2 * len(cells) / 3:
        return False
    return _TOTAL.fullmatch(filled[0]) is not None and any(
        _is_figure(cell.replace(" ", "")) for cell in filled[1:]
    )
