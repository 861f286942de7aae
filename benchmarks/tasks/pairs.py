"""OOLONG-Pairs: the twenty questions for pairs of users, over any source with six labels.

Over TREC the questions are word for word those of arXiv 2512.24601, appendix D.1; elsewhere six of
the source's labels stand for TREC's. Every question asks of single users and then pairs them: with
both alike (1 to 10), or with one of a kind and one of another (11 to 20).
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from benchmarks.tasks.labelled import SOURCES, Source
from benchmarks.tasks.oolong import rows_by_rules, window_of
from benchmarks.tasks.task import Context, Family, OptionError, Request, Task
from benchmarks.tasks.windows import Row

__all__ = ["FAMILIES", "PairQuery", "pair_queries", "solve_pairs"]

_TREC = ("numeric value", "location", "entity", "human being", "description and abstract concept",
         "abbreviation")  # fmt: skip
_NAMED = ("description and abstract concept", "entity", "human being", "numeric value", "location",
          "abbreviation")  # fmt: skip
_NUMBER, _PLACE, _ENTITY, _HUMAN, _CONCEPT, _SHORT = range(6)
"""TREC's labels, by their place in `_TREC`."""


@dataclass(frozen=True, slots=True)
class _Bound:
    """All instances of a label lie before or after a day."""

    label: int
    after: bool
    day: date


@dataclass(frozen=True, slots=True)
class _Count:
    """So many instances of a label, or at least so many."""

    label: int
    n: int
    exactly: bool = False


@dataclass(frozen=True, slots=True)
class PairQuery:
    """A question for pairs. Labels are places in the six.

    Attributes:
        any_of: both users have one of these labels; empty where the two differ.
        bound: and all their instances of a label lie on one side of a day.
        one: what one of two different users has.
        other: and what the other has.
        wording: of questions 11 to 20, with the labels to fill in.
    """

    any_of: tuple[int, ...] = ()
    bound: _Bound | None = None
    one: tuple[_Count, ...] = ()
    other: tuple[_Count, ...] = ()
    wording: str = ""


def _both(first: int, second: int, bound: _Bound | None = None) -> PairQuery:
    return PairQuery(any_of=(first, second), bound=bound)


def _after(label: int, month: int, day: int) -> _Bound:
    return _Bound(label, True, date(2023, month, day))


def _before(label: int, month: int, day: int) -> _Bound:
    return _Bound(label, False, date(2023, month, day))


def _differ(wording: str, one: Iterable[_Count], other: Iterable[_Count]) -> PairQuery:
    return PairQuery(one=tuple(one), other=tuple(other), wording=wording)


def _some(*labels: int) -> list[_Count]:
    return [_Count(label, 1) for label in labels]


def _just(label: int, n: int = 1) -> _Count:
    return _Count(label, n, exactly=True)


_QUERIES = (
    _both(_NUMBER, _PLACE),
    _both(_ENTITY, _HUMAN),
    _both(_CONCEPT, _SHORT),
    _both(_HUMAN, _PLACE, _after(_HUMAN, 1, 6)),
    _both(_ENTITY, _NUMBER, _before(_ENTITY, 3, 15)),
    _both(_PLACE, _SHORT),
    _both(_CONCEPT, _NUMBER, _after(_NUMBER, 2, 1)),
    _both(_HUMAN, _CONCEPT),
    _both(_ENTITY, _PLACE, _after(_PLACE, 4, 10)),
    _both(_NUMBER, _SHORT, _before(_SHORT, 5, 20)),
    _differ(
        "at least one instance with {2} and one with {5}, and the other user has exactly one "
        "instance with {2}",
        _some(_ENTITY, _SHORT),
        [_just(_ENTITY)],
    ),
    _differ(
        "at least two instances with {0}, and the other user has at least one instance with {1} "
        "and at least one instance with {3}",
        [_Count(_NUMBER, 2)],
        _some(_PLACE, _HUMAN),
    ),
    _differ(
        "exactly one instance with {4}, and the other user has at least one instance with {5} and "
        "at least one instance with {2}",
        [_just(_CONCEPT)],
        _some(_SHORT, _ENTITY),
    ),
    _differ(
        "at least one instance with {3} and at least one instance with {0}, and the other user has "
        "exactly two instances with {1}",
        _some(_HUMAN, _NUMBER),
        [_just(_PLACE, 2)],
    ),
    _differ(
        "at least one instance with {2}, at least one instance with {1}, and at least one instance "
        "with {5}, and the other user has exactly one instance with {0}",
        _some(_ENTITY, _PLACE, _SHORT),
        [_just(_NUMBER)],
    ),
    _differ(
        "at least one instance with {4} and at least one instance with {3}, and the other user has "
        "at least two instances with {2} and exactly one instance with {5}",
        _some(_CONCEPT, _HUMAN),
        [_Count(_ENTITY, 2), _just(_SHORT)],
    ),
    _differ(
        "exactly one instance with {0}, and the other user has at least one instance with {1} and "
        "at least one instance with {4}",
        [_just(_NUMBER)],
        _some(_PLACE, _CONCEPT),
    ),
    _differ(
        "at least one instance with {5} and exactly one instance with {3}, and the other user has "
        "at least one instance with {2} and at least one instance with {0}",
        [*_some(_SHORT), _just(_HUMAN)],
        _some(_ENTITY, _NUMBER),
    ),
    _differ(
        "at least two instances with {1} and at least one instance with {2}, and the other user "
        "has exactly one instance with {4} and exactly one instance with {5}",
        [_Count(_PLACE, 2), *_some(_ENTITY)],
        [_just(_CONCEPT), _just(_SHORT)],
    ),
    _differ(
        "at least one instance with {0} and at least one instance with {3}, and the other user has "
        "at least one instance with {1}, at least one instance with {2}, and exactly one instance "
        "with {5}",
        _some(_NUMBER, _HUMAN),
        [*_some(_PLACE, _ENTITY), _just(_SHORT)],
    ),
)


