"""What a cell asks of source code: definitions, callers, subclasses, overrides, defaults.

Forgiving in how names are given, and nothing raises because a name is not there: what comes back
then prints that, with names that are. What the code says is `code_index`'s business.
"""

import re
from collections.abc import Iterable

from rlm_local.sandbox.child.code_index import CodeIndex, Definition
from rlm_local.sandbox.child.documents import Documents

__all__ = ["CodePlace", "CodePlaces", "CodeTools", "Defaults"]

_LISTED = 50
_MOST_LEVELS = 50


class CodePlace(str):
    """A function or class: a text, its name (`Class.method`), that knows where it stands.

    Attributes:
        path: name of the document; `line` from 1.
        line: of the `def` or `class`; of a caller, of the call.
        kind: `function`, `method` or `class`.
        signature: the first line of the definition.
    """

    path: str
    line: int
    kind: str
    signature: str

    def __new__(cls, one: Definition, line: int | None = None) -> "CodePlace":
        """Made of a definition; `line`: another line of it than its first."""
        place = super().__new__(cls, one.qualified)
        place.path, place.line = one.path, one.line if line is None else line
        place.kind, place.signature = one.kind, one.signature
        return place

    @property
    def name(self) -> str:
        """The qualified name alone."""
        return str.__str__(self)

    @property
    def document(self) -> str:
        """The same as `path`, as hits of a search call it."""
        return self.path

    def __repr__(self) -> str:
        return f"{self.path}:{self.line}: {self.name}   [{self.kind}] {self.signature}"


class CodePlaces(list[CodePlace]):
    """Places in order; prints one a line, and `note`."""

    def __init__(self, places: Iterable[CodePlace], note: str) -> None:
        super().__init__(places)
        self.note = note

    def __str__(self) -> str:
        lines = [repr(place) for place in self[:_LISTED]]
        return "\n".join([*lines, f"({self.note})"])

    __repr__ = __str__


class Defaults(dict[str, str]):
    """Parameters that have a default, each with it as source; prints where they stand."""

    def __init__(self, values: dict[str, str], note: str) -> None:
        super().__init__(values)
        self.note = note

    def __missing__(self, parameter: str) -> str:
        raise KeyError(f"no default for {parameter!r}; {self.note}")

    def __str__(self) -> str:
        return "\n".join([*(f"{name} = {value}" for name, value in self.items()), f"({self.note})"])

    __repr__ = __str__


class CodeTools:
    """The functions that a cell calls, over the Python documents of a context."""

    def __init__(self, documents: Documents) -> None:
        self._index = CodeIndex(documents)

    def definitions(self, name: object) -> CodePlaces:
        """Where functions, methods and classes of that name are defined."""
        wanted = _plain(name)
        found = self._index.definitions(wanted)
        return self._places(map(CodePlace, found), f"{len(found)} definitions of {wanted}", wanted)

    def callers(self, name: object) -> CodePlaces:
        """The functions and methods that call it, each once, with the line of the first call."""
        wanted = _plain(name)
        last = wanted.rsplit(".", 1)[-1]
        found = [CodePlace(one, one.calls[last]) for one in self._index.callers(wanted)]
        return self._places(found, f"{len(found)} callers of {wanted}", wanted)

    def subclasses(self, name: object, direct: object = True) -> CodePlaces:
        """The classes that have it as a base; with `direct=False` also those below them."""
        wanted = _plain(name)
        found = self._below(wanted, is_direct=bool(direct))
        return self._places(map(CodePlace, found), f"{len(found)} subclasses of {wanted}", wanted)

    def overrides(self, name: object, method: object = None, direct: object = True) -> CodePlaces:
        """The subclasses of a class that define `method` themselves."""
        wanted = _plain(name)
        if method is None:
            wanted, _, method = wanted.rpartition(".")
        its = _plain(method).rsplit(".", 1)[-1]
        if not wanted:
            return CodePlaces([], "give a class and a method: overrides('Class', 'method')")
        found: dict[tuple[str, str], CodePlace] = {}
        for one in self._below(wanted, is_direct=bool(direct)):
            for inner in self._index.members(one):
                if inner.name == its:  # twice in a class, for instance with a setter
                    found.setdefault((one.path, one.qualified), CodePlace(one, inner.line))
        note = f"{len(found)} subclasses of {wanted} define {its}"
        return self._places(found.values(), note, wanted)

    def defaults(self, name: object, parameter: object = None) -> "Defaults | str":
        """The defaults of a function's parameters; with `parameter`, that one as source."""
        wanted = _plain(name)
        found = [one for one in self._index.definitions(wanted) if one.kind != "class"]
        if not found:
            classes = self._index.definitions(wanted)
            inside = (inner for one in classes for inner in self._index.members(one))
            found = [inner for inner in inside if inner.name == "__init__"]
        if not found:
            return Defaults({}, self._nothing(wanted, f"no function {wanted}"))
        if parameter is None:
            return Defaults(found[0].defaults, _origin(found))
        its = _plain(parameter).lstrip("*")
        values = [one for one in found if its in one.defaults]
        if not values:
            return Defaults({}, f"{its} has no default there; {_origin(found)}")
        distinct = list(dict.fromkeys(one.defaults[its] for one in values))
        if len(distinct) > 1:
            places = ", ".join(f"{one.path}:{one.line} {one.defaults[its]}" for one in values[:5])
            print(f"[note] {len(values)} functions {wanted} have a default for {its}: {places}")
        return distinct[0]

    def _below(self, name: str, *, is_direct: bool) -> list[Definition]:
        found = {(one.path, one.qualified): one for one in self._index.subclasses(name)}
        level = list(found.values())
        for _ in range(0 if is_direct else _MOST_LEVELS):
            below = [lower for one in level for lower in self._index.subclasses(one.name)]
            level = [one for one in below if (one.path, one.qualified) not in found]
            found.update({(one.path, one.qualified): one for one in level})
        return list(found.values())

    def _places(self, places: Iterable[CodePlace], note: str, name: str) -> CodePlaces:
        listed = list(places)
        if listed:
            return CodePlaces(listed, note + self._left_out())
        return CodePlaces([], self._nothing(name, note))

    def _nothing(self, name: str, note: str) -> str:
        if not self._index.has_code:
            return f"{note}: no document is Python source"
        similar = [other for other in self._index.similar(name) if other != name]
        hint = f"; there are {', '.join(similar)}" if similar else ""
        return note + hint + self._left_out()

    def _left_out(self) -> str:
        unread = self._index.unread
        return f"; not read, as they do not parse: {', '.join(unread[:3])}" if unread else ""


def _plain(name: object) -> str:
    """A name without back-ticks, brackets and keywords around it."""
    if isinstance(name, CodePlace):
        return name.name
    text = str(getattr(name, "__name__", name)).strip().strip("`'\" ")
    text = re.sub(r"^(?:async\s+)?(?:def|class|function|method)\s+", "", text)
    return re.split(r"[\s(:]", text.strip("`'\" "), maxsplit=1)[0].strip(".`'\"")


def _origin(found: list[Definition]) -> str:
    one = found[0]
    more = f"; {len(found) - 1} more of that name" if len(found) > 1 else ""
    shown = ", ".join(one.parameters)
    return f"{one.path}:{one.line}: {one.qualified}({shown}){more}"
