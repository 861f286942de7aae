"""A JSON schema as grammars can hold it: references written out, words they lack left out.

What comes out may allow more than the schema does, or fewer spellings of the same; replies are
held to the schema itself afterwards (`typed.fitting`). Pure; always ends.
"""

import functools
import json
from typing import Any

from rlm_local.serving.grammar_patterns import FORMATS, inside_quotes, plain_text
from rlm_local.typed.schema_limits import children, target_of
from rlm_local.typed.schemas import parsed_schema

__all__ = ["automaton_schema", "has_open_parts", "server_schema"]

LONGEST_TEXT = 50
"""Characters an automaton counts; each is some hundred states."""
MOST_ITEMS = 10
"""Items an automaton counts; each repeats all states of one."""
LARGEST_RANGE = 1000
"""Integers an automaton lists."""
MOST_NAMES = 50
"""Names that a dict is written out for, each of which it may have."""
MOST_TIMES = 200
"""One part is written out for names; dicts in dicts multiply."""
_WRITTEN_LEVELS = 64

_ANY: dict[str, Any] = {}
_SCALARS = [{"type": kind} for kind in ("string", "number", "boolean", "null")]
_SHALLOW: dict[str, Any] = {
    "anyOf": [
        *_SCALARS,
        {"type": "array", "items": {"anyOf": _SCALARS}},
        {"type": "object", "additionalProperties": {"anyOf": _SCALARS}},
    ]
}
"""Any JSON, for automata: they have no recursion, and levels multiply their states."""
_TYPE_BY_KEYWORD = {
    "properties": "object", "additionalProperties": "object", "required": "object",
    "items": "array", "prefixItems": "array", "minItems": "array", "maxItems": "array",
    "pattern": "string", "format": "string", "minLength": "string", "maxLength": "string",
    "minimum": "number", "maximum": "number", "exclusiveMinimum": "number",
    "exclusiveMaximum": "number", "multipleOf": "number",
}  # fmt: skip


@functools.lru_cache(maxsize=64)
def server_schema(schema: str) -> str:
    """For a model server, whose grammars have recursion and count well.

    Raises:
        ModelError: the schema is not JSON.
    """
    return _written(schema, for_automaton=False)


@functools.lru_cache(maxsize=64)
def automaton_schema(schema: str) -> str:
    """For an automaton that is built whole; raises as `server_schema`."""
    return _written(schema, for_automaton=True)


@functools.lru_cache(maxsize=64)
def has_open_parts(schema: str) -> bool:
    """Whether a part of the schema may be any JSON; raises as `server_schema`."""
    rest: list[object] = [json.loads(server_schema(schema))]
    while rest:
        part = rest.pop()
        if part == _ANY:
            return True
        if isinstance(part, dict):
            rest += [inner for _, inner in children(part)]
    return False


def _written(schema: str, *, for_automaton: bool) -> str:
    root = parsed_schema(schema)
    return json.dumps(_Writer(root, for_automaton=for_automaton).part(root, ()))


