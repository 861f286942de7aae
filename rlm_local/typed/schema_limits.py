"""Which JSON schemas of a cell are let in: small, flat, closed in themselves, in known words.

Pure. A schema that passes can be written out whole, its references followed, in `MOST_PARTS`
parts: so nothing that is built from it, here or in a model server, can grow without end.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias
from urllib.parse import unquote

__all__ = ["MOST_PARTS", "SubSchemas", "admitted_schema", "check_pattern", "children", "target_of"]

MOST_CHARS = 1 << 14
DEEPEST = 24
MOST_PARTS = 500
"""Subschemas, counted as often as they are referred to."""
MOST_VALUES = 1000
"""Of all `enum` and `required`, counted in the same way: whether they differ is quadratic."""
MOST_PATTERNS = 32
MOST_REPEATS = 5000
"""All counts of a pattern together: each is kept compiled, with a state for each of them."""
LARGEST_BOUND = 10_000
"""Of lengths and numbers of items: an automaton has a state for each."""

SubSchemas: TypeAlias = "list[tuple[str, object]]"

_ONE = ("additionalItems", "additionalProperties", "contains", "else", "if", "items", "not",
        "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties")  # fmt: skip
_LISTS = ("allOf", "anyOf", "items", "oneOf", "prefixItems")
_NAMED = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
_DEFINITIONS = ("$defs", "definitions")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_BOUNDS = ("maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties")
_OTHERS = (
    "$anchor", "$comment", "$dynamicAnchor", "$id", "$schema", "$vocabulary", "const",
    "contentEncoding", "contentMediaType", "default", "dependentRequired", "deprecated",
    "description",
    "discriminator", "enum", "example", "examples", "exclusiveMaximum", "exclusiveMinimum",
    "format", "maxContains", "maximum", "minContains", "minimum", "multipleOf", "pattern",
    "readOnly", "required", "title", "type", "uniqueItems", "writeOnly",
)  # fmt: skip
_COUNT = re.compile(r"\{\s*(\d+)\s*(?:,\s*(\d*)\s*)?\}")
_KNOWN = frozenset((*_ONE, *_LISTS, *_NAMED, *_REFERENCES, *_BOUNDS, *_OTHERS))


def admitted_schema(schema: dict[str, Any]) -> str:
    """The schema as text with sorted keys, but for properties: replies have them in that order.

    Raises:
        ValueError: it is let in by none of the rules above; says which, fit to show the root.
    """
    _check_size(schema)
    try:
        text = json.dumps(_sorted(schema))
    except RecursionError as error:
        raise ValueError("schema is nested too deeply") from error
    if len(text) > MOST_CHARS:
        raise _too_long()
    patterns: set[str] = set()
    for part in _parts_as_written(schema):
        _check_words(part)
        if isinstance(pattern := part.get("pattern"), str):
            patterns.add(pattern)
    if len(patterns) > MOST_PATTERNS:
        raise ValueError(f"schema has {len(patterns)} different patterns; at most {MOST_PATTERNS}")
    for pattern in patterns:
        check_pattern(pattern)
    _Unfolding(schema).count(schema, ())
    return text


def check_pattern(pattern: str) -> None:
    """Make sure that a pattern does not count far.

    Raises:
        ValueError: it does; says how far, fit to show the root.
    """
    repeats = 0
    for low, high in _COUNT.findall(pattern):
        longest = max(low, high, key=len)
        repeats += max(int(low), int(high or 0)) if len(longest) < 9 else 10**9
    if repeats > MOST_REPEATS:
        raise ValueError(
            f"a pattern counts to {repeats:,} in all, which is more than {MOST_REPEATS:,}: "
            f"{pattern!r:.200}; use * or +"
        )


def target_of(root: dict[str, Any], reference: str) -> object:
    """What a reference of the form `#/a/b` names in the schema.

    Raises:
        ValueError: nothing is there.
    """
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            raise ValueError(f"schema refers to {reference!r:.100}, which it does not have")
    return found


class _Unfolding:
    """Counts the parts of a schema with every reference followed."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._n_parts = 0
        self._n_values = 0

    def count(self, part: object, followed: tuple[str, ...], depth: int = 0) -> None:
        if depth > DEEPEST:
            raise ValueError(f"schema goes more than {DEEPEST} levels deep, references followed")
        self._n_parts += 1
        if self._n_parts > MOST_PARTS:
            raise ValueError(
                f"schema has more than {MOST_PARTS:,} parts, counting each as often as it is "
                "referred to; ask for less at once"
            )
        if not isinstance(part, dict):
            return
        for key in ("enum", "required", "type"):
            self._n_values += len(part[key]) if isinstance(part.get(key), list) else 0
            if self._n_values > MOST_VALUES:
                raise ValueError(f"schema lists more than {MOST_VALUES:,} values; list fewer")
        for reference in (part[key] for key in _REFERENCES if isinstance(part.get(key), str)):
            if reference in followed:
                raise ValueError(
                    f"schema refers to itself by {reference!r:.100}, so it has no end; "
                    "write out the levels you need as types of their own"
                )
            self.count(target_of(self._root, reference), (*followed, reference), depth + 1)
        for name, inner in children(part):
            if name not in _DEFINITIONS:
                self.count(inner, followed, depth + 1)


