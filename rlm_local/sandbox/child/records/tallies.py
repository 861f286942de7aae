"""`Counter` and `defaultdict` that find a key under the spellings it is commonly written in.

An id counted as "40117" is found as 40117, a day counted as "2023-01-06" as "Jan 06, 2023". They
are stored once, as they came; everything else is as in `collections`.
"""

import collections
from collections.abc import Iterator
from datetime import date
from typing import TypeVar

from rlm_local.sandbox.child.records.moments import read_moment

__all__ = ["Counter", "defaultdict", "forgive_spellings", "other_spellings"]

_K = TypeVar("_K")
_V = TypeVar("_V")
_MOST_DIGITS = 20


def other_spellings(key: object) -> Iterator[object]:
    """What else a key may have been stored as."""
    if type(key) is int:
        yield str(key)
    elif isinstance(key, date):
        yield str(key)[:10]
    elif isinstance(key, str) and not key.isalpha():
        if key.isascii() and key.isdigit() and len(key) <= _MOST_DIGITS:
            yield int(key)
        elif (moment := read_moment(key)) and moment.is_day:
            yield moment.canonical


def _stored(counts: dict[_K, _V], key: object) -> list[_K]:
    """The key as it is stored, alone in a list, if it is."""
    return [
        spelling  # type: ignore[misc]  # a key that is there is of the type of keys
        for spelling in other_spellings(key)
        if dict.__contains__(counts, spelling)
    ]


class Counter(collections.Counter[_K]):
    """`collections.Counter`; `counts[40117]` finds what was counted as "40117"."""

    def __missing__(self, key: _K) -> int:
        return next((dict.__getitem__(self, stored) for stored in _stored(self, key)), 0)

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or bool(_stored(self, key))

    def get(self, key: object, default: object = None) -> object:  # type: ignore[override]  # any key
        """As of a dict, under any spelling."""
        if not dict.__contains__(self, key):
            for stored in _stored(self, key):
                return dict.__getitem__(self, stored)
        return dict[object, object].get(self, key, default)  # type: ignore[arg-type]  # any key


class defaultdict(collections.defaultdict[_K, _V]):  # noqa: N801  # the name it has in a cell
    """`collections.defaultdict`; looks under other spellings before it makes a value."""

    def __missing__(self, key: _K) -> _V:
        for stored in _stored(self, key):
            return dict.__getitem__(self, stored)
        return super().__missing__(key)

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or bool(_stored(self, key))

    def get(self, key: object, default: object = None) -> object:  # type: ignore[override]  # any key
        """As of a dict, under any spelling; makes nothing."""
        if not dict.__contains__(self, key):
            for stored in _stored(self, key):
                return dict.__getitem__(self, stored)
        return dict[object, object].get(self, key, default)  # type: ignore[arg-type]  # any key


# Shown, copied and pickled under the names they stand for.
Counter.__module__ = defaultdict.__module__ = collections.__name__


def forgive_spellings() -> None:
    """Let `from collections import Counter` give these, in this process."""
    collections.Counter = Counter  # type: ignore[misc]  # a subclass
    collections.defaultdict = defaultdict  # type: ignore[misc]  # a subclass
