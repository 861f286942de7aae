"""Gives the values of a field their type, where all of the field's values have it.

Dates become `Date`, ids `Id`, figures numbers; what is missing among figures becomes None. All
else stays the text it is.
"""

import re
from collections.abc import Callable, Sequence

from rlm_local.sandbox.child.records.dates import Date, DayFirstDate
from rlm_local.sandbox.child.records.ids import Id
from rlm_local.sandbox.child.records.moments import read_moment
from rlm_local.sandbox.child.records.raw import Row

__all__ = ["type_column"]

_value = dict.get  # of the dict alone: a record's own `get` looks further

_SAMPLE = 200
_NEARLY_ALL = 0.98
_MOST_DIGITS = 20
_LONGEST_FIGURE = 40
_MISSING = frozenset({"", "-", "--", "n/a", "na", "nan", "null", "none", "?", "."})
_ID_WORDS = frozenset({
    "id", "ids", "uid", "uuid", "pid", "user", "userid", "account", "customer", "client", "member",
    "author", "employee", "patient", "student", "ticket", "invoice", "ref", "reference", "sku",
    "isbn", "zip", "zipcode", "postcode", "phone", "tel", "serial", "nr", "identifier",
})  # fmt: skip
_FIGURE = re.compile(
    r"(?:[+-]?[$€£]?\s?|[$€£]\s?[+-])(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:[.,][0-9]+)?|"
    r"[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+|"
    r"[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]{1,2})?)\s?%?"
)
_COMMAS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_POINTS = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]+)?")
"""Thousands marked by points, as where the comma stands before the decimals."""
_ONE_COMMA = re.compile(r"[+-]?([0-9]+),[0-9]+")
_SURELY_THOUSANDS = re.compile(r"[^,]+,[^,]+[,.].*")
_UNITS = dict.fromkeys(map(ord, "$€£% \t\n\r\x0b\x0c\xa0\u2009\u202f"))
_DATE_WORDS = ("date", "day", "time")
_DAY_FIRST = re.compile(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.][0-9]")


def type_column(rows: Sequence[Row], name: str, *, is_typed: bool = False) -> str:
    """Convert a field's values in place; what they are: date, time, id, number, text or value.

    `is_typed`: the text has numbers of its own, so that a text of digits is meant as one.
    """
    values = (_value(row, name) for row in rows[: 4 * _SAMPLE])
    sample = [value for value in values if value is not None and value != ""][:_SAMPLE]
    if not sample:
        return "text"
    if all(type(value) is int for value in sample) and _is_id_name(name):
        return "id"  # and the numbers they are: what a text says is a number is left one
    if not all(type(value) is str for value in sample):
        return _kind_of_values(sample)
    texts = [value for value in sample if isinstance(value, str)]
    if sum(_is_date(text, name) for text in texts) >= _NEARLY_ALL * len(texts):
        kind = _convert_dates(rows, name)
        if kind:
            return kind
    if all(map(_is_figure, texts)) and any(text.lower() not in _MISSING for text in texts):
        kind = _convert_figures(rows, name, is_typed=is_typed)
        if kind != "text":
            return kind
    if len(set(texts)) < len(texts) / 2:
        _share_equal_texts(rows, name)
    return "text"


def _share_equal_texts(rows: Sequence[Row], name: str) -> None:
    """Keep one text of those that are equal, which saves a third of a log."""
    known: dict[str, str] = {}
    for row in rows:
        value = _value(row, name)
        if isinstance(value, str):
            row[name] = known.setdefault(value, value)


def _is_date(text: str, name: str) -> bool:
    moment = read_moment(text, short_dotted=_is_date_name(name))
    return moment is not None and moment.is_day


def _is_figure(text: str) -> bool:
    if text.lower() in _MISSING:
        return True
    return len(text) <= _LONGEST_FIGURE and _FIGURE.fullmatch(text) is not None


def _is_date_name(name: str) -> bool:
    return any(word in name for word in _DATE_WORDS)


