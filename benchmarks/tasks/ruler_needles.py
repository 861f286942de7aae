"""RULER's eight needle tasks: keys and values hidden in noise, essays or other needles.

Settings, sentences and question are those of `synthetic.yaml` (NVIDIA/RULER, arXiv 2404.06654).
The context is the haystack; the sentence that announces a quiz is left out, as the question comes
beside the context. RULER's essays are gone through from a place of the seed's on, for a harness
that remembers a file must not profit.
"""

import random
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import repeat

from benchmarks.tasks.haystack import Hidden, hide, shuffled_places
from benchmarks.tasks.natural import Background, WordLists, background, word_lists
from benchmarks.tasks.task import Context, Family, Request, Task

__all__ = ["FAMILIES", "NOISE"]

NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
_NEEDLE = "One of the special magic {kind} for {key} is: {value}."


@dataclass(frozen=True, slots=True)
class _Form:
    """One row of RULER's table. `haystack` is `repeat`, `essay` or `needle`."""

    name: str
    haystack: str
    keys: str
    values: str
    n_keys: int
    n_values: int
    n_queries: int
    chars_per_token: float
    """Of Qwen's tokenizer over the context, measured; `natural` text has its own."""


_FORMS = (
    _Form("niah_single_1", "repeat", "words", "numbers", 1, 1, 1, 3.75),
    _Form("niah_single_2", "essay", "words", "numbers", 1, 1, 1, 4.6),
    _Form("niah_single_3", "essay", "words", "uuids", 1, 1, 1, 4.6),
    _Form("niah_multikey_1", "essay", "words", "numbers", 4, 1, 1, 4.6),
    _Form("niah_multikey_2", "needle", "words", "numbers", 1, 1, 1, 3.04),
    _Form("niah_multikey_3", "needle", "uuids", "uuids", 1, 1, 1, 1.5),
    _Form("niah_multivalue", "essay", "words", "numbers", 1, 4, 1, 4.6),
    _Form("niah_multiquery", "essay", "words", "numbers", 4, 1, 4, 4.6),
)
_OPTIONS = {"haystack": "auto (default), essay or natural, where the form hides in essays"}


def _make(form: _Form, request: Request) -> Iterator[Task]:
    generator = random.Random(f"{form.name} {request.tokens} {request.seed}")
    words = word_lists(request.data)
    keys = _distinct(form.n_keys, lambda: _draw(generator, form.keys, words))
    values = [_distinct(form.n_values, lambda: _draw(generator, form.values, words)) for _ in keys]
    needles = [
        _NEEDLE.format(kind=form.values, key=key, value=value)
        for key, its in zip(keys, values, strict=True)
        for value in its
    ]
    generator.shuffle(needles)
    places = shuffled_places(generator, len(needles))
    asked = generator.sample(range(len(keys)), form.n_queries)
    behind = _behind(form, request, words, frozenset(keys))
    hidden = [Hidden(text, at) for text, at in zip(needles, places, strict=True)]
    n_chars = round(request.tokens * (behind.chars_per_token or form.chars_per_token))
    queried = tuple(keys[number] for number in asked)
    yield Task(
        name=f"{form.name}-{request.tokens}-{request.seed}-{behind.name}",
        family=form.name,
        kind=form.name,
        seed=request.seed,
        tokens=request.tokens,
        context=Context.of_text(
            f"{form.name}-{request.tokens}-{request.seed}-{behind.name}",
            lambda: hide(behind.pieces(), hidden, n_chars=n_chars, separator=behind.separator),
        ),
        question=_question(form, queried),
        truth=tuple(value for number in asked for value in values[number]),
        scorer="string_match_all",
        shortcut=partial(_search, form.values, queried),
        facts={"haystack": behind.name, "places": [round(place, 3) for place in places]},
    )


def _behind(form: _Form, request: Request, words: WordLists, taken: frozenset[str]) -> Background:
    if form.haystack == "repeat":
        return Background("repeat", lambda: repeat(NOISE), "\n")
    if form.haystack == "essay":
        return background(request)

    def others() -> Iterator[str]:
        generator = random.Random(f"distractors {form.name} {request.tokens} {request.seed}")
        while True:
            key = _draw(generator, form.keys, words)
            value = _draw(generator, form.values, words)
            if key not in taken:
                yield _NEEDLE.format(kind=form.values, key=key, value=value)

    return Background("needle", others, "\n")


def _question(form: _Form, keys: tuple[str, ...]) -> str:
    named = f"{', '.join(keys[:-1])}, and {keys[-1]}" if len(keys) > 1 else keys[0]
    if form.n_queries * form.n_values == 1:
        kind = form.values[:-1]
        return f"What is the special magic {kind} for {named} mentioned in the provided text?"
    return (
        f"What are all the special magic {form.values} for {named} mentioned in the provided text?"
    )


def _search(kind: str, keys: tuple[str, ...], text: str) -> str:
    needle = _NEEDLE.removesuffix(".") + r"\."
    found = (
        re.findall(needle.format(kind=kind, key=re.escape(key), value=r"(\S+?)"), text)
        for key in keys
    )
    return ", ".join(value for values in found for value in values)


def _distinct(n: int, draw: Callable[[], str]) -> list[str]:
    drawn: dict[str, None] = {}
    while len(drawn) < n:
        drawn[draw()] = None
    return list(drawn)


def _draw(generator: random.Random, kind: str, words: WordLists) -> str:
    if kind == "numbers":
        return str(generator.randint(1_000_000, 9_999_999))
    if kind == "uuids":
        return str(uuid.UUID(int=generator.getrandbits(128), version=4))
    return f"{generator.choice(words.adjectives)}-{generator.choice(words.nouns)}"


FAMILIES = tuple(
    Family(
        form.name,
        f"{form.n_queries} of {form.n_keys} keys, {form.n_values} value(s) each, {form.values} "
        f"in {form.haystack}",
        partial(_make, form),
        needs=("words", "ruler") if form.haystack == "essay" else ("words",),
        options=_OPTIONS if form.haystack == "essay" else {},
    )
    for form in _FORMS
)
