"""Days and times of day that compare with dates in any common form.

`Date("2023-01-06")` is a text, and compares with "Jan 06, 2023", "1/6/2023", "January 2023" and a
`datetime.date`: to the precision of the coarser of the two. Among themselves dates are ordered in
full, a day before its times, so that they sort; times with a zone by the instant they mean. A set
or a dict finds it by its own spelling only; see `tallies`.
"""

import datetime as library
from typing import ClassVar

from rlm_local.sandbox.child.records.moments import MONTHS, Moment, number_of_month, read_moment

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


_TIME_CHARS = 19
"""Of "YYYY-MM-DD HH:MM:SS"; behind it a fraction and a zone may stand."""


class Date(str):
    """A day, "YYYY-MM-DD", or with a time behind it; comparable with dates in any common form."""

    __slots__ = ()

    __hash__ = str.__hash__
    _day_first: ClassVar[bool | None] = None

    @property
    def parts(self) -> tuple[int, ...]:
        """Year, month, day; with a time hour, minute, second; nanosecond if it has any."""
        day = int(self[:4]), int(self[5:7]), int(self[8:10])
        if not self[10:]:
            return day
        parts = (*day, int(self[11:13]), int(self[14:16]), int(self[17:19]))
        return (*parts, _nanoseconds(self._fraction)) if self._fraction else parts

    @property
    def zone(self) -> str:
        """Of the time: "Z", "+02:00" or ""."""
        tail = self[_TIME_CHARS:]
        return (
            "" if not tail else "Z" if tail[-1] == "Z" else tail[-6:] if tail[-3:-2] == ":" else ""
        )

    @property
    def _fraction(self) -> str:
        tail = self[_TIME_CHARS:]
        return tail[1 : len(tail) - len(self.zone)] if tail[:1] == "." else ""

    @property
    def microsecond(self) -> int:
        """0 where there is none."""
        return _nanoseconds(self._fraction) // 1000

    @property
    def _instant(self) -> tuple[int, ...]:
        """The parts as of the zone of Greenwich, where it has a zone."""
        return _at_greenwich(self.parts, self.zone)

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
        """As the library's type, without a zone; midnight where there is no time."""
        clock = self.hour, self.minute, min(self.second, 59), self.microsecond
        return library.datetime(self.year, self.month, self.day, *clock)

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
        moment = self._moment_of(part)
        return moment is not None and self.parts[: len(moment.parts)] == moment.parts

    def __eq__(self, other: object) -> bool:
        if str.__eq__(self, other) is True:
            return True
        both = self._both(other)
        return both is not None and both[0] == both[1]

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
        theirs = self._moment_of(other)
        if theirs is None or not theirs.is_day:
            return NotImplemented
        return -(self - other)  # type: ignore[operator]  # a date here: a timedelta

    def __sub__(self, other: object) -> "library.timedelta | Date":
        """The time between two dates, or an earlier date."""
        if isinstance(other, library.timedelta):
            return self._moved(-other)
        theirs = self._moment_of(other)
        if theirs is None or not theirs.is_day:
            raise TypeError(f"{other!r} is no date; a date less a date is a timedelta")
        mine, its = self.parts, theirs.parts
        if self.zone and theirs.zone:
            mine, its = self._instant, _at_greenwich(its, theirs.zone)
        return _clock(mine) - _clock(its)

    def _moved(self, by: library.timedelta) -> "Date":
        """As precise as this is, and to the second where that would lose time of day."""
        moved = self.datetime() + by
        is_day = not self[10:] and moved.time() == library.time()
        return type(self)(
            str(moved.date()) if is_day else f"{str(moved)[:_TIME_CHARS]}{self._rest(moved)}"
        )

    def _rest(self, moved: library.datetime) -> str:
        """Fraction and zone of a moved time."""
        fraction = f".{moved:%f}" if moved.microsecond else ""
        return f"{fraction}{self.zone}"

    def _moment_of(self, value: object) -> Moment | None:
        return _moment_of(value, day_first=self._day_first)

    def _both(self, other: object) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Its own parts and the other's, to the precision that both have."""
        theirs = self._moment_of(other)
        if theirs is None:
            return None
        mine, its = self.parts, theirs.parts
        if (
            len(mine) > 3
            and len(its) > 3
            and self.zone != theirs.zone
            and self.zone
            and theirs.zone
        ):
            mine, its = self._instant, _at_greenwich(its, theirs.zone)
        return mine[: len(its)], its[: len(mine)]

    def _order(self, other: object) -> int:
        """Below, at or above zero as this stands before, at or after the other."""
        if isinstance(other, Date):
            mine, its = str.__str__(self), str.__str__(other)
            if len(mine) > _TIME_CHARS or len(its) > _TIME_CHARS:
                return self._order_of_instants(other)
            return (mine > its) - (mine < its)
        if both := self._both(other):
            return (both[0] > both[1]) - (both[0] < both[1])
        if not isinstance(other, str):
            raise TypeError(f"a date cannot be compared with a {type(other).__name__}")
        mine = str.__str__(self)
        return (mine > other) - (mine < other)

    def _order_of_instants(self, other: "Date") -> int:
        mine, its = str.__str__(self), str.__str__(other)
        tails = mine[_TIME_CHARS:], its[_TIME_CHARS:]
        if tails[0] != tails[1] and not (len(mine) == len(its) and self.zone == other.zone):
            are_zoned = bool(self.zone and other.zone)
            own = self._instant if are_zoned else self.parts
            their = other._instant if are_zoned else other.parts
            return (own > their) - (own < their)
        return (mine > its) - (mine < its)


class DayFirstDate(Date):
    """A date of a column that writes the day first: 05/06/2023 is compared as the 5th of June."""

    __slots__ = ()

    __hash__ = str.__hash__
    _day_first = True


def _clock(parts: tuple[int, ...]) -> library.timedelta:
    """The time since the calendar began."""
    hour, minute, second, nanosecond = (*parts[3:], 0, 0, 0, 0)[:4]
    return library.timedelta(
        days=library.date(*parts[:3]).toordinal(),
        hours=hour,
        minutes=minute,
        seconds=second,
        microseconds=nanosecond // 1000,
    )


def _nanoseconds(fraction: str) -> int:
    return int(fraction.ljust(9, "0")) if fraction else 0


def _at_greenwich(parts: tuple[int, ...], zone: str) -> tuple[int, ...]:
    if len(parts) < 5 or zone in ("", "Z"):
        return parts
    ahead = library.timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    year, month, day, hour, minute = parts[:5]
    try:
        moved = library.datetime(year, month, day, hour, minute)
        moved = moved - ahead if zone[0] == "+" else moved + ahead
    except OverflowError:  # the first or the last year there is
        return parts
    return (*moved.timetuple()[:5], *parts[5:])


def _moment_of(value: object, *, day_first: bool | None) -> Moment | None:
    """What a value says, as precise as it says it; the parts hold nanoseconds where it has any."""
    if isinstance(value, Date):
        return Moment(value.parts, zone=value.zone)
    if isinstance(value, str):
        moment = read_moment(str.__str__(value), day_first=day_first, short_dotted=True)
        if moment is None or not moment.fraction:
            return moment
        return Moment((*moment.parts, _nanoseconds(moment.fraction)), zone=moment.zone)
    if isinstance(value, library.datetime):
        rest = (value.microsecond * 1000,) if value.microsecond else ()
        offset = value.strftime("%z")
        return Moment(
            (*value.timetuple()[:6], *rest), zone=f"{offset[:3]}:{offset[3:5]}" if offset else ""
        )
    return Moment(value.timetuple()[:3]) if isinstance(value, library.date) else None
