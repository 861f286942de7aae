"""Worked examples by kind of question: Markdown files -> the two that fit a question best.

A small root adapts an example better than it composes a program, so which two it is shown decides
more than any other part of the prompt. Says how well they fit; writes no message.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Literal

from rlm_local.engine.look import Look
from rlm_local.engine.question_kinds import WHATS, WHERES, Kind, is_guess, kinds_of, neighbours
from rlm_local.errors import ConfigError

__all__ = ["PREDEFINED", "Coverage", "Example", "Picked", "bank", "pick", "read_examples"]

PREDEFINED = ("Counter", "defaultdict", "combinations", "re")
"""Names from the standard library that cells use without importing them; the REPL defines them."""

Coverage = Literal["shown", "near", "uncovered"]
"""`shown`: an example of the question's own kind; `near`: of its neighbours only; `uncovered`: no
rule knows the kind."""

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_SECTION = re.compile(r"\A\s*((?:>.*\n)*)(.+?)\n```python\n(.+?)\n```\s*\Z", re.DOTALL)
_FALLBACKS: Mapping[str, tuple[Kind, ...]] = {
    "records": (Kind("label.count"), Kind("record.list")),
    "code": (Kind("code.definition"), Kind("code.caller")),
}
"""What is shown where no rule knows the kind, by shape of the text."""
_ROLES: Mapping[str, tuple[str, ...]] = {
    "date": ("date", "day", "time", "timestamp", "datetime", "when", "created", "sent"),
    "user": (
        "user", "userid", "author", "customer", "sender", "member", "client", "account", "owner",
        "from", "name", "id",
    ),
    "text": (
        "text", "message", "body", "content", "comment", "review", "instance", "description",
        "note", "subject", "title",
    ),
    "amount": (
        "amount", "price", "cost", "total", "value", "sum", "score", "rating", "quantity", "count",
        "size", "age",
    ),
}  # fmt: skip
"""Words in the names of fields that do what the examples' fields do."""
_TYPES: Mapping[str, tuple[str, ...]] = {
    "date": ("date", "time"),
    "user": ("text", "id", "value"),
    "text": ("free text", "main text", "text"),
    "amount": ("number",),
}
"""What such fields are."""


_LOOK_FURTHER = Kind("lookup.hops")
"""Its example looks further, from places where the answer was not read."""
_AREAS_ALIKE: Mapping[str, tuple[str, ...]] = {
    "label": ("label", "user"),
    "user": ("user", "label"),
    "number": ("number", "field", "record"),
    "field": ("field", "record", "number"),
    "record": ("record", "field"),
}
"""Kinds that take a part of the records without anything that the question does not have."""
_READ = (Kind("lookup.value"), Kind("lookup.either"))
"""What is shown where the answer was read: it is given as it stands there."""


@dataclass(frozen=True, slots=True)
class Example:
    """A question and the cell that answers it.

    Attributes:
        found: what the harness had found before, a line each; "" where that does not matter.
    """

    kind: Kind
    question: str
    code: str
    found: str = ""

    def over(self, fields: Sequence[str], types: Sequence[str] = ()) -> "Example":
        """The same example with the names that these records give to its fields.

        Args:
            fields: their names.
            types: what each is, where that is known.
        """
        code = self.code
        for role in _ROLES:
            is_used = f"r['{role}']" in code or f"(records, '{role}')" in code
            if role in fields or not is_used:
                continue
            name = _field_for(role, fields, types)
            if name and "'" not in name and "\\" not in name:
                code = code.replace(f"r['{role}']", f"r['{name}']")
                code = code.replace(f"(records, '{role}')", f"(records, '{name}')")
        for field, kind in zip(fields, types, strict=False):
            if kind == "time":  # the day of it, where days are counted
                code = code.replace(f"Counter(r['{field}'] for", f"Counter(r['{field}'][:10] for")
        return replace(self, code=code)


def _field_for(role: str, fields: Sequence[str], types: Sequence[str]) -> str:
    """The field that does what a role does: of its types where these are known; "" if none does."""
    fitting = list(fields)
    if types:
        wanted = _TYPES[role]
        known = zip(fields, types, strict=False)
        fitting = [field for field, kind in known if not wanted or kind in wanted]
    named = [field for word in _ROLES[role] for field in fitting if word in _words_of(field)]
    if not named and types and _TYPES[role] and len(fitting) == 1:
        named = fitting
    return named[0] if named else ""


