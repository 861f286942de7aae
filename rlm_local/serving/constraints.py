"""What a constraint asks of a text: checking a reply, and asking servers that know only JSON.

Pure. Constraining the tokens themselves is the server's work, or Outlines' in process.
"""

import functools
import json
from typing import Annotated, Any, assert_never

from pydantic import PydanticUserError, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from rlm_local.errors import ModelError
from rlm_local.serving.schemas import parsed_schema, schema_check
from rlm_local.types import Choices, Constraint, JsonSchema, Regex

__all__ = ["check_constraint", "fits", "instruction", "json_schema_of", "text_that_fits"]

WRAPPER_KEY = "value"


def check_constraint(constraint: Constraint) -> None:
    """Make sure that a constraint can be asked for at all.

    Raises:
        ModelError: no choices, or a broken pattern or schema; quotes it.
    """
    match constraint:
        case Choices(values):
            if not values:
                raise ModelError("a reply cannot be one of no choices")
        case Regex(pattern):
            _matcher(pattern)
        case JsonSchema(schema):
            schema_check(schema)
        case _:
            assert_never(constraint)


def fits(text: str, constraint: Constraint) -> bool:
    """Whether the whole text satisfies the constraint; raises as `check_constraint` does."""
    match constraint:
        case Choices(values):
            return text in values
        case Regex(pattern):
            return _matches(pattern, text)
        case JsonSchema(schema):
            return schema_check(schema).fits(text)
        case _:
            assert_never(constraint)


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


def _matches(pattern: str, text: str) -> bool:
    try:
        _matcher(pattern).validate_python(text)
    except ValidationError:
        return False
    return True


@functools.lru_cache(maxsize=256)
def _matcher(pattern: str) -> TypeAdapter[str]:
    """A matcher in linear time: a pattern may come from a cell, and must not hang the host."""
    whole = StringConstraints(pattern=rf"\A(?:{pattern})\z")
    try:
        return TypeAdapter(Annotated[str, whole])
    except (SchemaError, PydanticUserError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ModelError(f"not a usable regular expression: {pattern!r} ({reason})") from error


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
