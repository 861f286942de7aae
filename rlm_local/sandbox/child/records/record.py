"""One record: a dict whose keys are also attributes, and whose derived fields come when read."""

from copy import deepcopy
from typing import ClassVar, Protocol

__all__ = ["FieldSource", "Record", "record_class"]


class FieldSource(Protocol):
    """Knows the fields of all records; implemented by `table.Table`."""

    def name_of(self, key: object) -> str | None:
        """The field that a key means, spelled otherwise perhaps; None if there is none."""
        ...

    def complete(self, record: "Record", name: str) -> object:
        """The value of a field that a record does not hold yet."""
        ...

    def has_derived(self, key: object) -> bool:
        """Whether every record has this field, though none may hold it yet."""
        ...

    def explain(self, key: object) -> str:
        """That there is no such field, and which there are."""
        ...


class Record(dict[str, object]):
    """A record; `r["user"]`, `r.user`, `r["User"]` are the same."""

    __slots__ = ()

    _source_: ClassVar[FieldSource]
    """No field has a name like this, which a field named "source" would not come through."""

    def __missing__(self, key: object) -> object:
        name = self._source_.name_of(key)
        if name is None:
            raise KeyError(self._source_.explain(key))
        if dict.__contains__(self, name):
            return dict.__getitem__(self, name)
        return self._source_.complete(self, name)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(self._source_.explain(name)) from None

    def __setattr__(self, name: str, value: object) -> None:
        self[name] = value

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or self._source_.has_derived(key)

    def __reduce__(self) -> tuple[type[dict[str, object]], tuple[dict[str, object]]]:
        return dict, (dict(self),)  # the class is of one text, and cannot be found elsewhere

    def __copy__(self) -> "Record":
        return type(self)(self)

    def __deepcopy__(self, memo: dict[int, object]) -> "Record":
        made = type(self)()
        memo[id(self)] = made
        made.update((key, deepcopy(value, memo)) for key, value in self.items())
        return made

    def get(self, key: object, default: object = None) -> object:
        """As of a dict; a derived field is filled first."""
        if isinstance(key, str) and dict.__contains__(self, key):
            return dict.__getitem__(self, key)
        name = self._source_.name_of(key)
        if name is None:
            return default
        if dict.__contains__(self, name) or self._source_.has_derived(name):
            return self[name]
        return default


def record_class(source: FieldSource) -> type[Record]:
    """The class of the records of one text; an instance holds nothing but its fields."""
    return type("Record", (Record,), {"__slots__": (), "_source_": source})
