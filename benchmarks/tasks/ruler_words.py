"""RULER's tasks of tracking and counting: vt, cwe and fwe.

Numbers, words and questions are those of `synthetic.yaml` and its generators (NVIDIA/RULER, arXiv
2404.06654). RULER's worked example before vt and cwe is left out: a program that counts would
count it too. cwe's list of words is as long as the length asks for; where RULER's words do not
suffice, every word but the ten comes more often, and the ten so much more often.
"""

import random
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise, repeat
from math import pi

from benchmarks.tasks.haystack import Hidden, hide
from benchmarks.tasks.natural import word_lists
from benchmarks.tasks.ruler_needles import NOISE
from benchmarks.tasks.task import Context, Family, Request, Task

__all__ = ["FAMILIES"]

_HOPS = 4
_COMMON, _COMMON_TIMES, _OTHER_TIMES = 10, 30, 3
_CODED_CHARS = 6
_VT_CHARS, _FWE_CHARS = 3.75, 2.63
"""Characters per token of Qwen's tokenizer, measured."""
_WORD_TOKENS = 2.5
"""Tokens of one of RULER's words, measured; every digit is a token of its own."""


def _variables(request: Request) -> Iterator[Task]:
    generator = random.Random(f"vt {request.tokens} {request.seed}")
    names: dict[str, None] = {}
    while len(names) <= _HOPS:
        names["".join(generator.choices(string.ascii_uppercase, k=5))] = None
    chain, value = list(names), str(generator.randint(10_000, 99_998))
    lines = [f"VAR {chain[0]} = {value}"]
    lines += [f"VAR {b} = VAR {a}" for a, b in pairwise(chain)]
    places = sorted(generator.random() for _ in lines)
    hidden = [Hidden(line, at) for line, at in zip(lines, places, strict=True)]
    n_chars = round(request.tokens * _VT_CHARS)
    yield _task(
        "vt",
        request,
        pieces=lambda: hide(repeat(NOISE), hidden, n_chars=n_chars, separator="\n"),
        question="Memorize and track the chain(s) of variable assignment hidden in the text.\n\n"
        f"Question: Find all variables that are assigned the value {value} in the text above.",
        truth=tuple(chain),
        shortcut=partial(_follow, value),
    )


def _follow(value: str, text: str) -> str:
    known = {value}
    found = []
    for name, source in re.findall(r"VAR (\w+) = (?:VAR )?(\w+)", text):
        if source in known:
            known.add(name)
            found.append(name)
    return ", ".join(found)


def _common_words(request: Request) -> Iterator[Task]:
    generator = random.Random(f"cwe {request.tokens} {request.seed}")
    lists = word_lists(request.data)
    words = sorted({*lists.nouns, *lists.adjectives, *lists.verbs})
    generator.shuffle(words)
    common, pool = words[:_COMMON], words[_COMMON:]
    order = _numbered(pool, common, _list_chars(words, request.tokens), generator)
    yield _task(
        "cwe",
        request,
        pieces=lambda: _with_numbers(order),
        question="The text is a numbered list of words. In these words, some appear more often "
        "than others. Memorize the ones that appear most often.\n"
        "Question: What are the 10 most common words in the above list?",
        truth=tuple(common),
        shortcut=lambda text: ", ".join(
            word for word, _ in Counter(re.findall(r"\d+\. (\S+)", text)).most_common(_COMMON)
        ),
    )


def _list_chars(words: Sequence[str], tokens: int) -> int:
    """Characters of a numbered list with so many tokens."""
    mean = sum(map(len, words)) / len(words)
    digits = 1.0
    for _ in range(4):
        n_words = tokens / (digits + 1 + _WORD_TOKENS)
        digits = sum(max(0.0, n_words - 10**power) for power in range(8)) / n_words
    return round(n_words * (digits + len(". ") + mean + 1))


