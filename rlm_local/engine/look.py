"""What the harness's first look at a text found: its shape, its fields, the places asked about.

It is read from what a cell printed, so it is trusted as little as any text: sizes are checked,
control characters dropped, and anything unexpected means that there was no look. Looks at nothing
itself.
"""

import json
import re
from dataclasses import dataclass
from typing import Literal, TypeGuard

__all__ = ["Look", "Shape", "parse_look"]

Shape = Literal["records", "documents", "code", "text"]

_SHAPES: tuple[Shape, ...] = ("records", "documents", "code", "text")
_MOST_CHARS = 64_000
"""Of the whole JSON text; more was not written by our cell."""
_TOLD_CHARS = 2_400
_PASSAGES_CHARS = 8_000
_NAMES = 64
_NAME_CHARS = 80
_MOST_RECORDS = 10**9
_READING = "Reading: "
"""Begins the last line of passages: what was read there, or that it is unknown."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Control characters but tab and line end, and those that hide or turn round what follows."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a text is made of.

    Attributes:
        shape: which kind of text; decides which worked examples fit.
        told: what the root is told of it, in place of the preview.
        fields: names of the records' fields, in their order.
        labels: names that lines can be labelled with; none where the text names none.
        n: records, or documents.
        types: what each field is: "number", "date", "free text", "unique", ...; none if not told.
        named: fields and those of their values that the question names.
        passages: places that fit the question and what the worker read there; "" if none.
    """

    shape: Shape
    told: str = ""
    fields: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    n: int = 0
    passages: str = ""
    types: tuple[str, ...] = ()
    named: tuple[tuple[str, str], ...] = ()

    @property
    def is_read(self) -> bool:
        """Whether the worker found an answer in the passages."""
        last = self.passages.rstrip().rpartition("\n")[2]
        return last.startswith(_READING) and not last.removeprefix(_READING).startswith("unknown")


def parse_look(text: str) -> Look | None:
    """Read the JSON object that a cell printed; None for anything else, or of another size."""
    if len(text) > _MOST_CHARS:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    shape = next((known for known in _SHAPES if known == found.get("shape")), None)
    told, passages = found.get("told", ""), found.get("passages", "")
    fields, labels = found.get("fields", []), found.get("labels", [])
    types, named = found.get("types", []), found.get("named", [])
    n = found.get("n", 0)
    if shape is None or not _is_text(told, _TOLD_CHARS) or not _is_text(passages, _PASSAGES_CHARS):
        return None
    if not _are_names(fields) or not _are_names(labels) or not _is_number(n):
        return None
    if not _are_names(types) or not _are_pairs(named):
        return None
    return Look(
        shape,
        told=_clean(told),
        fields=tuple(map(_one_line, fields)),
        labels=tuple(map(_one_line, labels)),
        n=n,
        passages=_clean(passages),
        types=tuple(map(_one_line, types)),
        named=tuple((_one_line(field), _one_line(value)) for field, value in named),
    )


def _is_text(value: object, most_chars: int) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= most_chars


def _is_number(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= _MOST_RECORDS


def _are_names(value: object) -> TypeGuard[list[str]]:
    return (
        isinstance(value, list)
        and len(value) <= _NAMES
        and all(isinstance(name, str) and 0 < len(name) <= _NAME_CHARS for name in value)
        and all(_one_line(name) for name in value)
    )


def _are_pairs(value: object) -> TypeGuard[list[list[str]]]:
    return (
        isinstance(value, list)
        and len(value) <= _NAMES
        and all(_are_names(pair) and len(pair) == 2 for pair in value)
    )


def _clean(text: str) -> str:
    return _CONTROL.sub("", _without_half_characters(text)).strip()


def _one_line(name: str) -> str:
    return " ".join(_clean(name).split())


def _without_half_characters(text: str) -> str:
    """Lone surrogates, which JSON can spell and no request can carry, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
