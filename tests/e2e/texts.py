"""A text to find something in: a few megabytes of lines that say nothing, and one that does."""

import random

__all__ = ["NEEDLE_ANSWER", "NEEDLE_QUESTION", "haystack"]

NEEDLE_ANSWER = "9345706"
NEEDLE_QUESTION = "What is the number for sunny-harbor?"

_NEEDLE = f"One of the special magic numbers for sunny-harbor is: {NEEDLE_ANSWER}."
_WORDS = (
    "river stone market winter letter garden harbour engine morning paper silver window forest "
    "bridge captain music copper island signal meadow"
)


def haystack(n_lines: int = 30_000) -> str:
    """About 90 characters a line, the same text each time."""
    chance, words = random.Random(7), _WORDS.split()
    lines = [f"{n:06d} {' '.join(chance.choices(words, k=12))}" for n in range(n_lines)]
    lines.insert(n_lines * 2 // 3, _NEEDLE)
    return "\n".join(lines) + "\n"
