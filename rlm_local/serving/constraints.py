"""Constraints for servers that know only JSON: asking them, and finding the text in what they say.

Pure. Whether a text fits is `typed.fitting`'s judgement; constraining the tokens themselves is
the server's work, or Outlines' in process.
"""

import json
from typing import Any, assert_never

from rlm_local.typed.fitting import check_constraint, fits
from rlm_local.typed.schemas import parsed_schema
from rlm_local.types import Choices, Constraint, JsonSchema, Regex

__all__ = ["check_constraint", "fits", "instruction", "json_schema_of", "text_that_fits"]

WRAPPER_KEY = "value"


def text_that_fits(reply: str, constraint: Constraint) -> str | None:
    """The constrained text inside a reply of a server that was only asked for it, if any.

    Takes the reply itself, a `{"value": ...}` wrapper, a fenced block, and for choices another
    case or closing punctuation.
    """
    bare = _unfenced(reply.strip())
    for candidate in (reply, bare, _unwrapped(bare)):
        if candidate is not None and fits(candidate, constraint):
            return candidate
    if isinstance(constraint, Choices):
        wanted = _folded(_unwrapped(bare) or bare)
        same = [value for value in constraint.values if _folded(value) == wanted]
        return same[0] if len(same) == 1 else None
    return None


def json_schema_of(constraint: Constraint) -> dict[str, Any]:
    """A JSON schema for servers that constrain by schema only; texts go into a wrapper object.

    Raises:
        ModelError: the schema is not JSON.
    """
    match constraint:
        case Choices(values):
            return _wrapper({"type": "string", "enum": list(values)})
        case Regex(pattern):
            return _wrapper({"type": "string", "pattern": f"^(?:{pattern})$"})
        case JsonSchema(schema):
            return parsed_schema(schema)
        case _:
            assert_never(constraint)


def instruction(constraint: Constraint) -> str:
    """One line that asks for the same in words, for servers that ignore the schema."""
    match constraint:
        case Choices(values):
            listed = json.dumps(list(values), ensure_ascii=False)
            return f'Reply with JSON {{"value": ...}} whose value is exactly one of: {listed}.'
        case Regex(pattern):
            return (
                'Reply with JSON {"value": "..."} whose value matches the '
                f"regular expression {pattern}"
            )
        case JsonSchema(schema):
            return f"Reply with nothing but JSON that fits this schema: {schema}"
        case _:
            assert_never(constraint)


def _wrapper(inner: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {WRAPPER_KEY: inner},
        "required": [WRAPPER_KEY],
        "additionalProperties": False,
    }


def _unfenced(text: str) -> str:
    if not (text.startswith("```") and text.endswith("```") and "\n" in text):
        return text
    return text.split("\n", 1)[1].removesuffix("```").strip()


def _unwrapped(text: str) -> str | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) and set(value) == {WRAPPER_KEY}:
        value = value[WRAPPER_KEY]
    return value if isinstance(value, str) else None


def _folded(text: str) -> str:
    return text.strip().strip("\"'`.*").strip().casefold()
