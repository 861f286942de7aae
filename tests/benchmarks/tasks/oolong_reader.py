"""Answers OOLONG's questions from their words and the labelled lines; shares nothing with them.

Reads each question by its wording alone, as a person with the labels and a pencil would.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

MONTHS = {datetime(2000, number, 1).strftime("%B"): number for number in range(1, 13)}


@dataclass(frozen=True)
class Line:
    day: date
    user: str
    label: str


def lines_of(text: str, label_of: dict[str, str]) -> list[Line]:
    found = re.findall(r"^Date: (.+?) \|\| User: (.+?) \|\| Instance: (.+)$", text, re.MULTILINE)
    return [
        Line(datetime.strptime(day, "%b %d, %Y").date(), user, label_of[instance])
        for day, user, instance in found
    ]


def answer(question: str, lines: Sequence[Line]) -> str:
    lines = _subset(question, lines)
    counts = Counter(line.label for line in lines)
    if found := re.search(r"which of the labels is the (most|least) common", question):
        named = question.rsplit("one of the labels: ", 1)[1].rstrip(".").split(", ")
        pick = max if found[1] == "most" else min
        best = pick(counts[label] for label in named)
        (only,) = (label for label in named if counts[label] == best)
        return only
    if found := re.search(r"is label '(.+?)' more common.* as label '(.+?)'\?", question):
        return _word(counts[found[1]] - counts[found[2]], " than", "same frequency as")
    if found := re.search(r"how many data points should be classified as label '(.+?)'", question):
        return str(counts[found[1]])
    if "which user" in question:
        return _user(question, lines)
    if "which date" in question or "how many dates" in question:
        return _date(question, lines)
    if found := re.search(r"was label '(.+?)' more common.* before (\d{4}-\d\d-\d\d),", question):
        when = date.fromisoformat(found[2])
        before = [line.label for line in lines if line.day < when]
        after = [line.label for line in lines if line.day > when]
        difference = before.count(found[1]) * len(after) - after.count(found[1]) * len(before)
        return _word(difference, "", "the same frequency")
    return _months(question, lines)


def _subset(question: str, lines: Sequence[Line]) -> list[Line]:
    if found := re.search(r"(?:user IDs|users with IDs) ([\d, ]+)\.", question):
        users = found[1].split(", ")
        return [line for line in lines if line.user in users]
    if found := re.search(r"occur in (\w+) of any year", question):
        return [line for line in lines if line.day.month == MONTHS[found[1]]]
    if found := re.search(r"between (\w+ \d+, \d+) and (\w+ \d+, \d+), inclusive", question):
        first, last = (datetime.strptime(day, "%b %d, %Y").date() for day in found.groups())
        return [line for line in lines if first <= line.day <= last]
    return list(lines)


def _word(difference: int, than: str, same: str) -> str:
    if difference == 0:
        return same
    return f"{'more' if difference > 0 else 'less'} common{than}"


def _user(question: str, lines: Sequence[Line]) -> str:
    if found := re.search(
        r"more instances with the label (.+): User (\d+) or User (\d+)\?", question
    ):
        counts = Counter(line.user for line in lines if line.label == found[1])
        return max(found[2], found[3], key=lambda user: counts[user])
    if found := re.search(r"has the most instances with the label (.+?)\?", question):
        return _ranked([line.user for line in lines if line.label == found[1]], 0)
    return _ranked([line.user for line in lines], int("second most" in question))


def _date(question: str, lines: Sequence[Line]) -> str:
    days = [line.day.isoformat() for line in lines]
    if found := re.search(r"represented exactly (\d+) times\?", question):
        return str(list(Counter(days).values()).count(int(found[1])))
    return _ranked(days, int("second most" in question))


def _ranked(values: Sequence[str], place: int) -> str:
    counts = Counter(values)
    order = sorted(set(counts.values()), reverse=True)
    (only,) = (value for value, n in counts.items() if n == order[place])
    return only


def _months(question: str, lines: Sequence[Line]) -> str:
    by_month: dict[tuple[int, int], Counter[str]] = {}
    for line in lines:
        by_month.setdefault((line.day.year, line.day.month), Counter())[line.label] += 1
    if found := re.search(
        r"did the label '(.+?) first occur .* than the label '(.+?)'\?", question
    ):
        year, month = min(when for when, c in by_month.items() if c[found[1]] > c[found[2]])
        return f"{list(MONTHS)[month - 1]} {year}"
    if found := re.search(r"does the label '(.+?)' occur .* than the label '(.+?)'\?", question):
        return str(sum(c[found[1]] > c[found[2]] for c in by_month.values()))
    found = re.search(r"is the label '(.+?)' the single most", question)
    assert found, question
    top = [c.most_common(2) for c in by_month.values()]
    return str(sum(t[0][0] == found[1] and (len(t) < 2 or t[0][1] > t[1][1]) for t in top))
