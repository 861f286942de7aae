"""The records of one text, their fields, and the fields derived from them."""

from collections.abc import Sequence
from threading import RLock

from rlm_local.sandbox.child.records.judging import Judged, JudgedField, Labeller
from rlm_local.sandbox.child.records.raw import Raw, column_name
from rlm_local.sandbox.child.records.record import Record

__all__ = ["Table"]

_TEXT_NAMES = ("text", "message", "instance", "content", "body", "description", "review")
_KINDS_OF_TEXT = frozenset({"text"})
_MEASURED = 300
_LEAST_MEAN_CHARS = 12


class Table:
    """Knows what fields records have; fills derived ones. Empty until `load`."""

    def __init__(self, labeller: Labeller) -> None:
        self.kind = ""
        self.names: list[str] = []
        self.kinds: dict[str, str] = {}
        self.text_name: str | None = None
        self.rows: tuple[Record, ...] = ()
        self.derived: dict[str, JudgedField] = {}
        self.is_guess = False
        self.label_field: str | None = None
        """The field of the text's own that `label` means."""
        self._labeller = labeller
        self._filling = RLock()

    def load(self, raw: Raw, rows: Sequence[Record], kinds: dict[str, str]) -> None:
        """Take the records; `kinds` are the types of the fields, in their order."""
        self.kind = raw.kind
        self.is_guess = raw.is_guess
        self.names = list(kinds)
        self.kinds = kinds
        self.rows = tuple(rows)
        self.text_name = raw.text_name or self._main_text()

    def define(self, name: str, asked: Judged) -> None:
        """Add a derived field; the same again changes nothing.

        Raises:
            ValueError: there are no records, or they have a field of that name.
        """
        if not self.rows:
            raise ValueError("there are no records to judge; use classify(texts, labels)")
        if name in self.names:
            raise ValueError(f"the records have a field {name!r} of their own; use another name")
        if asked.of is not None and self.name_of(asked.of) is None:
            raise ValueError(self.explain(asked.of))
        known = self.derived.get(name)
        if known is not None and known.asked == asked:
            return
        if known is not None and known.is_filled:
            for row in self.rows:
                row.pop(name, None)
        self.derived[name] = JudgedField(name, asked)

    def name_of(self, key: object) -> str | None:
        """The field that a key means, spelled otherwise perhaps; None if there is none."""
        if not isinstance(key, str):
            return None
        for known in (key, column_name(key)):
            if known in self.kinds or known in self.derived:
                return known
        return self._meant_by(known)

    def field_of_values(self, labels: Sequence[str]) -> str | None:
        """The field whose values are these labels and no others."""
        wanted = {label.casefold() for label in labels}
        for name in self.names:
            if name != self.text_name and self.kinds[name] == "text":
                values = {str(dict.get(row, name) or "").casefold() for row in self.rows}
                if len(values) > 1 and values - {""} <= wanted:
                    return name
        return None

    def spelled_as_values(self, name: str, labels: Sequence[str]) -> list[str]:
        """The labels as the field's values spell them, each as it came where no value is it."""
        values = {str(dict.get(row, name) or "") for row in self.rows}
        spelled = {value.casefold(): value for value in sorted(values)}
        return [
            label if label in values else spelled.get(label.casefold(), label) for label in labels
        ]

    def complete(self, record: Record, name: str) -> object:
        """The value of a field that a record does not hold yet; None where its row has none."""
        derived = self.derived.get(name)
        if derived is None:
            return None
        with self._filling:  # threads of a cell's may read at once
            if not derived.is_filled:
                self._fill(derived)
        if not dict.__contains__(record, name):  # a copy, or one that a cell made
            record[name] = derived.value_of(self._judged_text(record, derived), self._labeller)
        return dict.__getitem__(record, name)

    def has_derived(self, key: object) -> bool:
        """Whether every record has this field, though none may hold it yet."""
        return key in self.derived

    def explain(self, key: object) -> str:
        """That there is no such field, and which there are."""
        return f"no field {key!r}; the records have {', '.join([*self.names, *self.derived])}"

    def _meant_by(self, name: str) -> str | None:
        if name == "label" and self.label_field:
            return self.label_field
        if name == "text":
            return self.text_name
        if name == "date":
            named = [known for known, kind in self.kinds.items() if kind in ("date", "time")]
        else:
            named = [known for known in self.names if name in known.split("_")]
        return named[0] if len(named) == 1 else None

    def _fill(self, derived: JudgedField) -> None:
        texts = [self._judged_text(row, derived) for row in self.rows]
        derived.label(texts, self._labeller)
        for row, text in zip(self.rows, texts, strict=True):
            row[derived.name] = derived.value_of(text, self._labeller)

    def _judged_text(self, row: Record, derived: JudgedField) -> str:
        of = derived.asked.of
        name = self.name_of(of) if of else self.text_name
        if name is not None:
            value = row[name]
            return "" if value is None else str(value)
        shown = ((key, dict.get(row, key)) for key in self.names)
        return "; ".join(f"{key}: {value}" for key, value in shown if value not in (None, ""))

    def _main_text(self) -> str | None:
        """The field of free text: the one named so, or the one that is clearly the longest."""
        texts = [name for name in self.names if self.kinds[name] in _KINDS_OF_TEXT]
        for name in _TEXT_NAMES:
            if name in texts:
                return name
        means = {name: self._mean_chars(name) for name in texts}
        if not means:
            return None
        first, *others = sorted(texts, key=lambda name: -means[name])
        next_longest = means[others[0]] if others else 0.0
        is_clear = means[first] > 2 * next_longest
        return first if means[first] >= _LEAST_MEAN_CHARS and is_clear else None

    def _mean_chars(self, name: str) -> float:
        values = [dict.get(row, name) for row in self.rows[:_MEASURED]]
        lengths = [len(value) for value in values if isinstance(value, str)]
        return sum(lengths) / len(lengths) if lengths else 0.0
