"""OOLONG's questions about dates, months and ranges of days.

Wording and conditions: see `oolong_queries`.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import partial
from itertools import permutations

from benchmarks.tasks.oolong_counting import LEAST_DIFFERENCE, Part, Query, Rows, counting
from benchmarks.tasks.oolong_users import SUBSETS
from benchmarks.tasks.windows import Row

__all__ = ["timeline_questions"]

_DATE = (
    "Give your final answer in the form 'Date: [X]', where [X] is the date in the format "
    "MM/DD/YYYY."
)
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def timeline_questions(
    rows: Rows, labels: Sequence[str], generator: random.Random
) -> Iterator[Query]:
    """About days, months and what lies before and after."""
    yield from _dates(rows)
    yield from _before_and_after(rows, labels, generator)
    yield from _months_and_ranges(rows, labels, generator)
    yield from _by_month(rows, labels)


def _dates(rows: Rows) -> Iterator[Query]:
    def counts(rows: Rows) -> Counter[date]:
        return Counter(row.day for row in rows)

    def nth(rows: Rows, place: int) -> str:
        return counts(rows).most_common(2)[place][0].isoformat()

    top = counts(rows).most_common(4)
    for place, name, asked in ((0, "most", "most often"), (1, "second", "the second most often")):
        if len(top) < 3 or top[place][1] == top[place + 1][1]:
            break
        text = f"In the above data, which date is represented {asked}? {_DATE}"
        kind = f"timeline.{name}_date"
        yield Query(kind, "date", text, partial(nth, place=place), "Date: 01/01/2023")
    if len(top) == 4:
        n = top[3][1]
        yield Query(
            "timeline.dates_n_times",
            "number",
            f"In the above data, how many dates are represented exactly {n} times? Give your final "
            "answer in the form 'Answer: [X]', where [X] is the number of dates represented "
            f"exactly {n} times.",
            lambda rows: str(sum(times == n for times in counts(rows).values())),
            "Answer: 10",
        )


def _before_and_after(
    rows: Rows, labels: Sequence[str], generator: random.Random
) -> Iterator[Query]:
    days = sorted(row.day for row in rows)
    for _ in range(SUBSETS):
        when = days[generator.randint(int(len(days) * 0.15), int(len(days) * 0.75))]
        for label in generator.sample(list(labels), len(labels)):
            before, after = (_share(rows, label, when, side) for side in (-1, 1))
            if before and (abs(before - after) > LEAST_DIFFERENCE or before == after):
                yield _before_or_after(label, when)


def _before_or_after(label: str, when: date) -> Query:
    def solve(rows: Rows) -> str:
        before, after = (_share(rows, label, when, side) for side in (-1, 1))
        if before == after:
            return "the same frequency"
        return "more common" if before > after else "less common"

    return Query(
        "timeline.before_after",
        "comparison",
        f"In the above data, was label '{label}' more common, less common, or the same frequency "
        f"before {when}, as compared to after {when}? Give your final answer in the form 'Answer: "
        f"{label} is [X] before {when}', where [X] is 'more common', 'less common', or 'the same "
        "frequency'.",
        solve,
        f"Answer: {label} is more common before {when}",
    )


def _share(rows: Rows, label: str, when: date, side: int) -> float:
    its = [row.label for row in rows if (row.day > when if side > 0 else row.day < when)]
    return its.count(label) / len(its) if its else 0.0


def _months_and_ranges(
    rows: Rows, labels: Sequence[str], generator: random.Random
) -> Iterator[Query]:
    for month in generator.sample(range(1, 13), SUBSETS):
        name = _MONTHS[month - 1]
        part = Part(
            "month",
            "For the following question, only consider the subset of instances that occur in "
            f"{name} of any year. Among instances occuring in {name},",
            partial(_is_in_month, month),
            1 / 12,
        )
        yield from counting(rows, part, labels)
    days = sorted(row.day for row in rows)
    for _ in range(SUBSETS):
        start = generator.randint(int(len(days) * 0.1), int(len(days) * 0.5))
        end = generator.randint(min(start + 10, len(days) - 1), len(days) - 1)
        first, last = days[start], days[end]
        part = Part(
            "range",
            "For the following question, only consider the subset of instances that occur between "
            f"{first:%b %d, %Y} and {last:%b %d, %Y}, inclusive. Among instances occuring in this "
            "date range,",
            partial(_is_between, first, last),
            0.4,
        )
        yield from counting(rows, part, labels)


def _is_in_month(month: int, row: Row) -> bool:
    return row.day.month == month


def _is_between(first: date, last: date, row: Row) -> bool:
    return first <= row.day <= last


def _month_counts(rows: Rows) -> dict[tuple[int, int], Counter[str]]:
    months: dict[tuple[int, int], Counter[str]] = {}
    for row in rows:
        months.setdefault((row.day.year, row.day.month), Counter())[row.label] += 1
    return dict(sorted(months.items()))


def _by_month(rows: Rows, labels: Sequence[str]) -> Iterator[Query]:
    known = _month_counts(rows)
    for one, other in permutations(labels, 2):
        if any(counts[one] > counts[other] for counts in known.values()):
            yield _first_month(one, other)
        yield _months_above(one, other)
    for label in labels:
        yield _months_on_top(label)


def _first_month(one: str, other: str) -> Query:
    def solve(rows: Rows) -> str:
        months = _month_counts(rows)
        above = (when for when, counts in months.items() if counts[one] > counts[other])
        return next((f"{_MONTHS[month - 1]} {year}" for year, month in above), "")

    return Query(
        "timeline.first_month",
        "month",
        f"In which month did the label '{one} first occur more often than the label '{other}'? "
        "Give your final answer in the form 'Answer: [month] [year]', where [month] is the name of "
        f"the month and [year] is the four-digit year where '{one}' first occured more often than "
        f"'{other}.'",
        solve,
        "Answer: February 2022",
    )


def _months_above(one: str, other: str) -> Query:
    return Query(
        "timeline.months_above",
        "number",
        f"For how many months does the label '{one}' occur more frequently than the label "
        f"'{other}'? Disregard months where there is a tie.  Give your final answer in the form "
        f"'Answer: [X]', where [X] is the number of months where '{one}' occurs more often than "
        f"'{other}.'",
        lambda rows: _number_of(c[one] > c[other] for c in _month_counts(rows).values()),
        "Answer: 20",
    )


def _months_on_top(label: str) -> Query:
    def alone(counts: Counter[str]) -> bool:
        return all(counts[label] > its for other, its in counts.items() if other != label)

    return Query(
        "timeline.months_on_top",
        "number",
        f"For how many months is the label '{label}' the single most frequently occuring label? "
        "Disregard months where there is a tie for the most common label.  Give your final answer "
        f"in the form 'Answer: [X]', where [X] is the number of months where '{label}' is the most "
        "common label.",
        lambda rows: _number_of(alone(counts) for counts in _month_counts(rows).values()),
        "Answer: 8",
    )


def _number_of(truths: Iterable[bool]) -> str:
    return str(sum(truths))
