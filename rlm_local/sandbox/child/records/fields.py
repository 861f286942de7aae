"""`fields`: what the records' fields are, and where derived ones are defined."""

from collections import Counter
from collections.abc import Iterator

from rlm_local.sandbox.child.records.judging import Judged, judged
from rlm_local.sandbox.child.records.table import Table

__all__ = ["FieldFacts", "Fields"]

_LISTED = 8
_COUNTED = 200_000
_EXAMPLE_CHARS = 40
_FEW = 12
_MOST_SHOWN = 40


class FieldFacts(str):
    """A field in words; `.name`, `.kind`, and the labels it is judged by where it is derived."""

    name: str
    kind: str
    labels: list[object]

    @classmethod
    def of(cls, table: Table, name: str) -> "FieldFacts":
        """Describe one field."""
        derived = table.derived.get(name)
        if derived is None:
            facts = cls(f"{name}: {_described(table, name)}")
            facts.name, facts.kind, facts.labels = name, table.kinds[name], []
            return facts
        names = ", ".join(repr(label) for label in derived.asked.labels)
        of = derived.asked.of or table.text_name or "the record"
        facts = cls(f"{name}: one of {names}; a language model judges it from {of} when first read")
        facts.name, facts.kind, facts.labels = name, "judged", list(derived.asked.labels)
        return facts

    def __repr__(self) -> str:
        return str.__str__(self)


class Fields:
    """The fields: `fields.names`, `fields.date`, `fields.label = judged([...])`."""

    def __init__(self, table: Table) -> None:
        object.__setattr__(self, "_table", table)
        self._table: Table

    @property
    def names(self) -> list[str]:
        """All of them, derived ones last."""
        return [*self._table.names, *self._table.derived]

    def keys(self) -> list[str]:
        """As `names`."""
        return self.names

    def __getattr__(self, name: str) -> FieldFacts:
        if name.startswith("_"):
            raise AttributeError(name)
        known = self._table.name_of(name)
        if known is None:
            raise AttributeError(self._table.explain(name))
        return FieldFacts.of(self._table, known)

    def __getitem__(self, name: str) -> FieldFacts:
        known = self._table.name_of(name)
        if known is None:
            raise KeyError(self._table.explain(name))
        return FieldFacts.of(self._table, known)

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, list | tuple):  # labels alone
            value = judged(value)
        if not isinstance(value, Judged):
            raise TypeError(
                f"fields.{name} takes judged([labels], about=...), not {type(value).__name__}"
            )
        self._table.define(name, value)

    __setitem__ = __setattr__

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return self._table.name_of(name) is not None

    def __repr__(self) -> str:
        names = self.names
        if not names:
            return "no fields: the text was not read into records"
        lines = [FieldFacts.of(self._table, name) for name in names[:_MOST_SHOWN]]
        more = [f"... and {len(names) - _MOST_SHOWN} more"] if len(names) > _MOST_SHOWN else []
        return "\n".join([*lines, *more])


def _described(table: Table, name: str) -> str:
    """Type, range or number of different values, examples."""
    kind = table.kinds[name]
    values = [dict.get(row, name) for row in table.rows[:_COUNTED]]
    filled = [value for value in values if value not in (None, "")]
    n_missing = len(values) - len(filled)
    missing = f", {n_missing:,} without" if n_missing else ""
    if not filled:
        return f"{kind}, always empty"
    if kind in ("date", "time", "number"):
        ordered = [value for value in filled if type(value) is type(filled[0])]
        if kind == "number":
            ordered = [value for value in filled if isinstance(value, int | float)]
        if not ordered:  # a cell has put other values there
            return f"{kind}, such as {_short(filled[0])}{missing}"
        unit = " (YYYY-MM-DD)" if kind == "date" else ""
        # of one type, ordered by it
        return f"{kind}{unit}, {min(ordered)} to {max(ordered)}{missing}"  # type: ignore[type-var]  # all of one kind
    if not all(isinstance(value, str) for value in filled):
        return f"{kind}, such as {_short(filled[0])}{missing}"
    counts = Counter(filled)
    longest = max(len(str(value)) for value in counts)
    if len(counts) <= _FEW and len(counts) < len(filled) and longest <= _EXAMPLE_CHARS:
        shown = ", ".join(_short(value) for value, _ in counts.most_common(_LISTED))
        rest = ", ..." if len(counts) > _LISTED else ""
        return f"{kind}, {len(counts)} different: {shown}{rest}{missing}"
    mean = sum(len(str(value)) for value in filled) / len(filled)
    if kind == "id" or mean <= _EXAMPLE_CHARS:
        return f"{kind}, {len(counts):,} different, such as {_short(filled[0])}{missing}"
    return f"{kind}, about {mean:.0f} characters each{missing}"


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _EXAMPLE_CHARS + 2 else f"{shown[: _EXAMPLE_CHARS - 3]}..."