def _check_size(schema: dict[str, Any]) -> None:
    """A schema of megabytes is not even written out."""
    rest: list[object] = [schema]
    n_chars = 0
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            n_chars += sum(len(key) for key in value) if len(value) <= MOST_CHARS else MOST_CHARS
        if isinstance(value, str | list | dict):
            n_chars += len(value)
        if n_chars > MOST_CHARS:
            raise _too_long()
        if isinstance(value, list | dict):
            rest.extend(value if isinstance(value, list) else value.values())


def _too_long() -> ValueError:
    return ValueError(f"schema has more than {MOST_CHARS:,} characters; ask for less at once")


def _sorted(value: object, *, keeps_order: bool = False) -> object:
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    if not isinstance(value, dict):
        return value
    keys = list(value) if keeps_order else sorted(value)
    return {key: _sorted(value[key], keeps_order=key == "properties") for key in keys}


def _parts_as_written(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    rest: list[tuple[object, int]] = [(schema, 0)]
    while rest:
        part, depth = rest.pop()
        if depth > DEEPEST:
            raise ValueError(f"schema is nested too deeply: more than {DEEPEST} levels")
        if isinstance(part, dict):
            yield part
            rest.extend((inner, depth + 1) for _, inner in children(part))


def children(part: dict[str, Any]) -> SubSchemas:
    """The subschemas of one, each with the keyword it stands under."""
    found: SubSchemas = [(key, part[key]) for key in _ONE if isinstance(part.get(key), dict)]
    for key in _LISTS:
        if isinstance(part.get(key), list):
            found += [(key, inner) for inner in part[key]]
    for key in _NAMED:
        if isinstance(part.get(key), dict):
            found += [(key, inner) for inner in part[key].values()]
    return found


def _check_words(part: dict[str, Any]) -> None:
    unknown = [key for key in part if key not in _KNOWN and not key.startswith("x-")]
    if unknown:
        raise ValueError(f"schema has a keyword that nobody knows: {unknown[0]!r:.100}")
    for key in _REFERENCES:
        target = part.get(key)
        # Another would be fetched from the host's disk or network.
        if isinstance(target, str) and target != "#" and not target.startswith("#/"):
            raise ValueError(
                f"schema may refer only to its own parts, as in '#/$defs/name'; "
                f"not {key} to {target!r:.100}"
            )
    for key in _BOUNDS:
        bound = part.get(key)
        if isinstance(bound, int | float) and not 0 <= bound <= LARGEST_BOUND:
            raise ValueError(f"schema: {key} must be from 0 to {LARGEST_BOUND:,}, not {bound}")