def pair_queries(six: Sequence[str], labels: Sequence[str], item: str) -> list[str]:
    """The twenty questions in words: with `six` labels for TREC's, of all `labels`."""
    return [
        f"In the above data, list all pairs of user IDs (no duplicate pairs, list lower ID first) "
        f"{_asked(query, six)}. Each of the {item} can be labelled as one of the labels (the data "
        "does not provide the labels, you need to figure out the label from the semantics of the "
        f"{item.removesuffix('s')}): {', '.join(labels)}. In your answer, list all pairs in the "
        "format (user_id_1, user_id_2), separated by newlines."
        for query in _QUERIES
    ]


def _asked(query: PairQuery, six: Sequence[str]) -> str:
    if not query.any_of:
        return f"such that one user has {query.wording.format(*six)}"
    first, second = (six[label] for label in query.any_of)
    text = f"where both users have at least one instance with {_a(first)} or {second}"
    if query.bound is None:
        return text
    side, day = "after" if query.bound.after else "before", query.bound.day
    return (
        f"{text}, and all instances that are {_a(six[query.bound.label])} for both users must be "
        f"{side} {day:%B} {day.day}, {day.year}"
    )


def _a(label: str) -> str:
    return f"{'an' if label[:1].lower() in 'aeiou' else 'a'} {label}"


def solve_pairs(query: PairQuery, rows: Sequence[Row], six: Sequence[str]) -> list[str]:
    """The pairs `(low, high)`, sorted."""
    users: dict[int, list[Row]] = {}
    for row in rows:
        users.setdefault(row.user, []).append(row)
    counts = {user: Counter(row.label for row in its) for user, its in users.items()}
    if query.any_of:
        wanted = {six[label] for label in query.any_of}
        alike = sorted(
            user
            for user, its in users.items()
            if any(row.label in wanted for row in its) and _in_bound(query.bound, its, six)
        )
        return [f"({a}, {b})" for n, a in enumerate(alike) for b in alike[n + 1 :]]
    ones = [user for user in users if _has(query.one, counts[user], six)]
    others = [user for user in users if _has(query.other, counts[user], six)]
    pairs = {(min(a, b), max(a, b)) for a in ones for b in others if a != b}
    return [f"({a}, {b})" for a, b in sorted(pairs)]


def _in_bound(bound: _Bound | None, rows: Sequence[Row], six: Sequence[str]) -> bool:
    if bound is None:
        return True
    days = [row.day for row in rows if row.label == six[bound.label]]
    return all(day > bound.day if bound.after else day < bound.day for day in days)


def _has(wanted: Sequence[_Count], counts: Counter[str], six: Sequence[str]) -> bool:
    return all(
        counts[six[one.label]] == one.n if one.exactly else counts[six[one.label]] >= one.n
        for one in wanted
    )


def _make(source: Source, request: Request) -> Iterator[Task]:
    window, key = window_of(source, request)
    if len(window.labels) < len(_TREC):
        raise OptionError(f"pairs need six labels; {source.name} has {len(window.labels)}")
    six = (
        _TREC
        if set(_TREC) <= set(window.labels)
        else tuple(random.Random(f"six {key}").sample(window.labels, len(_TREC)))
    )
    context = Context.of_text(key, window.pieces)
    named = _NAMED if six is _TREC else window.labels
    asked = pair_queries(six, named, source.item)
    everybody = sorted({row.user for row in window.rows})
    for number, (query, text) in enumerate(zip(_QUERIES, asked, strict=True), 1):
        yield Task(
            name=f"pairs-{source.name}-{key}-{number}",
            family=f"pairs-{source.name}",
            kind=f"pairs.{number:02d}",
            seed=request.seed,
            tokens=request.tokens,
            context=context,
            question=text,
            truth=tuple(solve_pairs(query, window.rows, six)),
            scorer="pairs_f1",
            guess=partial(_everybody, everybody),
            shortcut=partial(_by_rules, source.name, window.labels, query, six),
            facts={"items": len(window.rows), "users": len(everybody), "six": list(six)},
        )


def _everybody(users: Sequence[int]) -> str:
    return "\n".join(f"({a}, {b})" for n, a in enumerate(users) for b in users[n + 1 :])


def _by_rules(
    source: str, labels: tuple[str, ...], query: PairQuery, six: tuple[str, ...], text: str
) -> str:
    return "\n".join(solve_pairs(query, rows_by_rules(source, labels, text), six))


FAMILIES = tuple(
    Family(
        f"pairs-{source.name}",
        f"the twenty questions for pairs of users over labelled {source.item}",
        partial(_make, source),
        needs=(source.data,),
        options={"items": "lines of a window instead of the length; or official"},
        lengths="1K-128K",
    )
    for source in SOURCES.values()
    if source.name != "sms"
)
