"""OOLONG-style aggregation over labelled lines, with OOLONG's questions and scorer.

The lines come from `windows`, the questions from `oolong_queries`.

`mix=official` takes the answers' types in the shares of the fifty questions that the RLM paper
asks (58 % comparisons, 24 % numbers, 14 % labels, 4 % users); `mix=even` takes every kind of
question as often as any other.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial

from benchmarks.tasks.label_rules import rule_for
from benchmarks.tasks.labelled import SOURCES, Source
from benchmarks.tasks.oolong_queries import Query, queries
from benchmarks.tasks.task import Context, Family, Request, Task
from benchmarks.tasks.windows import Row, Window, make_window, official_items, read_rows

__all__ = ["FAMILIES", "rows_by_rules", "window_of"]

_QUESTIONS = 25
_SHARES = {"comparison": 29, "number": 12, "label": 7, "user": 2}
_OPTIONS = {
    "items": "lines of a window instead of the length; `official`: as many as OOLONG takes",
    "mix": "official (default) or even",
}
_FORMS = {"label": "Label: {}", "user": "User: {}", "date": "Date: {}"}


def window_of(source: Source, request: Request) -> tuple[Window, str]:
    """The seed's window over a source, and its key."""
    options = dict(request.options)
    if options.get("items") == "official":
        options["items"] = str(official_items(source.name, request.tokens))
    asked = Request(request.tokens, request.seed, request.data, options=options)
    window = make_window(source, source.read(request.data), asked)
    items = f"-{options['items']}" if "items" in options else ""
    return window, f"window-{source.name}-{request.tokens}-{request.seed}{items}"


def _make(source: Source, request: Request) -> Iterator[Task]:
    window, key = window_of(source, request)
    mix = request.option("mix", "official", ("official", "even"))
    generator = random.Random(f"oolong {key}")
    asked = queries(window.rows, window.labels, generator)
    picked = _pick(asked, request.questions or _QUESTIONS, mix, generator)
    context = Context.of_text(key, window.pieces)
    for query in picked:
        digest = hashlib.sha256(query.text.encode()).hexdigest()[:10]
        yield Task(
            name=f"oolong-{source.name}-{key}-{digest}",
            family=f"oolong-{source.name}",
            kind=query.kind,
            seed=request.seed,
            tokens=request.tokens,
            context=context,
            question=query.text,
            truth=(query.solve(window.rows),),
            scorer="oolong",
            options={"answer_type": query.answer_type},
            guess=query.guess,
            shortcut=partial(_by_rules, source.name, window.labels, query),
            facts={"items": len(window.rows), "labels": list(window.labels)},
        )


def _pick(asked: Sequence[Query], n: int, mix: str, generator: random.Random) -> list[Query]:
    """`n` questions, spread over kinds; by answer type in OOLONG's shares where wanted."""
    shuffled = generator.sample(asked, len(asked))
    if mix == "even":
        return _in_turn(shuffled)[:n]
    picked: list[Query] = []
    for answer_type, share in _SHARES.items():
        its = _in_turn([query for query in shuffled if query.answer_type == answer_type])
        picked += its[: round(n * share / sum(_SHARES.values()))]
    chosen = {id(query) for query in picked}
    picked += [query for query in _in_turn(shuffled) if id(query) not in chosen]
    return generator.sample(picked[:n], min(n, len(picked)))


def _in_turn(asked: Sequence[Query]) -> list[Query]:
    """One of each kind, then another of each, and so on."""
    by_kind: dict[str, list[Query]] = {}
    for query in asked:
        by_kind.setdefault(query.kind, []).append(query)
    most = max(map(len, by_kind.values()), default=0)
    return [its[turn] for turn in range(most) for its in by_kind.values() if turn < len(its)]


@lru_cache(maxsize=1)
def rows_by_rules(source: str, labels: tuple[str, ...], text: str) -> tuple[Row, ...]:
    """A window's rows with labels by regular expressions."""
    return tuple(read_rows(text, rule_for(source, labels)))


def _by_rules(source: str, labels: tuple[str, ...], query: Query, text: str) -> str:
    rows = rows_by_rules(source, labels, text)
    return _FORMS.get(query.answer_type, "Answer: {}").format(query.solve(rows))


FAMILIES = tuple(
    Family(
        f"oolong-{source.name}",
        f"counting, comparing, users and dates over labelled {source.item}",
        partial(_make, source),
        needs=(source.data,),
        options=_OPTIONS,
    )
    for source in SOURCES.values()
)