def _is_id_name(name: str) -> bool:
    words = name.split("_")
    return words[-1] in _ID_WORDS or words[0] in ("id", "uid")


def _kind_of_values(sample: list[object]) -> str:
    kinds = {type(value) for value in sample}
    return "number" if kinds <= {int, float} else "yes/no" if kinds == {bool} else "value"


def _distinct(rows: Sequence[Row], name: str) -> dict[object, int]:
    counts: dict[object, int] = {}
    for row in rows:
        value = _value(row, name)
        if isinstance(value, str | int):
            counts[value] = counts.get(value, 0) + 1
    return counts


def _replace(rows: Sequence[Row], name: str, values: dict[object, object]) -> None:
    for row in rows:
        value = _value(row, name)
        if isinstance(value, str | int) and value in values:
            row[name] = values[value]


def _convert_dates(rows: Sequence[Row], name: str) -> str | None:
    counts = _distinct(rows, name)
    numeric = [found for text in counts if (found := _DAY_FIRST.match(str(text)))]
    day_first: bool | None = None
    if any(int(found.group(2)) > 12 for found in numeric):
        day_first = False
    elif any(int(found.group(1)) > 12 for found in numeric):
        day_first = True
    kind = DayFirstDate if day_first else Date
    short_dotted = _is_date_name(name)
    values: dict[object, object] = {}
    n_read = n_times = n_filled = 0
    for text, n in counts.items():
        moment = read_moment(str(text), day_first=day_first, short_dotted=short_dotted)
        n_filled += n if str(text).lower() not in _MISSING else 0
        if moment is not None and moment.is_day:
            values[text] = kind(moment.canonical)
            n_read += n
            n_times += n * (len(moment.parts) > 3)
    if n_read < _NEARLY_ALL * n_filled:
        return None
    _replace(rows, name, values)
    return "time" if 2 * n_times > n_read else "date"


def _convert_figures(rows: Sequence[Row], name: str, *, is_typed: bool) -> str:
    texts = [text for text in _distinct(rows, name) if isinstance(text, str)]
    if not all(map(_is_figure, texts)):
        return "text"
    filled = [text for text in texts if text.lower() not in _MISSING]
    convert: Callable[[str], object] = _number
    kind = "number"
    if _are_ids(filled, name):
        convert, kind = Id, "id"
    elif is_typed:
        return "text"
    elif any("," in text and _has_decimal_comma(_bare(text)) for text in filled):
        if any(_SURELY_THOUSANDS.fullmatch(_bare(text)) for text in filled):
            return "text"  # both kinds of commas: what "1,234" is cannot be told
        convert = _number_with_comma
    values: dict[object, object] = {text: convert(text) for text in filled}
    missing = None if kind == "number" else ""
    values.update((text, missing) for text in texts if text.lower() in _MISSING)
    _replace(rows, name, values)
    return kind


def _are_ids(texts: list[str], name: str) -> bool:
    if not all(text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS for text in texts):
        return False
    has_zeros = any(len(text) > 1 and text[0] == "0" for text in texts)
    return has_zeros or _is_id_name(name)


def _bare(text: str) -> str:
    return text.translate(_UNITS)


def _has_decimal_comma(bare: str) -> bool:
    found = _ONE_COMMA.fullmatch(bare)
    if _POINTS.fullmatch(bare) and "," in bare:
        return True
    return found is not None and (found.group(1) == "0" or not _COMMAS.fullmatch(bare))


def _number_with_comma(text: str) -> object:
    if _POINTS.fullmatch(_bare(text)):
        text = text.replace(".", "")
    return _number(text.replace(",", "."))


def _number(text: str) -> object:
    bare = _bare(text)
    if _COMMAS.fullmatch(bare):
        bare = bare.replace(",", "")
    try:
        return int(bare)
    except ValueError:
        pass
    try:
        return float(bare.replace(",", "."))
    except ValueError:
        return text
