"""Groups of records, by user or by anything else, and the pairs of groups that fit.

Each phrase of a question is one expression in nearly its own words: `u.at_least(2, 'late')`,
`u.all_after('late', '3 May 2021')`. A value is looked for in the field that has it, so nothing but
the value need be named.
Judges nothing itself: a field that the worker fills is filled when a value of it is asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import combinations

from rlm_local.sandbox.child.records.dates import Date
from rlm_local.sandbox.child.records.moments import read_moment
from rlm_local.sandbox.child.records.record import Record
from rlm_local.sandbox.child.records.table import Table
from rlm_local.sandbox.child.records.tallies import defaultdict

__all__ = ["Group", "Grouping", "Groups", "Pairs", "pairs_of"]

_SHOWN = 20
Groups = Mapping[object, "Group"]
Test = Callable[["Group"], object]
Tests = Test | Sequence[Test]
Key = str | Callable[[Record], object]


class Group(list[Record]):
    """The records of one user, say; a list that counts them by their values.

    `values` are any of which a record has one; `fields` are values by the name of their field.
    """

    def __init__(self, rows: Iterable[Record], grouping: "Grouping") -> None:
        super().__init__(rows)
        self._grouping = grouping

    def where(
        self, *values: object, after: object = None, before: object = None, **fields: object
    ) -> "Group":
        """Those with one of the values, after and before a day."""
        meant = self._grouping.meant_by
        wanted = [[meant(value) for value in _flat(values)]] if values else []
        wanted += [[meant(one, name) for one in _flat((value,))] for name, value in fields.items()]
        kept = [
            row
            for row in self
            if all(any(_is(row, name, value) for name, value in one_of) for one_of in wanted)
        ]
        if after is not None:
            kept = [row for row, day in self._dated(kept, after) if day > after]
        if before is not None:
            kept = [row for row, day in self._dated(kept, before) if day < before]
        return Group(kept, self._grouping)

    def count(self, *values: object, **limits: object) -> int:
        """How many have one of the values: `u.count('late')`; without a value, how many at all.

        `limits` are those of `where`, here and below.
        """
        return len(self.where(*values, **limits))

    def has(self, *values: object, **limits: object) -> bool:
        """Whether any has one of the values."""
        return self.count(*values, **limits) > 0

    def at_least(self, n: object, *values: object, **limits: object) -> bool:
        """`u.at_least(2, 'late')`: whether two or more have one of the values."""
        n, wanted = _number_first(n, values)
        return self.count(*wanted, **limits) >= n

    def at_most(self, n: object, *values: object, **limits: object) -> bool:
        """`u.at_most(2, 'late')`: whether two or fewer have one of the values."""
        n, wanted = _number_first(n, values)
        return self.count(*wanted, **limits) <= n

    def exactly(self, n: object, *values: object, **limits: object) -> bool:
        """`u.exactly(1, 'late')`: whether just one has one of the values."""
        n, wanted = _number_first(n, values)
        return self.count(*wanted, **limits) == n

    def __contains__(self, value: object) -> bool:
        """Whether a record is among these; or one with a value: `'late' in u`."""
        return super().__contains__(value) if isinstance(value, dict) else self.has(value)

    def dates(self, *values: object) -> list[Date]:
        """When those with one of the values were, the first one first."""
        return sorted(day for _, day in self._dated(self.where(*values)))

    def all_after(self, *values: object) -> bool:
        """`u.all_after('late', '3 May 2021')`: none of the late ones is of that day or before."""
        than, wanted = _day_first(values)
        return all(day > than for _, day in self._dated(self.where(*wanted), than))

    def all_before(self, *values: object) -> bool:
        """`u.all_before('late', '3 May 2021')`: none of the late ones is of that day or after."""
        than, wanted = _day_first(values)
        return all(day < than for _, day in self._dated(self.where(*wanted), than))

    def _dated(self, rows: Iterable[Record], than: object = None) -> Iterator[tuple[Record, Date]]:
        """The rows that have a date, with it.

        Raises:
            ValueError: the records have no dates, or what they are to be compared with is none.
        """
        name = self._grouping.date_name()
        if than is not None and not _is_day(than):
            raise ValueError(f"{than!r} is no date; write it as 2021-05-03")
        for row in rows:
            day = row.get(name)
            if isinstance(day, Date):
                yield row, day

    def __repr__(self) -> str:
        return f"<group of {len(self):,} records>"


class Grouping:
    """Makes groups of a table's records, and knows which field a value belongs to."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._meant: dict[tuple[object, ...], tuple[str, object]] = {}

    def groups(self, records: Iterable[Record], by: Key) -> Groups:
        """`groups(records, 'user')`: for each user the group of the records; by a function too.

        Records without a value there are in no group.
        """
        made: dict[object, Group] = defaultdict(None)
        for row in records:
            of = by(row) if callable(by) else row[by]
            if of is None or of == "":
                continue
            if of not in made:
                made[of] = Group((), self)
            made[of].append(row)
        return made

    def meant_by(self, value: object, field: str = "") -> tuple[str, object]:
        """The field that has the value, and the value as it is spelled there.

        Raises:
            ValueError: there is no such field, or several have the value; or the records have
                labels, and the value is none of them nor one of another field.
        """
        asked = field, _spelling(value), tuple(self._table.derived)
        if asked not in self._meant:
            self._meant[asked] = self._found(value, field)
        return self._meant[asked]

    def date_name(self) -> str:
        """The field of dates.

        Raises:
            ValueError: there is none, or more than one.
        """
        name = self._table.name_of("date")
        if name is None:
            raise ValueError(f"no one field of dates: {self._table.explain('date')}")
        return name

    def _found(self, value: object, field: str) -> tuple[str, object]:
        name = self._table.name_of(field) if field else None
        if field and name is None:
            raise ValueError(self._table.explain(field))
        named = [name] if name else self._names()
        found = [
            (known, held[0])
            for known in named
            if (held := [one for one in self._values(known) if _is_same(one, value)])
        ]
        if len(found) > 1 and found[0][0] != self._label_name():
            one, other = (known for known, _ in found[:2])
            raise ValueError(
                f"{value!r} is a value of {one} and of {other}; say which: u.count({one}={value!r})"
            )
        if found:
            return found[0]
        labels = [
            it for known in named if known in self._table.derived for it in self._values(known)
        ]
        if labels:
            raise ValueError(
                f"no record is {value!r}; the labels are {', '.join(map(str, labels))}"
            )
        return named[0] if named else "", value

    def _values(self, name: str) -> Iterable[object]:
        """All that a field may hold; nothing is judged for it."""
        if name in self._table.derived:
            return self._table.derived[name].asked.labels
        return (dict.get(row, name) for row in self._table.rows)

    def _names(self) -> list[str]:
        """The fields a value may be of, what `label` means first; free text is none of them."""
        names = [*self._table.derived, *self._table.names]
        first = self._label_name()
        kept = [name for name in names if name != self._table.text_name]
        return sorted(kept, key=lambda name: name != first)

    def _label_name(self) -> str:
        return self._table.label_field or "label"


