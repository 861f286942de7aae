"""The names that cells have for records: made when a cell first mentions one of them.

`records`, `fields`, `header`, `footer`, `LABELS`; and `judged` and `look`, which are there from the
start. Reading a text takes time and memory, so a REPL that is never asked for records has none.
"""

import ast
import gc
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

from rlm_local.sandbox.child.documents import Document
from rlm_local.sandbox.child.records.columns import type_column
from rlm_local.sandbox.child.records.fields import Fields
from rlm_local.sandbox.child.records.first_look import LookUp, describe, shape_of, with_passages
from rlm_local.sandbox.child.records.formats import NoRecords, read_records
from rlm_local.sandbox.child.records.groups import Grouping, pairs_of
from rlm_local.sandbox.child.records.judging import Judged, Labeller, judged
from rlm_local.sandbox.child.records.label_names import (
    NamedLabels,
    labels_in_question,
    labels_in_text,
    spelled_in,
)
from rlm_local.sandbox.child.records.mentions import reads_any
from rlm_local.sandbox.child.records.named_values import field_types, values_named
from rlm_local.sandbox.child.records.raw import Row
from rlm_local.sandbox.child.records.record import Record, record_class
from rlm_local.sandbox.child.records.table import Table
from rlm_local.sandbox.child.records.tallies import Counter, defaultdict

__all__ = ["RecordNames", "Records"]

_NAMES = frozenset({"records", "fields", "header", "footer", "LABELS"})
_LABEL = "label"
_SHOWN = 3
_MOST_FIELDS = 64
"""That a look tells of."""


class Records(list[Record]):
    """The list `records`: shows its size and its first entries."""

    def __init__(self, rows: Sequence[Record], reason: str) -> None:
        super().__init__(rows)
        self.reason = reason

    def __repr__(self) -> str:
        if not self:
            return f"[] (no records: {self.reason})" if self.reason else "[]"
        shown = [f"  {dict.__repr__(row)}" for row in self[:_SHOWN]]
        more = [f"  ... and {len(self) - _SHOWN:,} more"] if len(self) > _SHOWN else []
        return "\n".join([f"{len(self):,} records:", *shown, *more])


class RecordNames:
    """Reads one context into records, once, and holds what cells see of it."""

    def __init__(
        self,
        context: str,
        documents: Sequence[Document],
        *,
        labeller: Labeller,
        look_up: LookUp | None = None,
    ) -> None:
        self.table = Table(labeller)
        self.labels: list[str] = []
        self.header = self.footer = self.reason = ""
        self._context = context
        self._documents = documents
        self._look_up = look_up
        self._is_read = False
        self._is_code = False
        self.tools: dict[str, object] = {
            "judged": judged,
            "look": self.look,
            "groups": Grouping(self.table).groups,
            "pairs_of": pairs_of,
            "Counter": Counter,
            "defaultdict": defaultdict,
            "combinations": combinations,
            "re": re,
            "ast": ast,
            "json": json,
            "math": math,
        }
        """There from the start; some are what cells of small models take for granted."""

    def mentioned(self, code: str) -> dict[str, object]:
        """The values of these names, if a cell reads one that is not its own; else none."""
        return self.values() if reads_any(_NAMES, code) else {}

    def values(self) -> dict[str, object]:
        """All names and their values; reads the text at the first call."""
        self.read()
        return self._values

    def read(self) -> None:
        """Read the text, if that has not been done."""
        if self._is_read:
            return
        had_gc = gc.isenabled()
        gc.disable()  # a million new dicts would have it look through all of them, over and over
        try:
            self._read()
        finally:
            if had_gc:
                gc.enable()
        if found := labels_in_text(f"{self.header}\n{self.footer}"):
            self._take_labels(found)
        records = Records(self.table.rows, self.reason)
        self._values: dict[str, object] = {
            "records": records,
            "fields": Fields(self.table),
            "header": self.header,
            "footer": self.footer,
            "LABELS": self.labels,
        }
        self._is_read = True

    def look(self, question: object = "", *, can_read: bool = True) -> dict[str, object]:
        """What the text is made of; defines the field `label` where labels are named.

        `can_read`: whether the worker may be asked about places that fit the question.
        """
        self.read()
        asked = str(question)
        if self.labels:
            self._spell_labels_as(asked)
        elif (named := labels_in_question(asked)) and self._shape(named.labels) == "records":
            about = f"Decide for one text, so that this can be answered for all: {asked[:300]}"
            self._take_labels(NamedLabels(named.labels, about))
        found = describe(
            self.table, self._shape(self.labels), (self.header, self.footer), self.labels
        )
        if found["shape"] == "records":
            types = field_types(self.table)
            found["types"] = types[:_MOST_FIELDS]
            found["named"] = values_named(self.table, asked, types[:_MOST_FIELDS])
        with_passages(found, asked, self._look_up if can_read else None)
        return found

    def _shape(self, labels: Sequence[str]) -> str:
        return shape_of(self.table, self._documents, labels, is_code=self._is_code)

    def _read(self) -> None:
        kind = record_class(self.table)

        def new(items: Iterable[tuple[str, object]]) -> Row:
            return kind(items)

        try:
            raw = read_records(self._context, self._documents, new)
            kinds = {name: type_column(raw.rows, name, is_typed=raw.is_typed) for name in raw.names}
            rows = [row for row in raw.rows if isinstance(row, Record)]
        except NoRecords as error:
            self.reason, self._is_code = str(error), error.is_code
            return
        except MemoryError:
            self.reason = "there is not memory enough to hold them; use grep and chunks"
            return
        self.table.load(raw, rows, kinds)
        self.header, self.footer = "\n".join(raw.header), "\n".join(raw.footer)

    def _spell_labels_as(self, question: str) -> None:
        """Labels with the capitals they have in the question, where that differs."""
        spelled = [spelled_in(question, label) or label for label in self.labels]
        asked = self.table.derived.get(_LABEL)
        if spelled != self.labels and asked is not None:
            self.labels[:] = spelled
            self.table.define(_LABEL, replace(asked.asked, labels=tuple(spelled)))

    def _take_labels(self, found: NamedLabels) -> None:
        """Make `label` a field: one of the text's own, if its values are the labels."""
        if not self.table.rows:
            self.labels += found.labels
            return
        own = self.table.field_of_values(found.labels)
        if own is not None:
            self.table.label_field = own
            self.labels += self.table.spelled_as_values(own, found.labels)
        elif _LABEL not in self.table.names:
            self.labels += found.labels
            self.table.define(_LABEL, Judged(tuple(found.labels), found.sentence or None))
