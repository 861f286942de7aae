"""The first look at a text: what it is made of, in a dict that goes to the engine as JSON.

All that is told comes from the text and is data. What is no records is told by its shape alone:
the engine shows a preview of its own there.
"""

from collections.abc import Callable, Sequence

from rlm_local.sandbox.child.documents import Document
from rlm_local.sandbox.child.records.fields import FieldFacts
from rlm_local.sandbox.child.records.record import Record
from rlm_local.sandbox.child.records.source_code import are_code_files
from rlm_local.sandbox.child.records.table import Table

__all__ = ["LookUp", "describe", "shape_of", "with_passages"]

LookUp = Callable[[str], str]
"""Finds passages for a question, a line each, and in a last line what the worker reads there."""

_TOLD_CHARS = 2_400
_FRAME_CHARS = 400
_RECORD_CHARS = 500
_VALUE_CHARS = 160
_FIELD_CHARS = 260
_NAMES, _NAME_CHARS = 64, 80
_PASSAGES_CHARS = 6_000
_READING_CHARS = 1_000
_SECTIONS = "sections"


def shape_of(
    table: Table, documents: Sequence[Document], labels: Sequence[object], *, is_code: bool
) -> str:
    """One of records, documents, code, text."""
    if len(documents) > 1:
        names = (document.name for document in documents)
        return "code" if is_code or are_code_files(names) else "documents"
    if is_code:
        return "code"
    if not table.rows:
        return "text"
    if table.kind == _SECTIONS:
        return "documents"
    if table.is_guess and not labels:
        return "text"  # as likely prose
    return "records"


def describe(
    table: Table, shape: str, frame: tuple[str, str], labels: Sequence[object]
) -> dict[str, object]:
    """What `look` gives, without passages. `frame` is the header and the footer."""
    has_fields = shape == "records" or table.kind == _SECTIONS
    names = [*table.names, *table.derived] if has_fields else []
    return {
        "shape": shape,
        "told": _told(table, frame, labels) if has_fields else "",
        "fields": [name[:_NAME_CHARS] for name in names[:_NAMES]],
        "labels": [str(label)[:_NAME_CHARS] for label in labels[:_NAMES]],
        "n": len(table.rows) if shape in ("records", "documents") else 0,
        "passages": "",
    }


def with_passages(found: dict[str, object], question: str, look_up: LookUp | None) -> None:
    """Add what a look-up finds, where the text is one to look things up in.

    Not in source code: there definitions and callers are looked up by their names.
    """
    if look_up is None or found["shape"] in ("records", "code"):
        return
    passages, _, reading = look_up(question).rpartition("\n")
    room = _PASSAGES_CHARS - _READING_CHARS
    if len(passages) > room:
        passages = passages[:room].rpartition("\n")[0] or passages[:room]
    if passages:
        found["passages"] = f"{passages}\n{_cut(reading, _READING_CHARS)}"


def _told(table: Table, frame: tuple[str, str], labels: Sequence[object]) -> str:
    first = (
        f"The harness has read it ({table.kind}) into `records`, a list of {len(table.rows):,} "
        "dicts with these keys:"
    )
    facts = [f"- {_cut(_fact(table, name), _FIELD_CHARS)}" for name in table.names]
    facts += [f"- {_cut(_fact(table, name), _FIELD_CHARS)}" for name in table.derived]
    if table.label_field:
        facts.append(f"- label: the same as {table.label_field}")
    if labels:
        facts.append(f"LABELS = {_cut(repr([str(label) for label in labels]), 2 * _FIELD_CHARS)}")
    header, footer = frame
    if footer[len(footer) // 4 :] in header:  # the same again
        frame = header, ""
    frames = [
        f"Not records: {name} = {_cut(repr(text), _FRAME_CHARS)}"
        for name, text in zip(("header", "footer"), frame, strict=True)
        if text
    ]
    examples = [f"records[{i}] = {_shown(table, row)}" for i, row in enumerate(table.rows[:2])]
    room = _Room(_TOLD_CHARS - len(first))
    kept = [
        room.taken(block) for block in (examples[:1], facts, frames[:1], examples[1:], frames[1:])
    ]
    example, known, before, other, after = kept
    return "\n".join([first, *known, *example, *other, *before, *after])


class _Room:
    def __init__(self, n_chars: int) -> None:
        self._left = n_chars

    def taken(self, lines: list[str]) -> list[str]:
        """The first of the lines, as many as there is room for."""
        for number, line in enumerate(lines):
            if len(line) + 1 > self._left:
                return lines[:number]
            self._left -= len(line) + 1
        return lines


def _fact(table: Table, name: str) -> str:
    if name != "label" or name not in table.derived:
        return FieldFacts.of(table, name)
    of = table.text_name or "the record"
    return f"label: one of LABELS; a language model judges it from {of} when you first read it"


def _shown(table: Table, row: Record) -> str:
    values = ", ".join(
        f"{name!r}: {_cut(repr(value), _VALUE_CHARS)}"
        for name, value in dict.items(row)
        if name not in table.derived  # whether it is filled by now
    )
    return _cut(f"{{{values}}}", _RECORD_CHARS)


def _cut(text: str, most_chars: int) -> str:
    text = str.__str__(text)
    return text if len(text) <= most_chars else f"{text[: most_chars - 3]}..."
