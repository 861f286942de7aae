"""The documents of a context: names and places in one text, cut out when they are asked for."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import SupportsIndex, overload

__all__ = ["Document", "Documents", "as_text"]

_LISTED = 20


class Document:
    """One document: `name` and `text`, also as `d["name"]`, `d["text"]`; else like its text."""

    __slots__ = ("_whole", "end", "name", "start")

    def __init__(self, name: str, start: int, end: int, whole: str) -> None:
        self.name = name
        self.start = start
        self.end = end
        self._whole = whole

    @property
    def text(self) -> str:
        """The document's text, without the header line it has in `context`."""
        return self._whole[self.start : self.end]

    def __getitem__(self, key: "str | int | slice") -> str:
        if isinstance(key, str):
            if key not in self.keys():
                raise KeyError(f"a document has 'name' and 'text', not {key!r}")
            return self.name if key == "name" else self.text
        return self.text[key]

    def get(self, key: str, default: object = None) -> object:
        """As of a dict with the keys `name` and `text`."""
        return self[key] if key in self.keys() else default

    def keys(self) -> tuple[str, str]:
        """The two keys it answers to."""
        return ("name", "text")

    def __len__(self) -> int:
        return self.end - self.start

    def __contains__(self, part: object) -> bool:
        return isinstance(part, str) and self._whole.find(part, self.start, self.end) >= 0

    def __iter__(self) -> Iterator[str]:
        return iter(self.text)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<document {self.name!r}, {len(self):,} characters>"


class Documents(list[Document]):
    """The documents in order; `documents["name"]` works as well."""

    @classmethod
    def of(cls, whole: str, spans: Iterable[tuple[str, int, int]]) -> "Documents":
        """The documents at those places; a text without any is one document, "context"."""
        found = cls(Document(name, start, end, whole) for name, start, end in spans)
        return found or cls([Document("context", 0, len(whole), whole)])

    def name_at(self, offset: int) -> str:
        """The name of the document a character belongs to (a header line: the next one's)."""
        return self.at(offset).name

    def at(self, offset: int) -> Document:
        """The document a character belongs to (a header line: the next one's)."""
        position = bisect_right(self, offset, key=lambda document: document.end)
        return self[min(position, len(self) - 1)]

    @overload
    def __getitem__(self, key: SupportsIndex | str) -> Document: ...
    @overload
    def __getitem__(self, key: slice) -> list[Document]: ...
    def __getitem__(self, key: SupportsIndex | slice | str) -> Document | list[Document]:
        if isinstance(key, str):
            named = next((document for document in self if document.name == key), None)
            if named is None:
                raise KeyError(f"no document {key!r}; documents lists them")
            return named
        return super().__getitem__(key)

    def __repr__(self) -> str:
        lines = [f"{len(self)} documents:"]
        lines += [f"  {d.name} ({len(d):,} characters)" for d in self[:_LISTED]]
        if len(self) > _LISTED:
            lines.append(f"  ... and {len(self) - _LISTED} more")
        return "\n".join(lines)


def as_text(value: object) -> str:
    """What a helper reads from what it was given: a text, a document, a hit, a list of them."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return str(value["text"])
    if isinstance(value, list | tuple):
        return "\n".join(as_text(item) for item in value)
    return str(value)