def _numbered(
    pool: Sequence[str], common: Sequence[str], n_chars: int, generator: random.Random
) -> list[str]:
    """The words in their order; filled up with single other words to the length."""
    times, other = _COMMON_TIMES, _OTHER_TIMES
    mean = sum(map(len, pool)) / len(pool)

    def chars(n_words: float) -> float:
        return n_words * (mean + len(str(int(n_words))) + 2.9)

    while chars(_COMMON * times + other * len(pool)) < n_chars:
        times, other = times * 2, other * 2
    order = [word for word in common for _ in range(times)]
    size = sum(len(word) + _number_chars(n_chars) for word in order)
    for word in pool:
        if size >= n_chars:
            break
        order += [word] * other
        size += other * (len(word) + _number_chars(n_chars))
    generator.shuffle(order)
    return _cut(order, n_chars, frozenset(common))


def _number_chars(n_chars: int) -> float:
    return len(str(n_chars // 10)) + 2.0


def _cut(order: list[str], n_chars: int, kept: frozenset[str]) -> list[str]:
    """Without the last words that are not kept, until the list has its length."""
    size = sum(len(piece) for piece in _with_numbers(order))
    spare = [number for number, word in enumerate(order) if word not in kept]
    dropped: set[int] = set()
    while size > n_chars and spare:
        number = spare.pop()
        dropped.add(number)
        size -= len(order[number]) + len(str(len(order))) + 3
    return [word for number, word in enumerate(order) if number not in dropped]


def _with_numbers(order: Sequence[str]) -> Iterator[str]:
    for number, word in enumerate(order, 1):
        yield f"{' ' if number > 1 else ''}{number}. {word}"


def _frequent_words(request: Request) -> Iterator[Task]:
    """Coded words with frequencies of a zeta distribution, its first the noise `...`."""
    generator = random.Random(f"fwe {request.tokens} {request.seed}")
    n_chars = round(request.tokens * _FWE_CHARS)
    vocabulary: dict[str, None] = {"...": None}
    while len(vocabulary) < max(50, request.tokens // 50):
        vocabulary["".join(generator.choices(string.ascii_lowercase, k=_CODED_CHARS))] = None
    words = list(vocabulary)
    zeta = pi**2 / 6  # of alpha = 2
    n_words = _zeta_words(len(words), n_chars, zeta)
    counts = [int(n_words / zeta / rank**2) for rank in range(1, len(words) + 1)]
    order = [word for word, count in zip(words, counts, strict=True) for _ in range(count)]
    generator.shuffle(order)
    yield _task(
        "fwe",
        request,
        pieces=lambda: (f"{' ' if number else ''}{word}" for number, word in enumerate(order)),
        question="Read the coded text and track the frequency of each coded word. Find the three "
        "most frequently appeared coded words.\nQuestion: Do not provide any explanation. Please "
        "ignore the dots '....'. What are the three most frequently appeared words in the above "
        "coded text?",
        truth=tuple(words[1:4]),
        shortcut=lambda text: ", ".join(
            word for word, _ in Counter(re.findall(r"[a-z]+", text)).most_common(3)
        ),
    )


def _zeta_words(n_kinds: int, n_chars: int, zeta: float) -> float:
    """How many words give the length, found by halving."""
    low, high = 0.0, float(n_chars)
    while high - low > 1:
        middle = (low + high) / 2
        noise = int(middle / zeta)
        coded = sum(int(middle / zeta / rank**2) for rank in range(2, n_kinds + 1))
        low, high = (middle, high) if noise * 4 + coded * 7 < n_chars else (low, middle)
    return low


def _task(
    name: str,
    request: Request,
    *,
    pieces: Callable[[], Iterator[str]],
    question: str,
    truth: tuple[str, ...],
    shortcut: Callable[[str], str],
) -> Task:
    key = f"{name}-{request.tokens}-{request.seed}"
    return Task(
        name=key,
        family=name,
        kind=name,
        seed=request.seed,
        tokens=request.tokens,
        context=Context.of_text(key, pieces),
        question=question,
        truth=truth,
        scorer="string_match_all",
        shortcut=shortcut,
    )


FAMILIES = (
    Family("vt", "variables of one chain of four hops", _variables),
    Family("cwe", "the ten most common words of a list", _common_words, needs=("words",)),
    Family("fwe", "the three most frequent coded words", _frequent_words),
)
