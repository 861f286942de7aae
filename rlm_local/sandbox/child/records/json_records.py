"""JSON: one object a line, an array of objects, or an object that holds one such array."""

import json
from collections.abc import Sequence

from rlm_local.sandbox.child.records.lines import Lines
from rlm_local.sandbox.child.records.raw import NewRow, Raw, Row, column_name, gather

__all__ = ["read_json_array", "read_json_lines"]

_LEAST_SHARE = 0.5
_NAMES = 400


def read_json_array(text: str, new: NewRow) -> Raw | None:
    """The objects of one array that is the whole text, or is all but all of one object."""
    start = text[:200].lstrip()[:1]
    if start not in ("[", "{"):
        return None
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return None
    header: list[str] = []
    if isinstance(whole, dict):
        whole, header = _only_array(whole)
    if not isinstance(whole, list) or not whole or not all(isinstance(i, dict) for i in whole):
        return None
    names = _Names()
    rows = [new(names.renamed(item).items()) for item in whole]
    return Raw("JSON objects", names.names, rows, header, is_typed=True)


def read_json_lines(lines: Lines, sample: Sequence[str], new: NewRow) -> Raw | None:
    """The lines that are JSON objects, if most of the sample are."""
    n_objects = sum(_object(line) is not None for line in sample)
    if n_objects < max(1, _LEAST_SHARE * len(sample)):
        return None
    names = _Names()

    def read(line: str) -> Row | None:
        found = _object(line)
        return None if not found else new(names.renamed(found).items())

    raw = Raw("JSON objects, one a line", names.names, [], is_typed=True)
    return gather(raw, lines, read)


class _Names:
    """Names of fields for the keys of objects, made once."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._known: dict[str, str] = {}

    def renamed(self, item: dict[str, object]) -> dict[str, object]:
        """The object under names that can be attributes; keys of its own kept where too many."""
        return {self._known.get(key) or self._name(key): value for key, value in item.items()}

    def _name(self, key: str) -> str:
        if len(self.names) >= _NAMES:
            return key
        name = stem = column_name(key) or "field"
        number = 2
        while name in self.names:
            name, number = f"{stem}_{number}", number + 1
        self.names.append(name)
        self._known[key] = name
        return name


def _object(line: str) -> dict[str, object] | None:
    bare = line.strip().rstrip(",")
    if not (bare.startswith("{") and bare.endswith("}")):
        return None
    try:
        found = json.loads(bare)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _only_array(whole: dict[str, object]) -> tuple[object, list[str]]:
    """The one array of objects, and the rest as JSON; it may stand within one object more."""
    arrays = [key for key, value in whole.items() if isinstance(value, list) and value]
    inner: object = None
    header: list[str] = []
    if len(arrays) == 1:
        key = arrays[0]
        inner = whole[key]
    else:
        objects = [key for key, value in whole.items() if isinstance(value, dict)]
        if arrays or len(objects) != 1:
            return None, []
        key = objects[0]
        value = whole[key]
        inner, header = _only_array(value) if isinstance(value, dict) else (None, [])
    rest = {name: value for name, value in whole.items() if name != key}
    return inner, [*([json.dumps(rest, ensure_ascii=False)] if rest else []), *header]
