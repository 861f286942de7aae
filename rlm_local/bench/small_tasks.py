"""Small questions whose answers a program knows, made from a seed: what a profile is tried on.

Hidden sentences, counts and extremes over records, and one count that needs the worker's judgement.
Asks nothing. Nothing of it may stand in a profile's worked examples.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["KINDS", "SmallTask", "small_tasks"]

_WHO = ("Ansa Vire", "Tolm Bekker", "Ruva Ossin", "Hale Dorn", "Mikel Sarp", "Ivo Larrun")
_MOTHS = ("hawk", "tiger", "emperor", "lappet", "footman")
_THINGS = (
    *("lantern", "canal", "orchard", "ledger", "chimney", "bell"),
    *("tunnel", "meadow", "kiln", "harbour", "loom"),
)
_LIKE = ("old", "quiet", "narrow", "bright", "damp", "long", "crooked", "small")
_DO = ("stands", "lies", "waits", "creaks", "leans", "rests", "turns")
_RAIN = (
    "take an umbrella to the {place}",
    "puddles all over the {place} by evening",
    "the gutters of the {place} will overflow",
    "wear boots, the {place} will be soaked",
)
_SUN = (
    "bring sunglasses to the {place}",
    "not a cloud over the {place} all day",
    "put on a hat, the {place} lies in full sunshine",
    "the {place} will be hot and bright",
)
_FILLER_LINES = 700
_RECORDS = 160
_NOTES = 40


@dataclass(frozen=True, slots=True)
class SmallTask:
    """A question over a text; `tolerance` is how far a number may be off."""

    kind: str
    text: str
    question: str
    answer: str
    tolerance: int = 0

    def is_right(self, said: str) -> bool:
        """Whether the answer is given, and no other beside it."""
        if len(said) > 300:
            return False
        if not self.answer.isdigit():
            others = [name for name in _WHO if name != self.answer]
            return self.answer in said and not any(name in said for name in others)
        numbers = {int(text) for text in re.findall(r"\d+", said.replace(",", ""))}
        return len(numbers) == 1 and abs(numbers.pop() - int(self.answer)) <= self.tolerance


def small_tasks(n: int, *, seed: int) -> list[SmallTask]:
    """`n` tasks, all kinds in turn."""
    makers = list(_MAKERS.items())
    tasks = []
    for number in range(n):
        kind, make = makers[number % len(makers)]
        tasks.append(make(kind, random.Random(f"{kind} {seed} {number}")))
    return tasks


def _hidden(kind: str, generator: random.Random) -> SmallTask:
    lines = [
        f"The {generator.choice(_LIKE)} {generator.choice(_THINGS)} {generator.choice(_DO)} near "
        f"the {generator.choice(_LIKE)} {generator.choice(_THINGS)}."
        for _ in range(_FILLER_LINES)
    ]
    codes = {who: generator.randint(10_000, 99_999) for who in generator.sample(_WHO, 3)}
    for who, code in codes.items():
        lines[generator.randrange(len(lines))] = f"The locker of {who} opens with the code {code}."
    who = next(name for name in codes if f" {codes[name]}." in "\n".join(lines))
    text = "\n".join(lines)
    return SmallTask(kind, text, f"Which code opens the locker of {who}?", str(codes[who]))


@dataclass(frozen=True, slots=True)
class _Catch:
    who: str
    moth: str
    wing_mm: int


def _catches(generator: random.Random) -> tuple[list[_Catch], str]:
    rows = [
        _Catch(
            generator.choices(_WHO, weights=range(3, 3 + len(_WHO)))[0],
            generator.choice(_MOTHS),
            generator.randint(20, 140),
        )
        for _ in range(_RECORDS)
    ]
    lines = [
        f"2031-{generator.randint(4, 9):02d}-{generator.randint(1, 28):02d} | keeper: {row.who} | "
        f"moth: {row.moth} | wing_mm: {row.wing_mm}"
        for row in rows
    ]
    return rows, "\n".join(lines)


def _count(kind: str, generator: random.Random) -> SmallTask:
    rows, text = _catches(generator)
    moth = generator.choice(_MOTHS)
    n = sum(row.moth == moth for row in rows)
    return SmallTask(kind, text, f"How many records have the moth {moth}?", str(n))


def _count_of_two(kind: str, generator: random.Random) -> SmallTask:
    rows, text = _catches(generator)
    one = generator.choice(rows)
    n = sum((row.who, row.moth) == (one.who, one.moth) for row in rows)
    asked = f"How many records of the keeper {one.who} have the moth {one.moth}?"
    return SmallTask(kind, text, asked, str(n))


def _most(kind: str, generator: random.Random) -> SmallTask:
    rows, text = _catches(generator)
    first, second = Counter(row.who for row in rows).most_common(2)
    if first[1] == second[1]:
        return _most(kind, generator)
    return SmallTask(kind, text, "Which keeper has the most records?", first[0])


def _largest(kind: str, generator: random.Random) -> SmallTask:
    rows, text = _catches(generator)
    who = generator.choice(rows).who
    largest = max(row.wing_mm for row in rows if row.who == who)
    asked = f"What is the largest wing_mm among the records of the keeper {who}?"
    return SmallTask(kind, text, asked, str(largest))


def _judged(kind: str, generator: random.Random) -> SmallTask:
    labels = generator.choices(("rain", "sun"), weights=(2, 3), k=_NOTES)
    lines = [
        f"note {number}: "
        + generator.choice(_RAIN if label == "rain" else _SUN).format(
            place=generator.choice(_THINGS)
        )
        for number, label in enumerate(labels, 1)
    ]
    asked = "Each note fits the label 'rain' or the label 'sun'. How many notes fit 'rain'?"
    n = labels.count("rain")
    return SmallTask(kind, "\n".join(lines), asked, str(n), tolerance=max(1, n // 10))


_MAKERS: dict[str, Callable[[str, random.Random], SmallTask]] = {
    "hidden": _hidden,
    "count": _count,
    "most": _most,
    "largest": _largest,
    "judged": _judged,
    "count of two": _count_of_two,
}
KINDS: Sequence[str] = tuple(_MAKERS)