def _words_of(field: str) -> list[str]:
    """The words a field's name is made of: `orderDate` and `order_date` are order and date."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", field).casefold()
    return [
        word.removesuffix("s") if len(word) > 3 else word for word in re.findall(r"[^\W_]+", apart)
    ]


@dataclass(frozen=True, slots=True)
class Picked:
    """The examples for a question, the nearest first, and how near they are.

    Attributes:
        kind: what the question was taken for; "" where no rule knows it.
    """

    kind: str
    coverage: Coverage
    examples: tuple[Example, ...]


def pick(question: str, look: Look, *, without: Collection[Kind] = ()) -> Picked:
    """Two examples for a question: of its own kind, and of the nearest other.

    None where places to look at matter and none were found: then looking comes first.

    Args:
        question: as it was asked.
        look: what is known of the text.
        without: kinds to leave out, to measure what an example of the same kind is worth.
    """
    usable = {
        kind: examples
        for kind, examples in bank().items()
        if kind not in without and (look.passages or not _is_lookup(kind))
    }
    ranked = kinds_of(question, look.shape, look.fields, look.labels, look=look)
    wanted = ranked[0] if ranked else None
    order: Sequence[Kind] = _nearest(ranked) if ranked else _FALLBACKS.get(look.shape, ())
    if look.passages and wanted and _is_lookup(wanted):
        if look.is_read:  # a root that is shown how to look further does so, and again
            usable.pop(_LOOK_FURTHER, None)
            order = [kind for kind in (*order, *_READ) if kind != _LOOK_FURTHER]
        else:
            order = [_LOOK_FURTHER, *order]
    found = list(dict.fromkeys(kind for kind in order if kind in usable))
    coverage: Coverage = "uncovered"
    if wanted is not None:
        is_shown = wanted in usable or (wanted == _LOOK_FURTHER and look.is_read)
        coverage = "shown" if is_shown and not is_guess(wanted, question, look) else "near"
        if not is_shown:
            found = _with_same_part(found, wanted, usable)
    examples = tuple(usable[kind][0].over(look.fields, look.types) for kind in found[:2])
    if not look.passages:
        examples = tuple(replace(example, found="") for example in examples)
    return Picked(str(wanted or ""), coverage, examples)


def _is_lookup(kind: Kind) -> bool:
    return kind.what.partition(".")[0] == "lookup"


def _nearest(ranked: Sequence[Kind]) -> list[Kind]:
    """The likeliest kind, its neighbours, and only then the kinds it is less likely to be."""
    return [ranked[0], *neighbours(ranked[0]), *ranked[1:]]


def _with_same_part(found: list[Kind], wanted: Kind, usable: Collection[Kind]) -> list[Kind]:
    """What is asked shown over all records, and behind it how the part is taken."""
    if wanted.where == "all":
        return found
    same_what = [kind for kind in found if kind.what == wanted.what]
    same_where = [kind for kind in found if kind.where == wanted.where]
    others = [kind for kind in usable if kind.where == wanted.where]
    areas = _AREAS_ALIKE.get(wanted.what.partition(".")[0], ())
    same_where += sorted(others, key=lambda kind: kind.what.partition(".")[0] not in areas)
    return list(dict.fromkeys([*same_what[:1], *same_where[:1], *found]))


@cache
def bank() -> Mapping[Kind, tuple[Example, ...]]:
    """All examples that are shipped, by kind."""
    by_kind: dict[Kind, list[Example]] = {}
    folder = resources.files("rlm_local.engine") / "prompts" / "bank"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".md"):
            for example in read_examples(file.name, file.read_text("utf-8")):
                by_kind.setdefault(example.kind, []).append(example)
    return {kind: tuple(examples) for kind, examples in by_kind.items()}


def read_examples(name: str, markdown: str) -> list[Example]:
    """The examples of one file of the bank.

    Raises:
        ConfigError: a heading is no kind, or a section is not a question and a cell.
    """
    parts = _HEADING.split(markdown)
    return [
        _read_example(name, heading.strip(), section)
        for heading, section in zip(parts[1::2], parts[2::2], strict=True)
    ]


def _read_example(name: str, heading: str, section: str) -> Example:
    what, _, where = heading.partition(" in ")
    kind = Kind(what, where or "all")
    if kind.what not in WHATS or kind.where not in WHERES:
        raise ConfigError(f"prompts/bank/{name}: {heading!r} is no kind of question")
    found = _SECTION.match(section)
    if found is None:
        raise ConfigError(
            f"prompts/bank/{name}: {heading!r} must hold a question and then a ```python cell"
        )
    lines = [line.removeprefix(">").strip() for line in found[1].splitlines()]
    return Example(kind, found[2].strip(), found[3], found="\n".join(lines))
