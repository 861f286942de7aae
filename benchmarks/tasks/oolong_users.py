"""OOLONG's questions about users, among all or among a few.

Wording and conditions: see `oolong_queries`.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations

from benchmarks.tasks.oolong_counting import Keep, Part, Query, Rows, counting
from benchmarks.tasks.windows import Row

__all__ = ["SUBSETS", "among_users", "user_questions"]

SUBSETS = 3
"""Subsets of users, months and ranges a window."""
_USER = "Give your final answer in the form 'User: [X]', where [X] is the user ID."


def user_questions(rows: Rows, labels: Sequence[str], generator: random.Random) -> Iterator[Query]:
    """About all users, by their lines and by their labels."""
    yield from _represented(rows, "user", "In the above data, which user", lambda row: True)
    yield from _users_with_labels(rows, labels, generator)


def _represented(rows: Rows, kind: str, lead: str, keep: Keep) -> Iterator[Query]:
    """The most and the second most represented user."""

    def counts(rows: Rows) -> Counter[int]:
        return Counter(row.user for row in rows if keep(row))

    def nth(rows: Rows, place: int) -> str:
        return _at(counts(rows).most_common(2), place)

    top = counts(rows).most_common(3)
    for place, name, asked in ((0, "most", "most often"), (1, "second", "the second most often")):
        if len(top) < 2 or not _clear(top, place):
            return
        text = f"{lead} is represented {asked}? {_USER}"
        yield Query(f"{kind}.{name}", "user", text, partial(nth, place=place), "User: 0")


def _clear(top: Sequence[tuple[object, int]], place: int) -> bool:
    return place + 1 == len(top) or top[place][1] > top[place + 1][1]


def _at(top: Sequence[tuple[object, int]], place: int) -> str:
    return str(top[place][0]) if place < len(top) else ""


def _users_with_labels(
    rows: Rows, labels: Sequence[str], generator: random.Random
) -> Iterator[Query]:
    for label in labels:
        lead = f"In the above data, which user has the most instances with the label {label}?"
        yield from _user_with_most(rows, label, lead, "user.label_most", None)
        top = Counter(row.user for row in rows if row.label == label).most_common(10)
        pairs = [(a, b) for a, b in combinations(top, 2) if a[1] > b[1] + 1]
        if not pairs:
            continue
        pair = [user for user, _ in generator.choice(pairs)]
        generator.shuffle(pair)
        yield _user_or_user(label, pair[0], pair[1])


def _user_with_most(
    rows: Rows, label: str, lead: str, kind: str, users: frozenset[int] | None
) -> Iterator[Query]:
    def counts(rows: Rows) -> Counter[int]:
        return Counter(
            row.user for row in rows if row.label == label and (not users or row.user in users)
        )

    top = counts(rows).most_common(2)
    if len(top) == 2 and _clear(top, 0):
        yield Query(
            kind,
            "user",
            f"{lead} {_USER}",
            lambda rows: _at(counts(rows).most_common(1), 0),
            f"User: {min(users) if users else 0}",
        )


def _user_or_user(label: str, one: int, other: int) -> Query:
    def solve(rows: Rows) -> str:
        counts = Counter(row.user for row in rows if row.label == label)
        return str(one if counts[one] >= counts[other] else other)

    return Query(
        "user.label_compare",
        "user",
        f"In the above data, which user has more instances with the label {label}: User {one} or "
        f"User {other}? {_USER}",
        solve,
        f"User: {one}",
    )


def among_users(rows: Rows, labels: Sequence[str], generator: random.Random) -> Iterator[Query]:
    """About the lines of a few users only."""
    top = [user for user, _ in Counter(row.user for row in rows).most_common(50)]
    for _ in range(SUBSETS):
        size = min(len(top), generator.randint(1, 3))
        chosen = generator.sample(top, size)
        users, named = frozenset(chosen), ", ".join(map(str, chosen))
        inside = Part(
            "users",
            "For the following question, only consider the subset of instances that are associated "
            f"with user IDs {named}. Among instances associated with these users,",
            partial(_is_of, users),
            0.0,
        )
        yield from counting(rows, inside, labels)
        if size == 1:
            continue
        lead = (
            f"For the following question, only consider the subset of users with IDs {named}. "
            "Among these users, which user"
        )
        yield from _represented(rows, "users", lead, inside.keep)
        for label in labels:
            asked = f"{lead} has the most instances with the label {label}?"
            yield from _user_with_most(rows, label, asked, "users.label_most", users)


def _is_of(users: frozenset[int], row: Row) -> bool:
    return row.user in users
