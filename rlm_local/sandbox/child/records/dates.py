"""Days and times of day that compare with dates in any common form.

`Date("2023-01-06")` is a text, and compares with "Jan 06, 2023", "1/6/2023", "January 2023" and a
`datetime.date`: to the precision of the coarser of the two. Among themselves dates are ordered in
full, a day before its times, so that they sort. A set or a dict finds it by its own
spelling only; see `tallies`.
"""

import datetime as library
from typing import ClassVar

from rlm_local.sandbox.child.records.moments import MONTHS, number_of_month, read_moment

__all__ = ["Date", "DayFirstDate", "Month"]


class Month(int):
    """The number of a month, equal to its names too: `r["date"].month == "July"`."""

    __slots__ = ()

    __hash__ = int.__hash__

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return int(self) == number_of_month(other)
        return int.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    @property
    def name(self) -> str:
        """In English, in full."""
        return MONTHS[self - 1]


class Date(str):
    """A day, "YYYY-MM-DD", or with a time behind it; comparable with dates in any common form."""

    __slots__ = ()

    __hash__ = str.__hash__
    _day_first: ClassVar[bool | None] = None

    @property
    def parts(self) -> tuple[int, ...]:
        """Year, month, day, and hour, minute, second where there is a time."""
        day = int(self[:4]), int(self[5:7]), int(self[8:10])
        return (*day, int(self[11:13]), int(self[14:16]), int(self[17:19])) if self[10:] else day

    @property
    def year(self) -> int:
        """Four digits."""
        return int(self[:4])

    @property
    def month(self) -> Month:
        """1 to 12; equal to the month's names as well."""
        return Month(self[5:7])

    @property
    def day(self) -> int:
        """Of the month."""
        return int(self[8:10])

    @property
    def month_name(self) -> str:
        """Such as "July"."""
        return MONTHS[self.month - 1]

    @property
    def hour(self) -> int:
        """0 where there is no time."""
        return int(self[11:13] or 0)

    @property
    def minute(self) -> int:
        """0 where there is no time."""
        return int(self[14:16] or 0)

    @property
    def second(self) -> int:
        """0 where there is no time."""
        return int(self[17:19] or 0)

    @property
    def weekday_name(self) -> str:
        """Such as "Friday"."""
        return self.date().strftime("%A")

    def date(self) -> library.date:
        """As the library's type."""
        return library.date(*self.parts[:3])

    def datetime(self) -> library.datetime:
        """As the library's type; midnight where there is no time."""
        hour, minute, second = self.hour, self.minute, min(self.second, 59)
        return library.datetime(self.year, self.month, self.day, hour, minute, second)

    def weekday(self) -> int:
        """Monday is 0."""
        return self.date().weekday()

    def isoformat(self) -> str:
        """The text itself."""
        return str.__str__(self)

    def strftime(self, form: str) -> str:
        """As of `datetime`."""
        return self.datetime().strftime(form)

    def __format__(self, spec: str) -> str:
        return self.strftime(spec) if "%" in spec else str.__format__(self, spec)

    def __contains__(self, part: object) -> bool:
        """Also a month's name, "July 2023", or the date in another form."""
        if not isinstance(part, str):
            return str.__contains__(self, str(part))
        if str.__contains__(self, part):
            return True
        if part.isalpha():
            return self.month == part
        moment = read_moment(part, day_first=self._day_first, short_dotted=True)
        return moment is not None and self.parts[: len(moment.parts)] == moment.parts

    def __eq__(self, other: object) -> bool:
        if str.__eq__(self, other) is True:
            return True
        theirs = self._parts_of(other)
        return theirs is not None and self._common(theirs) == theirs[: len(self.parts)]

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: object) -> bool:
        return self._order(other) < 0

    def __le__(self, other: object) -> bool:
        return self._order(other) <= 0

    def __gt__(self, other: object) -> bool:
        return self._order(other) > 0

    def __ge__(self, other: object) -> bool:
        return self._order(other) >= 0

    def __add__(self, other: object) -> "str":
        """A later date, or a longer text."""
        if isinstance(other, library.timedelta):
            return self._moved(other)
        return str.__add__(self, other)  # type: ignore[operator]  # str refuses what is none

    def __radd__(self, other: object) -> "str":
        return self._moved(other) if isinstance(other, library.timedelta) else NotImplemented

    def __rsub__(self, other: object) -> library.timedelta:
        theirs = self._parts_of(other)
        if theirs is None or len(theirs) < 3:
            return NotImplemented
        return -(self - other)  # type: ignore[operator]  # a date here: a timedelta

    def __sub__(self, other: object) -> "library.timedelta | Date":
        """The time between two dates, or an earlier date."""
        if isinstance(other, library.timedelta):
            return self._moved(-other)
        theirs = self._parts_of(other)
        if theirs is None or len(theirs) < 3:
            raise TypeError(f"{other!r} is no date; a date less a date is a timedelta")
        midnight = library.datetime(theirs[0], theirs[1], theirs[2])
        return self.datetime() - midnight - _clock(theirs)

    def _moved(self, by: library.timedelta) -> "Date":
        """As precise as this is, and to the second where that would lose time of day."""
        moved = self.datetime() + by
        is_day = not self[10:] and moved.time() == library.time()
        return type(self)(str(moved.date()) if is_day else moved.strftime("%Y-%m-%d %H:%M:%S"))

    def _parts_of(self, value: object) -> tuple[int, ...] | None:
        return _parts_of(value, day_first=self._day_first)

    def _common(self, theirs: tuple[int, ...]) -> tuple[int, ...]:
        return self.parts[: len(theirs)]

    def _order(self, other: object) -> int:
        """Below, at or above zero as this stands before, at or after the other."""
        if isinstance(other, Date):
            mine, its = str.__str__(self), str.__str__(other)
            return (mine > its) - (mine < its)
        read = self._parts_of(other)
        if read is not None:
            ours, theirs = self._common(read), read[: len(self.parts)]
            return (ours > theirs) - (ours < theirs)
        if not isinstance(other, str):
            raise TypeError(f"a date cannot be compared with a {type(other).__name__}")
        mine = str.__str__(self)
        return (mine > other) - (mine < other)


class DayFirstDate(Date):
    """A date of a column that writes the day first: 05/06/2023 is compared as the 5th of June."""

    __slots__ = ()

    __hash__ = str.__hash__
    _day_first = True


def _clock(parts: tuple[int, ...]) -> library.timedelta:
    hour, minute, second = (*parts[3:], 0, 0, 0)[:3]
    return library.timedelta(hours=hour, minutes=minute, seconds=second)


def _parts_of(value: object, *, day_first: bool | None) -> tuple[int, ...] | None:
    if isinstance(value, Date):
        return value.parts
    if isinstance(value, str):
        moment = read_moment(str.__str__(value), day_first=day_first, short_dotted=True)
        return moment.parts if moment else None
    if isinstance(value, library.datetime):
        return value.timetuple()[:6]
    if isinstance(value, library.date):
        return value.timetuple()[:3]
    return None
