"""OOLONG's questions of counting, over all rows or a part of them.

Wording and conditions: see `oolong_queries`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

from benchmarks.tasks.windows import Row

__all__ = ["EVERYWHERE", "LEAST_DIFFERENCE", "Keep", "Part", "Query", "Rows", "counting"]

Rows: TypeAlias = Sequence[Row]
Keep: TypeAlias = Callable[[Row], bool]
LEAST_DIFFERENCE = 0.02
"""Shares of lines must differ by more to be asked about."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question.

    Attributes:
        kind: such as `counting.most` or `range.compare`.
        answer_type: `label`, `comparison`, `number`, `user`, `date` or `month`.
        solve: the answer from rows, as the scorer wants it; rows may be labelled by anybody.
        guess: the best answer without reading.
    """

    kind: str
    answer_type: str
    text: str
    solve: Callable[[Rows], str]
    guess: str


@dataclass(frozen=True, slots=True)
class Part:
    """The rows a counting question is about, and how it begins.

    `share` is the share of all rows that one would expect without looking.
    """

    kind: str
    lead: str
    keep: Keep
    share: float

    def counts(self, rows: Rows) -> Counter[str]:
        """Lines by label within the part."""
        return Counter(row.label for row in rows if self.keep(row))


EVERYWHERE = Part("counting", "In the above data,", lambda row: True, 1.0)


def counting(rows: Rows, part: Part, labels: Sequence[str]) -> Iterator[Query]:
    """The most and the least common label, comparisons and counts within a part."""
    counts = part.counts(rows)
    present = [label for label in labels if counts[label]]
    total = sum(counts.values())
    if not present:
        return
    ranked = sorted(present, key=lambda label: -counts[label])
    form = (
        "Give your final answer in the form 'Label: answer' where answer is one of the labels: "
        f"{', '.join(present)}."
    )
    if len(present) > 1 and counts[ranked[0]] - counts[ranked[1]] > LEAST_DIFFERENCE * total:
        text = f"{part.lead} which of the labels is the most common? {form}"
        yield Query(
            f"{part.kind}.most", "label", text, _extreme(part, present, 1), f"Label: {present[0]}"
        )
    if len(present) > 1 and counts[ranked[-1]] < counts[ranked[-2]]:
        text = f"{part.lead} which of the labels is the least common? {form}"
        yield Query(
            f"{part.kind}.least", "label", text, _extreme(part, present, -1), f"Label: {present[0]}"
        )
    for one, other in combinations(present, 2):
        difference = counts[one] - counts[other]
        if abs(difference) > LEAST_DIFFERENCE * total or not difference:
            yield _comparison(part, one, other)
    for label in present:
        yield _count(part, label, f"Answer: {max(1, round(len(rows) * part.share / len(labels)))}")


def _count(part: Part, label: str, guess: str) -> Query:
    return Query(
        f"{part.kind}.count",
        "number",
        f"{part.lead} how many data points should be classified as label '{label}'? Give your "
        "final answer in the form 'Answer: number'.",
        lambda rows: str(part.counts(rows)[label]),
        guess,
    )


def _extreme(part: Part, labels: Sequence[str], sign: int) -> Callable[[Rows], str]:
    def solve(rows: Rows) -> str:
        counts = part.counts(rows)
        return max(labels, key=lambda label: sign * counts[label])

    return solve


def _comparison(part: Part, one: str, other: str) -> Query:
    def solve(rows: Rows) -> str:
        counts = part.counts(rows)
        return _compared(counts[one], counts[other])

    return Query(
        f"{part.kind}.compare",
        "comparison",
        f"{part.lead} is label '{one}' more common, less common, or the same frequency as label "
        f"'{other}'? Give your final answer in the form 'Answer: {one} is [X] {other}', where [X] "
        "is 'more common than', 'less common than', or 'same frequency as'.",
        solve,
        f"Answer: {one} is more common than {other}",
    )


def _compared(one: float, other: float) -> str:
    if one == other:
        return "same frequency as"
    return "more common than" if one > other else "less common than"
