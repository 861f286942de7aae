"""What the words of a text say about its label, as the labels of the other texts teach it.

Naive Bayes over the words that a text has, each text judged by counts that leave out itself, so
that nothing is learned from the label that is to be judged. Pure; asks nobody.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

__all__ = ["Words", "odds_of_words", "words_of"]

Words: TypeAlias = frozenset[str]
"""The words and signs of a text, without their number."""

_PIECE = re.compile(r"\d+|[^\W\d_]+|[^\w\s]")
_MOST_PIECES = 400
_LONGEST_NUMBER = 6
_CHARS_A_STEP = 30
_MOST_STEPS = 6
_SMOOTHING = 0.5


def words_of(text: str) -> Words:
    """What a text is judged by: its words, signs, the lengths of its numbers, and its own length.

    Digits themselves say little, "a number of five digits" says much; so does a shouted word.
    """
    found = {f"length {min(_MOST_STEPS, len(text) // _CHARS_A_STEP)}"}
    for number, match in enumerate(_PIECE.finditer(text)):
        if number == _MOST_PIECES:
            break
        piece = match.group()
        if piece.isdecimal():
            found.add(f"number {min(len(piece), _LONGEST_NUMBER)}")
            continue
        found.add(piece.lower())
        if len(piece) > 2 and piece.isupper():
            found.add("shouted")
    return frozenset(found)


def odds_of_words(
    texts: Sequence[Words], labels: Sequence[int], n_labels: int
) -> list[list[float]]:
    """For each text and label the log-odds, up to a constant of the text, of what it consists of.

    Args:
        texts: the words of each.
        labels: of each text, as a number below `n_labels`.
        n_labels: how many there are.

    Returns:
        `n_labels` values a text; a text's own label has no part in them.
    """
    sizes = Counter(labels)
    counts = [Counter[str]() for _ in range(n_labels)]
    for words, label in zip(texts, labels, strict=True):
        counts[label].update(words)
    totals = sum(counts, Counter[str]())
    # The sizes are not less one for a text's own label: its rare words would give it away.
    size_logs = [math.log(sizes[label] + 2 * _SMOOTHING) for label in range(n_labels)]
    logs = [math.log(n + _SMOOTHING) for n in range(max(sizes.values(), default=0) + 1)]
    judged: list[list[float]] = []
    for words, own in zip(texts, labels, strict=True):
        known = [word for word in words if totals[word] > 1]
        judged.append(
            [
                sum(logs[count[word] - (label == own and word in count)] for word in known)
                - len(known) * size_logs[label]
                for label, count in enumerate(counts)
            ]
        )
    return judged
