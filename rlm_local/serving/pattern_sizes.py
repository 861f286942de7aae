"""How long a pattern gets that Outlines makes of a JSON schema, without making it.

Pure. The pattern doubles with each level of arrays and dicts, and is quadratic where every name
of an object may be missing; making it takes memory that no error can be caught for.
"""

import json
import re
from typing import Any

__all__ = ["pattern_chars"]

_TEXT = 43
_NUMBER = 49
_AROUND_NAME = 16
_ANYTHING = 1 << 20
"""Of a part that may be any JSON; longer than whoever asks would take."""


def pattern_chars(schema: str) -> int:
    """About how many characters, rather more than fewer; of a schema as automata hold it."""
    return _chars(json.loads(schema))


def _chars(part: dict[str, Any]) -> int:
    if "anyOf" in part:
        return sum(_chars(inner) + 3 for inner in part["anyOf"])
    if "enum" in part:
        return sum(_value_chars(value) + 1 for value in part["enum"])
    match part.get("type"):
        case "object":
            return _object_chars(part)
        case "array":
            return _array_chars(part)
        case "string":
            return len(part["pattern"]) + 4 if "pattern" in part else _TEXT + 20
        case "number" | "integer" | "boolean" | "null":
            return _NUMBER
        case _:
            return _ANYTHING


def _array_chars(part: dict[str, Any]) -> int:
    if "prefixItems" in part:
        return sum(_chars(inner) + 5 for inner in part["prefixItems"]) + 8
    return 2 * _chars(part["items"]) + 40


def _object_chars(part: dict[str, Any]) -> int:
    properties = part.get("properties")
    if properties is None:
        return 2 * (_chars(part["additionalProperties"]) + _TEXT) + 40
    pairs = [
        _value_chars(name) + _chars(inner) + _AROUND_NAME for name, inner in properties.items()
    ]
    if part.get("required"):
        return sum(pairs)
    return sum(chars * (len(pairs) - at) for at, chars in enumerate(pairs))


def _value_chars(value: object) -> int:
    if isinstance(value, int):
        return len(repr(value)) + 2  # ranges of numbers are long lists
    text = json.dumps(value)
    return len(re.escape(text)) + (0 if isinstance(value, str) else 4 * text.count("["))
