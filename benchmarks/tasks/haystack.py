"""Long texts with sentences hidden in them, made piece by piece.

The background comes as sentences or passages without end; what is hidden stands between two of
them, at the share of the text it is asked for. Knows nothing of what the sentences mean.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Hidden", "cycled", "hide", "passages", "sentences_of", "shuffled_places"]


@dataclass(frozen=True, slots=True)
class Hidden:
    """A text to hide. `at` is the share of the background that comes before it, 0 to 1."""

    text: str
    at: float


def hide(
    background: Iterator[str], hidden: Sequence[Hidden], *, n_chars: int, separator: str
) -> Iterator[str]:
    """Background of about `n_chars` characters, what is hidden included, in pieces.

    Stops at the end of the sentence nearest to `n_chars`. Hidden texts with the same place keep
    the order they are given in.
    """
    waiting = sorted(hidden, key=lambda one: one.at)
    room = n_chars - sum(len(one.text) + len(separator) for one in waiting)
    written, lead = 0, ""
    for sentence in background:
        size = len(sentence) + len(separator)
        while waiting and written >= waiting[0].at * room:
            yield lead + waiting.pop(0).text
            lead = separator
        if written + size / 2 > room:
            break
        yield lead + sentence
        lead = separator
        written += size
    for one in waiting:
        yield lead + one.text
        lead = separator


def sentences_of(text: str) -> list[str]:
    """The sentences of a text, white space collapsed."""
    return re.split(r"(?<=[.!?])\s+", " ".join(text.split()))


def cycled(pieces: Sequence[str], seed: str) -> Callable[[], Iterator[str]]:
    """All pieces in their order, from a place of the seed's on, round and round."""
    start = random.Random(f"cycle {seed}").randrange(len(pieces))

    def run() -> Iterator[str]:
        while True:
            yield from pieces[start:]
            yield from pieces[:start]

    return run


def passages(pieces: Sequence[str], seed: str) -> Callable[[], Iterator[str]]:
    """All pieces in an order of the seed's, then again in another order."""

    def run() -> Iterator[str]:
        generator = random.Random(f"passages {seed}")
        order = list(range(len(pieces)))
        while True:
            generator.shuffle(order)
            for number in order:
                yield pieces[number]

    return run


def shuffled_places(generator: random.Random, n: int) -> list[float]:
    """RULER's places: `n` different ones of forty depths, in no order; more are uniform."""
    depths = [step / 39 for step in range(40)]
    if n <= len(depths):
        return generator.sample(depths, n)
    return [generator.random() for _ in range(n)]
