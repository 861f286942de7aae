"""What came of questions: one JSON line each, and tables of scores with their 95 % intervals.

Questions over one context are not independent, so intervals are drawn from contexts, not from
questions; of answers that are right or wrong the interval is never narrower than Wilson's. Asks
nothing.
"""

import json
import math
import os
import random
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["Outcome", "append", "interval", "mean_interval", "read_outcomes", "tables", "wilson"]

_DRAWS = 2_000
_Z = 1.959964
"""Of the 95 % interval."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answered question. A failure has the score 0 and says why in `error`."""

    name: str
    family: str
    kind: str
    seed: int
    tokens: int
    context: str
    arm: str
    """Who answered: `rlm`, a control, or a peer."""
    score: float
    scores: dict[str, float]
    blind: float
    """The score of the control `blind` on the same question."""
    answer: str
    truth: list[str]
    question: str
    seconds: float = 0.0
    error: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    """Turns, sub-calls, tokens, hashes, and whatever else there is to tell."""


def append(path: Path, outcome: Outcome) -> None:
    """Add a line to a file; after one that was cut off, on a line of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as out:
        if out.seek(0, os.SEEK_END):
            out.seek(-1, os.SEEK_END)
            if out.read(1) != b"\n":
                out.write(b"\n")
        out.write(json.dumps(asdict(outcome), ensure_ascii=False).encode() + b"\n")


def read_outcomes(path: Path) -> Iterator[Outcome]:
    """The lines of a file; a last line that was cut off is left out."""
    if not path.exists():
        return
    for line in path.read_text("utf-8").splitlines():
        if line.endswith("}"):
            yield Outcome(**json.loads(line))


def interval(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """The 95 % interval of the mean, from groups drawn with repetition (seeded bootstrap).

    With one group its members are drawn instead.
    """
    if len(groups) == 1:
        groups = [[value] for value in groups[0]]
    generator = random.Random("bootstrap")
    means = []
    for _ in range(_DRAWS):
        drawn = [value for group in generator.choices(groups, k=len(groups)) for value in group]
        means.append(sum(drawn) / len(drawn))
    means.sort()
    return means[round(0.025 * (_DRAWS - 1))], means[round(0.975 * (_DRAWS - 1))]


def wilson(right: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share, spread = right / n, _Z * _Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_interval(outcomes: Sequence[Outcome], scorer: str = "") -> tuple[float, float]:
    """The 95 % interval of the mean score; of the score of another scorer when it is named."""
    contexts: dict[str, list[float]] = {}
    for one in outcomes:
        value = one.scores.get(scorer, 0.0) if scorer else one.score
        contexts.setdefault(one.context, []).append(value)
    low, high = interval(list(contexts.values()))
    values = [value for its in contexts.values() for value in its]
    if set(values) <= {0.0, 1.0}:  # where all are right, drawing again finds no wrong one
        lowest, highest = wilson(sum(values), len(values))
        low, high = min(low, lowest), max(high, highest)
    return low, high


def tables(outcomes: Iterable[Outcome], *, by_kind: bool, console: Console) -> None:
    """Print scores by arm, family and length, and by kind where wanted."""
    done = list(outcomes)
    _print(
        console, "score by family and length", done, lambda one: (one.arm, one.family, one.tokens)
    )
    if by_kind:
        _print(console, "score by kind", done, lambda one: (one.arm, one.family, one.kind))
    covered = [one for one in done if "coverage" in one.facts]
    if covered:
        _print(
            console,
            "score by how near the worked examples were",
            covered,
            lambda one: (one.arm, one.family, one.facts["coverage"]),
        )


def _print(
    console: Console,
    title: str,
    outcomes: Sequence[Outcome],
    key: Callable[[Outcome], tuple[Any, ...]],
) -> None:
    groups: dict[tuple[Any, ...], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(key(outcome), []).append(outcome)
    table = Table(
        "arm", "family", "", "questions", "contexts", "score", "95 %", "also", "blind", "median s",
        "sub-calls", "turns", "failures", title=title,
    )  # fmt: skip
    for name, its in sorted(groups.items(), key=lambda item: str(item[0][:2])):
        table.add_row(*map(str, name), *_row(its))
    console.print(table)


def _row(its: Sequence[Outcome]) -> list[str]:
    low, high = mean_interval(its)
    return [
        str(len(its)),
        str(len({one.context for one in its})),
        f"{_mean([one.score for one in its]):.3f}",
        f"{low:.2f}-{high:.2f}",
        " ".join(f"{name} {value:.2f}" for name, value in _further(its).items()),
        f"{_mean([one.blind for one in its]):.3f}",
        f"{statistics.median(one.seconds for one in its):.2f}",
        _fact(its, "subcalls"),
        _fact(its, "turns"),
        str(sum(bool(one.error) for one in its)),
    ]


def _further(its: Sequence[Outcome]) -> dict[str, float]:
    names = list(its[0].scores)[1:]
    return {name: _mean([one.scores.get(name, 0.0) for one in its]) for name in names}


def _fact(its: Sequence[Outcome], name: str) -> str:
    values = [one.facts[name] for one in its if name in one.facts]
    return f"{_mean(values):.1f}" if values else "-"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
