"""OOLONG's windows: labelled lines with a date and a user each, the labels left out.

The mix of labels, the users and the form of the lines follow abertsch72/oolong,
`src/data_gen/oolong-synth/` (arXiv 2511.02817): weights are the softmax of random numbers from 1 to
30 to the power of 1/T, T from 2 to 6; a tenth as many users as lines are common and take four lines
of five; days are uniform. Here the number of lines follows from the length in tokens, or is given
with `items=N`: OOLONG's own number for a length is `official_items`. Asks nothing: see `oolong`.
"""

import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from benchmarks.tasks.labelled import LabelledTexts, Source
from benchmarks.tasks.task import OptionError, Request

__all__ = ["Row", "Window", "make_window", "official_items", "read_rows"]

_FIRST_DAY = date(2022, 2, 1)
_DAYS = (date(2025, 6, 30) - _FIRST_DAY).days + 1
_TOKENS_PER_ITEM = {"trec": (168, 39), "sms": (142, 57)}
_TASK = (
    "You will be asked to answer questions about the aggregate label statistics across all {n} "
    "examples in this dataset. Do not try to guess, estimate, or approximate the result. Calculate "
    "the exact answer given these datapoints.\n\n"
)
_LINE = re.compile(r"Date: (\w{3} \d\d, \d{4}) \|\| User: (\d+) \|\| Instance: (.*)")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a window. `label` is hidden from the reader."""

    day: date
    user: int
    text: str
    label: str

    def line(self) -> str:
        """The line without its label."""
        return f"Date: {self.day:%b %d, %Y} || User: {self.user} || Instance: {self.text}\n"


@dataclass(frozen=True, slots=True)
class Window:
    """Lines in their order, and what stands before and after them."""

    source: Source
    labels: tuple[str, ...]
    rows: tuple[Row, ...]

    def pieces(self) -> Iterator[str]:
        """The text, line by line."""
        yield self.preamble("The following")
        for row in self.rows:
            yield row.line()
        yield self.preamble("Recall: the preceding")

    def preamble(self, start: str) -> str:
        """OOLONG's description of the lines."""
        named = ", ".join(f"'{label}'" for label in self.labels)
        about = self.source.lines.format(n=len(self.labels), labels=named)
        return f"{start} lines contain {len(self.rows)} {about}\n\n" + _TASK.format(
            n=len(self.rows)
        )


def official_items(source: str, tokens: int) -> int:
    """The number of lines that OOLONG gives a window of this length (its tables hold two of ours).

    Raises:
        OptionError: OOLONG has no window over this source.
    """
    if source not in _TOKENS_PER_ITEM:
        raise OptionError(f"OOLONG has no number of lines for {source}; give items=N")
    prompt, per_item = _TOKENS_PER_ITEM[source]
    return int((0.95 * tokens - prompt - 250) // per_item)


def make_window(source: Source, texts: LabelledTexts, request: Request) -> Window:
    """The seed's window. As many lines as the length takes, or as `items` says."""
    generator = random.Random(f"window {source.name} {request.tokens} {request.seed}")
    labels = list(texts.labels)
    generator.shuffle(labels)
    shares = _shares(generator, len(labels))
    pools = {
        label: generator.sample(texts.by_label[label], len(texts.by_label[label]))
        for label in labels
    }
    named = Window(source, tuple(labels), ())
    room = request.tokens * source.chars_per_token - 2 * len(named.preamble("The following"))

    def drawn(n: int) -> list[tuple[str, str]]:
        return [
            (label, pools[label][number % len(pools[label])])
            for label, count in zip(labels, _counts(shares, n), strict=True)
            for number in range(count)
        ]

    n_items = request.number("items", 0) if "items" in request.options else _fitting(drawn, room)
    rows = _with_users_and_days(generator, drawn(n_items))
    rows.sort(key=lambda row: row.text)
    random.Random(42).shuffle(rows)
    return Window(source, tuple(labels), tuple(rows))


def _shares(generator: random.Random, n: int) -> list[float]:
    temperature = generator.randint(2, 6)
    weights = [math.exp(generator.randint(1, 30) ** (1 / temperature)) for _ in range(n)]
    return [weight / sum(weights) for weight in weights]


def _counts(shares: Sequence[float], n: int) -> list[int]:
    """Rounded; the first label takes the rest, and none is left without a line."""
    others = [max(1, round(share * n)) for share in shares[1:]]
    return [max(1, n - sum(others)), *others]


def _fitting(drawn: Callable[[int], list[tuple[str, str]]], room: float) -> int:
    """The number of lines that comes nearest to so many characters."""
    frame = len(Row(_FIRST_DAY, 10_000, "", "").line())
    n, tried = 16, dict[int, float]()
    for _ in range(12):
        size = sum(frame + len(text) for _, text in drawn(n))
        tried[n] = abs(room - size)
        step = round((room - size) * n / size)
        if n + step in tried or n + step < 2:
            break
        n += step
    return min(tried, key=lambda one: tried[one])


def _with_users_and_days(generator: random.Random, items: Sequence[tuple[str, str]]) -> list[Row]:
    n_common = max(1, len(items) // 10)
    common = generator.sample(range(10_000, 100_000), n_common)
    rows = []
    for label, text in items:
        rare = generator.random() >= 0.8
        user = generator.randint(10_000, 99_999) if rare else generator.choice(common)
        day = _FIRST_DAY + timedelta(days=generator.randrange(_DAYS))
        rows.append(Row(day, user, text, label))
    return rows


def read_rows(text: str, label_of: Callable[[str], str]) -> list[Row]:
    """The rows of a window's text, with labels that somebody else gives."""
    known: dict[str, str] = {}
    rows = []
    for day, user, line in _LINE.findall(text):
        if line not in known:
            known[line] = label_of(line)
        when = datetime.strptime(day, "%b %d, %Y").date()
        rows.append(Row(when, int(user), line, known[line]))
    return rows