class Pairs(list[tuple[object, object]]):
    """Pairs, the lower first, in order; as a text `(a, b)`, one a line."""

    def __str__(self) -> str:
        return "\n".join(f"({a}, {b})" for a, b in self) if self else "no pairs"

    def __repr__(self) -> str:
        more = f"\n... and {len(self) - _SHOWN:,} more pairs" if len(self) > _SHOWN else ""
        return f"{Pairs(self[:_SHOWN])}{more}"


def pairs_of(
    groups: Iterable[object],
    one: Tests | None = None,
    other: Tests | None = None,
    *,
    both: Tests | None = None,
) -> Pairs:
    """`pairs_of(users, both=fits)`, or `pairs_of(users, one, other)`: each pair once, in order.

    A test is a function of a group; of several in a list all must be passed.

    Args:
        groups: as `groups` makes them; or only names, of which all are paired.
        one: what one of the two must be; both, if there is no `other`.
        other: what the other one must be.
        both: what each of the two must be.

    Raises:
        TypeError: something is to be tested, and there are no groups.
    """
    if not isinstance(groups, Mapping):
        if one or other or both:
            raise TypeError("pairs_of(groups(records, 'user'), ...) tests groups, not a list")
        return Pairs(combinations(_in_order(dict.fromkeys(groups)), 2))
    names = [name for name in _in_order(groups) if _fits(groups[name], both)]
    ones = {name for name in names if _fits(groups[name], one)}
    others = {name for name in names if _fits(groups[name], other)} if other else ones
    either = [name for name in names if name in ones or name in others]
    return Pairs(
        (a, b)
        for a, b in combinations(either, 2)
        if (a in ones and b in others) or (b in ones and a in others)
    )


def _fits(group: Group, tests: Tests | None) -> bool:
    """Whether a group passes all; a test that gives several findings means all of them too."""
    for test in [tests] if callable(tests) else tests or ():
        found = test(group)
        if not (all(found) if isinstance(found, list | tuple) else found):
            return False
    return True


def _number_first(n: object, values: Sequence[object]) -> tuple[int, Sequence[object]]:
    """The number that was given, also behind the values, and the values.

    Raises:
        TypeError: none is a number.
    """
    given = [n, *values]
    found = [at for at, one in enumerate(given) if isinstance(one, int)]
    if not found:
        raise TypeError(f"how many? u.at_least(2, {n!r}) takes a number first")
    number = given.pop(found[0])
    return int(number) if isinstance(number, int) else 0, given


def _day_first(values: Sequence[object]) -> tuple[object, Sequence[object]]:
    """The day that was given, behind the values or before them, and the values.

    Raises:
        ValueError: there is none.
    """
    days = [at for at, one in enumerate(values) if _is_day(one)]
    if not days:
        raise ValueError(
            f"no date among {values}; u.all_after('late', '2021-05-03') takes one last"
        )
    return values[days[-1]], [*values[: days[-1]], *values[days[-1] + 1 :]]


def _is_day(value: object) -> bool:
    if isinstance(value, str):
        return read_moment(str.__str__(value), short_dotted=True) is not None
    return isinstance(value, date)


def _flat(values: Iterable[object]) -> list[object]:
    """The values, and those of lists among them."""
    flat: list[object] = []
    for value in values:
        flat += value if isinstance(value, list | tuple | set | frozenset) else [value]
    return flat


def _is(row: Record, name: str, value: object) -> bool:
    return _is_same(row.get(name), value)


def _is_same(one: object, other: object) -> bool:
    return one == other or _spelling(one) == _spelling(other)


def _spelling(value: object) -> object:
    return str.__str__(value).strip().casefold() if isinstance(value, str) else value


def _in_order(names: Iterable[object]) -> list[object]:
    try:
        return sorted(names)  # type: ignore[type-var]  # tried
    except TypeError:
        return sorted(names, key=str)