class _Writer:
    def __init__(self, root: dict[str, Any], *, for_automaton: bool) -> None:
        self._root = root
        self._for_automaton = for_automaton
        self._any = _SHALLOW if for_automaton else _ANY
        self._times = 1
        """How often what is being written stands in it."""

    def part(self, part: object, followed: tuple[str, ...]) -> dict[str, Any]:
        """One subschema; `followed` are the references that led to it."""
        if not isinstance(part, dict) or len(followed) > _WRITTEN_LEVELS:
            return self._any
        reference = part.get("$ref")
        if isinstance(reference, str):
            return self._referred(reference, followed)
        if isinstance(part.get("allOf"), list):
            return self.part(self._merged(part, followed), followed)
        for key in ("anyOf", "oneOf"):
            if isinstance(part.get(key), list) and "properties" not in part:
                return {"anyOf": [self.part(inner, followed) for inner in part[key]]}
        if "const" in part:
            return {"enum": [part["const"]]}
        if "enum" in part:
            return {"enum": part["enum"]}
        return self._typed(part, followed)

    def _referred(self, reference: str, followed: tuple[str, ...]) -> dict[str, Any]:
        if reference in followed:
            return self._any
        try:
            target = target_of(self._root, reference)
        except ValueError:
            return self._any  # the check of the reply will say so
        return self.part(target, (*followed, reference))

    def _merged(self, part: dict[str, Any], followed: tuple[str, ...]) -> dict[str, Any]:
        merged = {key: value for key, value in part.items() if key != "allOf"}
        for inner in part["allOf"]:
            if isinstance(inner, dict) and isinstance(inner.get("$ref"), str):
                inner = self._referred(inner["$ref"], followed)
            if not isinstance(inner, dict):
                continue
            properties = {**merged.get("properties", {}), **inner.get("properties", {})}
            required = [*merged.get("required", []), *inner.get("required", [])]
            merged |= inner
            merged |= {"properties": properties, "required": required} if properties else {}
        return merged

    def _typed(self, part: dict[str, Any], followed: tuple[str, ...]) -> dict[str, Any]:
        kind = part.get("type")
        if kind is None:
            kind = next((_TYPE_BY_KEYWORD[key] for key in part if key in _TYPE_BY_KEYWORD), None)
        if isinstance(kind, list):
            kinds = [{**part, "type": each} for each in kind]
            return {"anyOf": [self._typed(each, followed) for each in kinds]}
        match kind:
            case "object":
                return self._object(part, followed)
            case "array":
                return self._array(part, followed)
            case "string":
                return self._text(part)
            case "integer" | "number":
                return self._number(part, kind)
            case "boolean" | "null":
                return {"type": kind}
            case _:
                return self._any

    def _object(self, part: dict[str, Any], followed: tuple[str, ...]) -> dict[str, Any]:
        written = self._properties(part, followed)
        if not written:
            others = part.get("additionalProperties")
            if others is False:
                return {"type": "object", "properties": {}, "additionalProperties": False}
            inner = self.part(others, followed)
            if inner is _SHALLOW:
                inner = {"anyOf": _SCALARS}
            return {"type": "object", "additionalProperties": inner}
        required = [name for name in written if name in part.get("required", ())]
        return {
            "type": "object", "properties": written, "required": required,
            "additionalProperties": False,
        }  # fmt: skip

    def _properties(
        self, part: dict[str, Any], followed: tuple[str, ...]
    ) -> dict[str, dict[str, Any]]:
        properties = part.get("properties")
        if isinstance(properties, dict) and properties:
            return {name: self.part(inner, followed) for name, inner in properties.items()}
        names = _listed_names(part)
        if not names or self._times * len(names) > MOST_TIMES:
            return {}
        self._times *= len(names)
        inner = self.part(part.get("additionalProperties", {}), followed)
        self._times //= len(names)
        return dict.fromkeys(names, inner)

    def _array(self, part: dict[str, Any], followed: tuple[str, ...]) -> dict[str, Any]:
        if isinstance(first := part.get("prefixItems"), list) and first:
            n_items = len(first)
            written = [self.part(inner, followed) for inner in first]
            return {
                "type": "array", "prefixItems": written, "items": False,
                "minItems": n_items, "maxItems": n_items,
            }  # fmt: skip
        inner = self.part(part.get("items"), followed)
        if inner is _SHALLOW:
            inner = {"anyOf": _SCALARS}
        most = MOST_ITEMS if self._for_automaton else None
        return {"type": "array", "items": inner} | _bounds(part, "minItems", "maxItems", most)

    def _text(self, part: dict[str, Any]) -> dict[str, Any]:
        pattern = part.get("pattern")
        written = inside_quotes(pattern) if isinstance(pattern, str) else None
        written = written or FORMATS.get(str(part.get("format")))
        if written is not None:
            return {"type": "string", "pattern": f"^{written}$"}
        most = LONGEST_TEXT if self._for_automaton else None
        bounds = _bounds(part, "minLength", "maxLength", most)
        if bounds and self._for_automaton:
            low, high = bounds.get("minLength", 0), bounds.get("maxLength", "")
            return {"type": "string", "pattern": f"^{plain_text(low, high)}$"}
        return {"type": "string"} | bounds

    def _number(self, part: dict[str, Any], kind: str) -> dict[str, Any]:
        bounds = _limits(part, is_integer=kind == "integer")
        if not self._for_automaton:
            return {"type": kind} | bounds
        if kind == "integer" and len(bounds) == 2:
            low, high = bounds["minimum"], bounds["maximum"]
            if 0 <= high - low < LARGEST_RANGE:
                return {"enum": list(range(low, high + 1))}
        return {"type": kind}


def _listed_names(part: dict[str, Any]) -> list[str]:
    """Of an object whose names are listed, and whose values are all alike."""
    listed = part.get("propertyNames")
    names = listed.get("enum") if isinstance(listed, dict) else None
    if not isinstance(names, list) or len(names) > MOST_NAMES:
        return []
    return [name for name in names if isinstance(name, str)]


def _bounds(part: dict[str, Any], low: str, high: str, most: int | None) -> dict[str, Any]:
    """The two bounds of a length that are there, and that can be counted."""
    return {
        key: int(part[key])
        for key in (low, high)
        if isinstance(part.get(key), int | float) and (most is None or part[key] <= most)
    }


def _limits(part: dict[str, Any], *, is_integer: bool) -> dict[str, Any]:
    """Inclusive bounds: of exclusive ones, those of numbers are widened by the bound itself."""
    found: dict[str, Any] = {}
    for key, exclusive, step in (
        ("minimum", "exclusiveMinimum", 1),
        ("maximum", "exclusiveMaximum", -1),
    ):
        bound, beyond = part.get(key), part.get(exclusive)
        if isinstance(bound, int | float) and not isinstance(bound, bool):
            found[key] = bound
        elif isinstance(beyond, int | float) and not isinstance(beyond, bool):
            found[key] = beyond + (step if is_integer else 0)
    if is_integer and any(value != int(value) for value in found.values()):
        return {}
    return {key: int(value) if is_integer else value for key, value in found.items()}
