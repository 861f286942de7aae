"""Decides what a text is made of, and has it read by the reader of that format.

The forms that say most are tried first: documents, JSON, keys and values, tables, logs, sections,
and plain lines last. Values stay as they are written: see `columns`.
"""

from collections.abc import Sequence

from rlm_local.sandbox.child.documents import Document
from rlm_local.sandbox.child.records.delimited import read_delimited
from rlm_local.sandbox.child.records.json_records import read_json_array, read_json_lines
from rlm_local.sandbox.child.records.key_values import read_key_values
from rlm_local.sandbox.child.records.lines import Lines
from rlm_local.sandbox.child.records.logs import read_log
from rlm_local.sandbox.child.records.plain_lines import read_plain_lines
from rlm_local.sandbox.child.records.raw import NewRow, Raw
from rlm_local.sandbox.child.records.sections import read_sections
from rlm_local.sandbox.child.records.source_code import looks_like_code

__all__ = ["NoRecords", "read_records"]

_BYTE_ORDER_MARK = "\ufeff"
_RECORD_BYTES = 420
"""What a record takes beside its text, about."""
_MOST_TIMES_THE_TEXT = 6
_ALWAYS_ALLOWED_BYTES = 1 << 30


class NoRecords(Exception):  # a finding, not an error
    """Why a text has no records; `is_code` where it is source code."""

    def __init__(self, reason: str, *, is_code: bool = False) -> None:
        super().__init__(reason)
        self.is_code = is_code


def read_records(text: str, documents: Sequence[Document], new: NewRow) -> Raw:
    """The records of a text; with several documents, one a document.

    Raises:
        NoRecords: it is not made of like parts; says so.
    """
    if len(documents) > 1:
        rows = [new((("name", each.name), ("text", each.text))) for each in documents]
        return Raw("documents", ["name", "text"], rows, text_name="text")
    if not text or text.isspace():
        raise NoRecords("the text is empty")
    if text[0] == _BYTE_ORDER_MARK:
        text = text[1:]
    if "\n" not in text and "\r" in text:  # as of very old files
        text = text.replace("\r", "\n")
    if raw := read_json_array(text, new):
        return raw
    n_lines = text.count("\n") + 1
    if n_lines * _RECORD_BYTES > max(_ALWAYS_ALLOWED_BYTES, _MOST_TIMES_THE_TEXT * len(text)):
        raise NoRecords(f"{n_lines:,} lines are too many to hold as records; use grep and chunks")
    raw = _read_lines(Lines(text), new)
    if raw is None or not raw.rows:
        raise NoRecords("the text is not made of like lines, rows, objects or sections")
    return raw


def _read_lines(lines: Lines, new: NewRow) -> Raw | None:
    sample = lines.sample()
    if looks_like_code(sample):
        raise NoRecords("the text is source code", is_code=True)
    return (
        read_json_lines(lines, sample, new)
        or read_key_values(lines, sample, new)
        or read_log(lines, sample, new)
        or read_delimited(lines, sample, new)
        or read_sections(lines, new)
        or read_plain_lines(lines, sample, new)
    )
