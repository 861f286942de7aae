"""`Counter` and `defaultdict` that find ids and dates under the spellings they are written in.

What was counted as `Id("40117")` is found as 40117, a `Date` as "Jan 06, 2023"; both are stored
once, as they came. Without ids and dates among its keys, each is the class of `collections`.
"""

import collections
from collections.abc import Iterator
from datetime import date, datetime, time
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from rlm_local.sandbox.child.records.dates import Date, DayFirstDate
from rlm_local.sandbox.child.records.ids import Id
from rlm_local.sandbox.child.records.moments import read_moment

__all__ = ["Counter", "defaultdict", "forgive_spellings"]

_K = TypeVar("_K")
_V = TypeVar("_V")
_SPELLED: frozenset[type[object]] = frozenset({Id, Date, DayFirstDate})
_LOOKED_AT = 8
"""Keys tell their like: the first may be what stands for a missing id."""


class _SpelledKey(str):
    """Finds an `Id` or a `Date` of this text in a dict, and no plain text.

    Python asks this class whether it equals a plain text, and an `Id` whether it equals this.
    """

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True


def _has_spelled(keys: dict[Any, Any]) -> bool:
    return not _SPELLED.isdisjoint(map(type, islice(keys, _LOOKED_AT)))


def _other_spellings(keys: dict[Any, Any], key: object) -> Iterator[object]:
    """What else a key may have been stored as."""
    if type(key) is Id:
        yield int(key)
    elif type(key) is int:
        yield _SpelledKey(key)
    elif isinstance(key, datetime):
        yield _SpelledKey(str(key)[:19])
        if key.time() == time():
            yield _SpelledKey(key.date())
    elif isinstance(key, date):
        yield _SpelledKey(key)
    elif type(key) is str and not key.isalpha():
        day_first = any(type(known) is DayFirstDate for known in islice(keys, _LOOKED_AT))
        moment = read_moment(key, day_first=day_first or None)
        if moment and moment.is_day:
            yield _SpelledKey(moment.canonical)


def _stored(keys: dict[Any, Any], key: object) -> object:
    """The key, as one that is in the dict if there is one."""
    if dict.__contains__(keys, key):
        return key
    for spelling in _other_spellings(keys, key):
        if dict.__contains__(keys, spelling):
            return spelling
    return key


if TYPE_CHECKING:
    _Dict = dict[Any, Any]
else:
    _Dict = object  # a dict as well would keep the memory layout from being the plain class's


class _SpelledKeys(_Dict):
    """Reads and writes by any spelling of the keys that are there."""

    __slots__ = ()

    def __missing__(self, key: object) -> object:
        stored = _stored(self, key)
        if stored is not key:
            return dict.__getitem__(self, stored)
        return super().__missing__(key)  # type: ignore[misc]  # a mixin: defaultdict has it

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, _stored(self, key))

    def get(self, key: object, default: object = None) -> object:
        """As of a dict; makes nothing."""
        return dict.get(self, _stored(self, key), default)

    def __setitem__(self, key: object, value: object) -> None:
        super().__setitem__(_stored(self, key), value)

    def __delitem__(self, key: object) -> None:
        super().__delitem__(_stored(self, key))

    def pop(self, key: object, *default: object) -> object:
        """As of a dict."""
        return super().pop(_stored(self, key), *default)

    def setdefault(self, key: object, default: object = None) -> object:
        """As of a dict."""
        return super().setdefault(_stored(self, key), default)

    def __reduce__(self) -> tuple[Any, ...]:
        _, *rest = tuple(super().__reduce__())
        return (type(self).__mro__[2], *rest)  # the class that the library's name gives


_PLAIN_COUNTER = collections.Counter


class _LikeTheLibrarys(type):
    """The library's own code asks whether something is a `Counter`, and means any."""

    def __instancecheck__(cls, instance: object) -> bool:
        if cls is Counter:
            return isinstance(instance, _PLAIN_COUNTER)
        return type.__instancecheck__(cls, instance)


class Counter(collections.Counter[_K], metaclass=_LikeTheLibrarys):
    """`collections.Counter`, until ids or dates are counted.

    Nothing is overridden that would keep the library from counting in its own loop.
    """

    def update(self, *given: object, **counts: int) -> None:
        """As of the library's."""
        super().update(*given, **counts)  # type: ignore[call-overload]  # Counter checks them
        if type(self) is Counter and _has_spelled(self):
            self.__class__ = _SpelledCounter

    def __missing__(self, key: _K) -> int:
        if type(self) is Counter and (type(key) in _SPELLED or _has_spelled(self)):
            self.__class__ = _SpelledCounter
            return self[key]
        return 0


class defaultdict(collections.defaultdict[_K, _V]):  # noqa: N801  # the name it has in a cell
    """`collections.defaultdict`, until its keys are ids or dates."""

    __slots__ = ()

    def __init__(self, *given: object, **values: object) -> None:
        super().__init__(*given, **values)
        if type(self) is defaultdict and _has_spelled(self):
            self.__class__ = _SpelledDefaultdict

    def __missing__(self, key: _K) -> _V:
        if type(self) is defaultdict and (type(key) in _SPELLED or _has_spelled(self)):
            self.__class__ = _SpelledDefaultdict
            return self[key]
        return super().__missing__(key)


class _SpelledCounter(_SpelledKeys, Counter[_K]):  # type: ignore[misc]  # wider keys than the base
    __slots__ = ()


class _SpelledDefaultdict(_SpelledKeys, defaultdict[_K, _V]):  # type: ignore[misc]  # wider keys than the base
    __slots__ = ()


# Shown, copied and pickled under the names they stand for.
for _kind, _name in (
    (Counter, "Counter"),
    (_SpelledCounter, "Counter"),
    (defaultdict, "defaultdict"),
    (_SpelledDefaultdict, "defaultdict"),
):
    _kind.__module__, _kind.__name__, _kind.__qualname__ = collections.__name__, _name, _name


def forgive_spellings() -> None:
    """Let `from collections import Counter` give these, in this process."""
    collections.Counter = Counter  # type: ignore[misc]  # a class is no variable to mypy
    collections.defaultdict = defaultdict  # type: ignore[misc]  # a class is no variable to mypy
