"""Dates as people write them, read: to a part of a second, the day, the month or the year.

English names of months; a time zone is kept. What holds a date and more is not one.
"""

import datetime as library
import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["MONTHS", "ZONE", "Moment", "number_of_month", "read_moment"]

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_LONGEST = 48
_NUMBER_OF_MONTH = {
    spelling: number
    for number, month in enumerate(MONTHS, 1)
    for spelling in (month.lower(), month[:3].lower(), month[:4].lower())
}
_HOURS_OF_ZONE = {
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
    "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "JST": 9,
}  # fmt: skip
ZONE = rf"(?:Z|UTC|GMT|[+-]\d\d:?\d\d|{'|'.join(_HOURS_OF_ZONE)})"
"""A pattern for time zones."""
_TIME = r"(?:[T ,:]+(?:at )?(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?([AaPp]\.?[Mm]\.?)?"
_TIME += rf"\s?({ZONE})?)?"
_WEEKDAY = r"(?:(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?\.?,? )?"
_WORD = r"([A-Za-z]{3,9})\.?"
_ISO = re.compile(rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_TIME}")
_NUMERIC = re.compile(rf"(\d{{1,2}})[-/.](\d{{1,2}})[-/.](\d{{4}}|\d\d){_TIME}")
_MONTH_FIRST = re.compile(
    rf"{_WEEKDAY}{_WORD}[ -](\d{{1,2}})(?:st|nd|rd|th)?,?[ -](\d{{4}}){_TIME}"
)
_DAY_FIRST = re.compile(
    rf"{_WEEKDAY}(\d{{1,2}})(?:st|nd|rd|th)?[ /-](?:of )?{_WORD},?[ /-](\d{{4}}){_TIME}"
)
_MONTH_ONLY = re.compile(rf"{_WORD},? (?:of )?(\d{{4}})|(\d{{4}})-(\d{{1,2}})")
_YEAR_ONLY = re.compile(r"[12]\d{3}")


class Moment(NamedTuple):
    """A time as precise as it was written: year, month, day, hour, minute, second.

    Attributes:
        parts: these, as far as they are told.
        fraction: of the second, digits.
        zone: "Z" or as "+02:00"; "" where none is told.
    """

    parts: tuple[int, ...]
    fraction: str = ""
    zone: str = ""

    @property
    def is_day(self) -> bool:
        """Whether it names a day at least."""
        return len(self.parts) >= 3

    @property
    def canonical(self) -> str:
        """As a `Date` is spelled."""
        day = "-".join(f"{part:0{4 if i == 0 else 2}d}" for i, part in enumerate(self.parts[:3]))
        time = ":".join(f"{part:02d}" for part in self.parts[3:])
        fraction = f".{self.fraction}" if self.fraction else ""
        return f"{day} {time}{fraction}{self.zone}" if time else day


def number_of_month(word: str) -> int:
    """1 to 12 for a month's name, in full or short, or its number; else 0."""
    word = word.strip().lower()
    if word.isdecimal() and len(word) <= 2:
        return int(word) if 1 <= int(word) <= 12 else 0
    return _NUMBER_OF_MONTH.get(word, 0)


@lru_cache(maxsize=4096)
def read_moment(
    text: str, *, day_first: bool | None = None, short_dotted: bool = False
) -> Moment | None:
    """What a text says if it is a date and nothing else.

    Args:
        text: in any common form.
        day_first: how 1/2/2023 is to be read; where only one reading is a date, that is it.
            Where not given, 1.2.2023 has the day first, and all else the month.
        short_dotted: whether 1.2.23 is a date, and not a version.
    """
    if len(text) > 2 * _LONGEST:
        return None
    text = " ".join(text.split())
    if not 4 <= len(text) <= _LONGEST:
        return None
    if found := _ISO.fullmatch(text):
        year, month, day = found.group(1), found.group(2), found.group(3)
        return _moment((int(year), int(month), int(day)), found.groups()[3:])
    if found := _NUMERIC.fullmatch(text):
        one, two, year = (int(part) for part in found.groups()[:3])
        is_dotted = "." in text[: found.end(3)]
        if is_dotted and year <= 99 and not short_dotted:
            return None
        if day_first is None:
            day_first = is_dotted
        year += 0 if year > 99 else 2000 if year < 70 else 1900
        orders = [(year, two, one), (year, one, two)]
        return _first_valid(orders if day_first else orders[::-1], found.groups()[3:])
    if found := _MONTH_FIRST.fullmatch(text):
        return _named(found.group(3), found.group(1), found.group(2), found.groups()[3:])
    if found := _DAY_FIRST.fullmatch(text):
        return _named(found.group(3), found.group(2), found.group(1), found.groups()[3:])
    return _coarse(text)


def _coarse(text: str) -> Moment | None:
    if _YEAR_ONLY.fullmatch(text):
        return Moment((int(text),))
    if not (found := _MONTH_ONLY.fullmatch(text)):
        return None
    name, named_year, year, number = found.groups()
    month = _NUMBER_OF_MONTH.get(name.lower(), 0) if name else int(number)
    return Moment((int(named_year or year), month)) if 1 <= month <= 12 else None


def _named(year: str, month: str, day: str, time: tuple[str | None, ...]) -> Moment | None:
    number = _NUMBER_OF_MONTH.get(month.lower())
    return _moment((int(year), number, int(day)), time) if number else None


def _first_valid(days: list[tuple[int, int, int]], time: tuple[str | None, ...]) -> Moment | None:
    return next(filter(None, (_moment(day, time) for day in days)), None)


def _moment(day: tuple[int, int, int], time: tuple[str | None, ...]) -> Moment | None:
    try:
        library.date(*day)
    except ValueError:
        return None
    hour, minute, second, fraction, half, zone = time
    if hour is None or minute is None:
        return Moment(day)
    h = int(hour)
    if half:
        h = h % 12 + (12 if half[0] in "pP" else 0)
    clock = (h, int(minute), int(second or 0))
    if h > 23 or clock[1] > 59 or clock[2] > 60:
        return None
    return Moment(day + clock, fraction or "", _zone(zone or ""))


def _zone(written: str) -> str:
    if written in ("", "Z"):
        return written
    if written in ("UTC", "GMT"):
        return "Z"
    hours = _HOURS_OF_ZONE.get(written)
    return f"{written[:3]}:{written[-2:]}" if hours is None else f"{hours:+03d}:00"
